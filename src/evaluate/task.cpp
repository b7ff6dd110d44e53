#include "evaluate/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

#include "base/error.h"
#include "embedded_tasks.h"
#include "evaluate/python_space.h"
#include "text/chat_template.h"

namespace hearth::evaluate {

namespace {

using Json = nlohmann::ordered_json;
using Strings = std::vector<std::string>;

[[noreturn]] void fail(std::string_view fault) {
  throw Error(Code::bad_input, fault);
}

// The value at "a.b", or null.
const Json* find(const Json& row, std::string_view path) {
  const Json* at = &row;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto next = at->is_object() ? at->find(std::string(path.substr(0, dot))) : at->end();
    if (!at->is_object() || next == at->end()) return nullptr;
    at = &*next;
    path = dot == path.npos ? std::string_view() : path.substr(dot + 1);
  }
  return at->is_null() ? nullptr : at;
}

const Json& need(const Json& row, std::string_view path) {
  const Json* const value = find(row, path);
  if (!value) fail(fmt::format("field \"{}\" is missing", path));
  return *value;
}

Strings list_of_text(const Json& row, const std::string& path) {
  const Json& list = need(row, path);
  if (!list.is_array()) fail(fmt::format("field \"{}\" is no list", path));
  Strings texts;
  for (const Json& item : list) {
    if (!item.is_string()) fail(fmt::format("field \"{}\" holds something that is no text", path));
    texts.push_back(item);
  }
  return texts;
}

// Changes to a text, one after another: what lm-evaluation-harness does in Python for HellaSwag.
struct Cleaning {
  std::string operation, from, to;

  void apply(std::string& text) const {
    if (operation == "strip") {
      text = strip(std::string(text));
    } else if (operation == "replace") {
      for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
        text.replace(at, from.size(), to);
    } else {  // drop: from each opening to the next closing on the same line
      for (std::size_t at = 0; (at = text.find(from, at)) != text.npos;) {
        const auto close = text.find(to, at + from.size());
        if (close == text.npos) break;
        if (text.find('\n', at) < close)
          ++at;
        else
          text.erase(at, close + to.size() - at);
      }
    }
  }
};

// A list of texts: templates, or the name of a field that holds them.
struct TextList {
  std::string field;
  std::vector<text::ChatTemplate> templates;

  Strings of(const Json& row) const {
    if (!field.empty()) return list_of_text(row, field);
    Strings texts;
    for (const auto& one : templates) texts.push_back(one.render(row));
    return texts;
  }
};

// Which choice is right: a field's number, or where its text stands among others.
struct Gold {
  std::string field, in;
  Strings values;

  std::size_t of(const Json& row, std::size_t choices) const {
    const Json& value = need(row, field);
    if (!in.empty() || !values.empty()) {
      const std::string text(strip(value.is_string() ? value.get<std::string>() : value.dump()));
      const Strings among = in.empty() ? values : list_of_text(row, in);
      const auto at = std::find(among.begin(), among.end(), text);
      if (at == among.end())
        fail(fmt::format("field \"{}\" is \"{}\" and must be one of {}", field, text, fmt::join(among, ", ")));
      return inside(std::size_t(at - among.begin()), choices);
    }
    if (value.is_boolean()) return inside(value.get<bool>(), choices);
    if (value.is_number_integer() && value >= 0) return inside(value.get<std::size_t>(), choices);
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      std::size_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc{} && end == text.data() + text.size()) return inside(number, choices);
    }
    fail(fmt::format("field \"{}\" is {} and must be the index of a choice", field, value.dump()));
  }

 private:
  std::size_t inside(std::size_t index, std::size_t choices) const {
    if (index >= choices) fail(fmt::format("field \"{}\" points at choice {} of {}", field, index, choices));
    return index;
  }
};

// Reads a task file's keys; a layout's own come before the task's.
class Keys {
 public:
  Keys(const Json& own, const Json& common, const std::string& origin) : own_(own), common_(common), origin_(origin) {}

  [[noreturn]] void wrong(std::string_view key, std::string_view wanted) const {
    throw Error(Code::bad_input, fmt::format("\"{}\" must be {}", key, wanted), origin_);
  }
  const Json* find(const std::string& key) const {
    for (const Json* from : {&own_, &common_})
      if (const auto at = from->find(key); at != from->end()) return &*at;
    return nullptr;
  }
  std::string text(const std::string& key, std::optional<std::string> absent = {}) const {
    const Json* const value = find(key);
    if (!value && absent) return *absent;
    if (!value || !value->is_string()) wrong(key, "a text");
    return *value;
  }
  Strings texts(const std::string& key, std::optional<Strings> absent = {}) const {
    const Json* const value = find(key);
    if (!value && absent) return *absent;
    return strings(value, key);
  }
  Strings strings(const Json* value, const std::string& key) const {
    const auto is_text = [](const Json& item) { return item.is_string(); };
    if (!value || !value->is_array() || value->empty() || !std::all_of(value->begin(), value->end(), is_text))
      wrong(key, "a list of texts");
    return *value;
  }
  text::ChatTemplate compile(const std::string& source, const std::string& key) const {
    try {
      return text::ChatTemplate(source);
    } catch (const Error& error) {
      throw Error(Code::bad_input, fmt::format("\"{}\": {}", key, error.what()), origin_);
    }
  }
  TextList text_list(const std::string& key) const {
    const Json* const value = find(key);
    if (value && value->is_string()) return {*value, {}};
    TextList list;
    for (const std::string& source : strings(value, key)) list.templates.push_back(compile(source, key));
    return list;
  }
  std::vector<Cleaning> cleanings() const {
    const Json* const value = find("clean");
    std::vector<Cleaning> steps;
    if (!value) return steps;
    if (!value->is_array()) wrong("clean", "a list of steps");
    for (const Json& step : *value) {
      Strings words = strings(&step, "clean");
      const bool ok = (words.size() == 1 && words[0] == "strip") ||
                      (words.size() == 3 && (words[0] == "replace" || words[0] == "drop") && !words[1].empty() &&
                       (words[0] == "replace" || !words[2].empty()));
      if (!ok) wrong("clean", "steps such as [\"strip\"], [\"replace\", FROM, TO], [\"drop\", OPEN, CLOSE]");
      words.resize(3);
      steps.push_back({words[0], words[1], words[2]});
    }
    return steps;
  }
  Gold gold() const {
    const Json* const value = find("gold");
    if (value && value->is_string()) return {*value, {}, {}};
    if (!value || !value->is_object()) wrong("gold", "a field's name, or {\"field\", \"in\" or \"values\"}");
    const Json none = Json::object();
    const Keys keys(*value, none, origin_);
    Gold gold{keys.text("field"), keys.text("in", ""), keys.texts("values", Strings{})};
    if (gold.in.empty() == gold.values.empty()) wrong("gold", "a field and either \"in\" or \"values\"");
    return gold;
  }

 private:
  const Json &own_, &common_;
  const std::string& origin_;
};

}  // namespace

struct Task::Layout {
  Strings fields;
  std::optional<text::ChatTemplate> context, continuation;
  TextList choices;  // or the contexts, where the continuation is the same
  Gold gold;
  std::vector<Cleaning> clean;

  std::string cleaned(std::string text) const {
    for (const Cleaning& step : clean) step.apply(text);
    return text;
  }
};

Task::Task() = default;
Task::~Task() = default;
Task::Task(Task&&) noexcept = default;
Task& Task::operator=(Task&&) noexcept = default;

Task Task::parse(std::string_view json, const std::string& origin) {
  const Json file = Json::parse(json, nullptr, false);
  if (!file.is_object()) throw Error(Code::bad_input, "a task is a JSON object", origin);
  const Json none = Json::object();
  const Keys keys(file, none, origin);
  Task task;
  task.name_ = keys.text("task");
  if (task.name_.empty() || task.name_.find_first_of(",/\\ ") != std::string::npos)
    keys.wrong("task", "a name without spaces, commas and slashes");
  task.about_ = keys.text("about", "");
  if (const Json* version = keys.find("version")) {
    if (!version->is_number()) keys.wrong("version", "a number");
    task.version_ = *version;
  }
  task.folders_ = keys.texts("folders", Strings{task.name_});
  task.splits_ = keys.texts("splits", Strings{"test", "validation"});
  const Strings metrics = keys.texts("metrics", Strings{"acc", "acc_norm"});
  for (const std::string& metric : metrics)
    if (metric != "acc" && metric != "acc_norm") keys.wrong("metrics", "\"acc\", \"acc_norm\" or both");
  task.reports_acc_norm_ = std::find(metrics.begin(), metrics.end(), "acc_norm") != metrics.end();

  Json layouts = Json::array({Json::object()});  // a task of one layout may keep its keys at the top
  if (const Json* given = keys.find("layouts")) layouts = *given;
  if (!layouts.is_array() || layouts.empty()) keys.wrong("layouts", "a list");
  for (const Json& given : layouts) {
    if (!given.is_object()) keys.wrong("layouts", "a list of objects");
    const Keys own(given, file, origin);
    auto layout = std::make_unique<Layout>();
    layout->fields = own.texts("fields");
    layout->gold = own.gold();
    layout->clean = own.cleanings();
    if (own.find("contexts")) {
      layout->choices = own.text_list("contexts");
      layout->continuation = own.compile(own.text("continuation"), "continuation");
    } else {
      layout->context = own.compile(own.text("context"), "context");
      layout->choices = own.text_list("choices");
    }
    task.layouts_.push_back(std::move(layout));
  }
  return task;
}

bool Task::has_test_split() const noexcept {
  return std::find(splits_.begin(), splits_.end(), "test") != splits_.end();
}

// The first layout whose fields are all there; else the fault is what the nearest one lacks.
const Task::Layout& Task::layout_of(const Row& row) const {
  if (!row.is_object()) fail("a row is a JSON object");
  std::size_t fewest = std::size_t(-1);
  std::string missing;
  for (const auto& layout : layouts_) {
    Strings absent;
    for (const std::string& field : layout->fields)
      if (!find(row, field)) absent.push_back(fmt::format("\"{}\"", field));
    if (absent.empty()) return *layout;
    if (absent.size() < fewest) {
      fewest = absent.size();
      missing = fmt::format("{} {} missing", fmt::join(absent, ", "), absent.size() > 1 ? "are" : "is");
    }
  }
  fail(fmt::format("{}{}", fewest > 1 ? "fields " : "field ", missing));
}

Example Task::example(const Row& row) const {
  const Layout& layout = layout_of(row);
  const Strings texts = layout.choices.of(row);
  if (texts.empty()) fail("there are no choices");
  // Either the choices follow one context, or each is a context of its own and one continuation follows them all.
  const bool apart = layout.continuation.has_value();
  const std::string common = layout.cleaned((apart ? *layout.continuation : *layout.context).render(row));
  if (apart && common.empty()) fail("the continuation is empty");
  Example example;
  for (const std::string& raw : texts) {
    std::string text = layout.cleaned(raw);
    if (text.empty()) fail("a choice is empty");
    Choice choice = apart ? Choice{std::move(text), common} : Choice{common, std::move(text)};
    choice.bytes = choice.continuation.size();
    example.choices.push_back(std::move(choice));
  }
  example.gold = layout.gold.of(row, texts.size());
  return example;
}

std::vector<Task> builtin_tasks() {
  std::vector<Task> tasks;
  for (const auto& file : embedded_tasks) tasks.push_back(Task::parse(file.text, std::string(file.name)));
  return tasks;
}

}  // namespace hearth::evaluate
