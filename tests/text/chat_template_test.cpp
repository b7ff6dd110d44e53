// tests/cases/templates.json, made by Jinja2 as transformers sets it up (tests/text/make_templates.py); the shared
// conformance data; and templates that mean harm.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "cpu_seconds.h"
#include "shared.h"
#include "source_dir.h"

namespace hearth::text {
namespace {

using Json = nlohmann::ordered_json;

constexpr long long new_year_2026 = 1767225600;  // UTC

std::string render(const std::string& source, const Json& context = Json::object()) {
  return ChatTemplate(source).render(context, {}, new_year_2026);
}

std::string fault(const std::string& source, const TemplateLimits& limits = {}) {
  try {
    return "no error: " + ChatTemplate(source).render({{"x", "abc"}, {"l", {1, 2}}}, limits).substr(0, 200);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_input);
    return error.what();
  }
}

std::string times(std::size_t count, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplate, RendersWhatJinjaRenders) {
  const auto all = Json::parse(std::ifstream(hearth::tests::source_dir() + "/tests/cases/templates.json"));
  ASSERT_GT(all["cases"].size(), 1000);
  for (const Json& test : all["cases"]) {
    const std::string source = test["template"].get<std::string>();
    SCOPED_TRACE(source);
    try {
      const std::string text = render(source, test.value("context", all["context"]));
      EXPECT_EQ(text, test.value("expected", "an error"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      EXPECT_TRUE(test.contains("error")) << error.what();
    }
  }
}

TEST(ChatTemplate, RendersPublishedTemplates) {
  HEARTH_NEEDS_SHARED();
  std::ifstream file(hearth::tests::shared() / "conformance/chat_templates.json");
  int right = 0, all = 0;
  for (const Json& published : Json::parse(file)) {
    SCOPED_TRACE(published["template"].get<std::string>());
    for (const Json& test : published["cases"]) {
      SCOPED_TRACE(test["case"].dump());
      const bool refused = test.value("error", false);
      ++all;
      try {
        const std::string text = render(published["source"].get<std::string>(), test["context"]);
        EXPECT_EQ(text, refused ? "an error" : test["expected"].get<std::string>());
        right += !refused && text == test["expected"].get<std::string>();
      } catch (const Error& error) {
        EXPECT_TRUE(refused) << error.what();
        right += refused;
      }
    }
  }
  EXPECT_GE(all, 196);
  EXPECT_EQ(right, all);
}

TEST(ChatTemplate, FaultsNameTheirLine) {
  EXPECT_EQ(fault("a\n{{ x }"), "unexpected '}', template line 2");
  EXPECT_EQ(fault("{{ x.y.z }}"), "'str' object has no attribute 'y', template line 1");
  EXPECT_EQ(fault("\n\n{{ 1 + 'a' }}"), "unsupported operand types for +: 'int' and 'str', template line 3");
  EXPECT_EQ(fault("{% if x %}\n{{ raise_exception('roles must alternate') }}{% endif %}"),
            "roles must alternate, raised in template line 2");
  EXPECT_EQ(fault("{% nonsense %}"), "unknown tag 'nonsense', template line 1");
  EXPECT_EQ(fault("{% for a in l %}\n"), "the template ends where 'else' was expected, template line 1");
  EXPECT_EQ(fault("\xff"), "not UTF-8, chat template");
}

// Each is refused by what it exceeds, soon, and leaves nothing behind (the sanitized build looks).
TEST(ChatTemplate, HarmIsBounded) {
  const TemplateLimits limits{.steps = 300'000, .output = 8 << 20};
  const auto expect = [&](const std::string& part, const std::string& source) {
    const std::string what = fault(source, limits);
    EXPECT_NE(what.find(part), std::string::npos) << source.substr(0, 200) << "\n" << what;
  };
  for (const char* open : {"(", "[", "{1:", "not ", "- ", "1 if 0 else ", "x("})
    expect("nests too deeply", "{{ " + times(100'000, open));
  for (const char* more : {"|upper", ".a", "()", "[0]"})
    expect("nests too deeply", "{{ x" + times(100'000, more) + " }}");
  expect("nests too deeply", times(100'000, "{% if 1 %}"));
  expect("nests too deeply", "{% set " + times(100'000, "("));
  const std::string with = "{% set ns = namespace(x=[1]) %}{% for i in range(30000) %}{% set ns.x = ";
  const std::string done = " %}{% endfor %}";
  for (const char* grow : {"[ns.x]", "(ns.x,)", "{'a': ns.x}"}) {
    expect("no error: end", with + grow + done + "end");
    expect("nests more than", with + grow + done + "{{ ns.x }}");
    expect("nests more than", with + grow + done + "{{ ns.x|tojson }}");
  }
  expect("nests more than", with + "ns.x|map('string')" + done + "{{ ns.x|list }}");
  expect("nests more than", "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}");
  for (const char* forever : {"{{ m(n) }}", "{% call m(n) %}{% endcall %}{{ caller is defined }}",
                              "{% set x %}{{ [m(n)]|join }}{% endset %}"})
    expect("nests more than", std::string("{% macro m(n) %}") + forever + "{% endmacro %}{{ m(1) }}");
  expect("nests more than", "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}");
  const std::string twice =
      "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}";
  expect("more than 300000 steps", twice);
  expect("more than 300000 steps", "{% for i in range(100000) %}{% for i in range(100000) %}{% endfor %}{% endfor %}");
  expect("more than 300000 steps", "{{ [0] * 10**12 }}");
  expect("more than 300000 steps", "{{ [1]|batch(10**12, 0)|list }}");
  expect("sandbox blocks", "{{ range(10**12) }}");
  for (const char* large :
       {"'x' * 10**9", "'x'|center(10**9)", "'a\nb'|indent(10**9)", "[1]|tojson(indent=10**9)", "'1'.zfill(10**9)",
        "'\t'.expandtabs(10**9)", "(['x' * 10**5] * 100)|join", "('a' * 10**5)|replace('a', 'b' * 100)"})
    expect("a text of more than", std::string("{{ ") + large + " }}");
  expect("width or precision", "{{ '%999999999d' % 1 }}");
  expect("width or precision", "{{ '{:999999999}'.format(1) }}");
  for (const char* number : {"10**1000000", "9**9**9", "2**127", "('9' * 1000)|int", "1e308|int"})
    expect("integer is too large", std::string("{{ ") + number + " }}");
  expect("needs more than",
         "{% set ns = namespace(x=[]) %}{% for i in range(100) %}{% set ns.x = ns.x + ['x' * 10**6]" + done);
}

TEST(ChatTemplate, LongTextsTakeLinearTime) {
  const double start = cpu_seconds();
  EXPECT_EQ(render("{{ ('a' * 10**7).find('a' * 5000000 ~ 'b') }}"), "-1");
  EXPECT_EQ(render("{{ ('a' * 10**7).count('a' * 100 ~ 'b') }}"), "0");
  EXPECT_EQ(render("{{ ('a' * 10**7).rfind('b' ~ 'a' * 100) }}"), "-1");
  EXPECT_EQ(render("{{ '{:01000000,}'.format(1)|length }}"), "1000001");
  EXPECT_EQ(render("{{ ('--' * 200000 ~ 'a')|wordwrap(5)|length }}"), "480001");
  EXPECT_LT(cpu_seconds() - start, 200);
}

TEST(ChatTemplate, OneTemplateRendersInSeveralPlaces) {
  ChatTemplate parsed("{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}");
  EXPECT_EQ(parsed.render({{"l", {1, 2}}}), "3");
  const ChatTemplate moved = std::move(parsed);
  EXPECT_EQ(moved.render({{"l", {4, 5}}}), "9");
}

}  // namespace
}  // namespace hearth::text
