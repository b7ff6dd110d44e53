#include "text/chat_template.h"

#include <fmt/format.h>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/runtime.h"
#include "text/jinja/syntax.h"

namespace hearth::text {

using Json = nlohmann::ordered_json;

struct ChatTemplate::Program {
  jinja::Syntax syntax;
};

namespace {

constexpr int most_nested = 200;  // of the context

jinja::Value to_value(jinja::Runtime& runtime, const Json& json, int depth = 0) {
  using jinja::Kind;
  using jinja::Value;
  if (depth > most_nested) throw Error(Code::bad_input, "values nest too deeply", "context of a chat template");
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::integer(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return Value::integer(json.get<std::uint64_t>());
    case Json::value_t::number_float:
      return Value::floating(json.get<double>());
    case Json::value_t::string:
      return Value::text(json.get<std::string>());
    case Json::value_t::array: {
      jinja::Values values;
      for (const Json& item : json) values.push_back(to_value(runtime, item, depth + 1));
      return Value::of(Kind::list, std::make_shared<jinja::Sequence>(std::move(values)));
    }
    case Json::value_t::object: {
      auto dict = std::make_shared<jinja::Dict>();
      for (const auto& [key, item] : json.items())
        dict->set(runtime, Value::text(key), to_value(runtime, item, depth + 1));
      return Value::of(Kind::dict, std::move(dict));
    }
    default:
      return Value();
  }
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source)
    : program_(std::make_unique<const Program>(Program{jinja::parse(source)})) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const Json& context, const TemplateLimits& limits, long long now) const {
  const jinja::Syntax& syntax = program_->syntax;
  jinja::Runtime runtime(limits, now);
  std::vector<std::optional<jinja::Value>> values(syntax.symbols.size());
  for (const auto& [name, value] : context.items())
    if (const auto found = syntax.numbers.find(name); found != syntax.numbers.end())
      values[static_cast<std::size_t>(found->second)] = to_value(runtime, value);
  return jinja::Evaluator(runtime, syntax, std::move(values)).run();
}

}  // namespace hearth::text
