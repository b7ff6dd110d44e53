// Which of the known ways of cutting a text a tokenizer.json describes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "convert/vocabulary.h"

namespace hearth::convert {

namespace {

// How a text is cut, one step after another: "digit" (each alone), "digits" (runs), "gpt2" (GPT-2's pattern),
// "punctuation" (runs), or a pattern.
using Steps = std::vector<std::string>;

constexpr std::string_view gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view gpt2_grouped =
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// The patterns since GPT-4: contractions, words of these letters with one other character before them, numbers of so
// many digits, others with what may follow them, white space.
std::string modern(std::string_view words, std::string_view number, std::string_view others, std::string_view after) {
  return fmt::format("{}|{}| ?[^\\s{}]+[{}]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", words, number, others, after);
}
// The same in the writing of tiktoken.
std::string possessive(std::string_view number) {
  return fmt::format(
      "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{{L}}\\p{{N}}]?+\\p{{L}}+|{}| ?[^\\s\\p{{L}}\\p{{N}}]++[\\r\\n]*|"
      "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      number);
}

struct Known {
  Steps steps;
  bool ignore_merges;  // a word that is a token is that token, whatever the merges say
  std::string_view name;
  std::string_view exact = {};  // where the name stands for something like it
};

std::vector<Known> make_known() {
  const std::string contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", before = "[^\\r\\n\\p{L}\\p{N}]?",
                    upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
  const auto cased = [&](const std::string& end) {
    return before + upper + "*" + lower + "+" + end + "|" + before + upper + "+" + lower + "*" + end;
  };
  const std::string letters = contractions + "|" + before + "\\p{L}+",
                    letters_and_marks = contractions + "|" + before + "[\\p{L}\\p{M}]+", breaks = "\\r\\n",
                    known_others = "\\p{L}\\p{N}", bloom = " ?[^(\\s|[.,!?…。，、।۔،])]+";
  const std::string gpt4 = modern(letters, "\\p{N}{1,3}", known_others, breaks),
                    qwen2 = modern(letters, "\\p{N}", known_others, breaks);
  return {
      {{"gpt2"}, false, "gpt-2"},
      {{"digit", "gpt2"}, false, "smollm"},
      {{gpt4}, true, "llama-bpe"},
      {{possessive("\\p{N}{1,3}")}, true, "llama-bpe"},
      {{gpt4}, false, "dbrx"},
      {{possessive("\\p{N}{1,3}")}, false, "dbrx"},
      {{qwen2}, false, "qwen2"},
      {{possessive("\\p{N}")}, false, "qwen2"},
      {{modern(letters_and_marks, "\\p{N}", "\\p{L}\\p{M}\\p{N}", breaks)}, false, "qwen35"},
      {{modern(cased(contractions + "?"), "\\p{N}{1,3}", known_others, "\\r\\n/")}, false, "gpt-4o", "gpt-4o-exact"},
      {{modern(cased(contractions + "?"), "\\p{N}{1,3}", known_others, "\\r\\n/")},
       true,
       "granite-embed-multi-97m",
       "gpt-4o-exact-whole"},
      {{modern(cased(""), "\\p{N}", known_others, "\\r\\n/")}, true, "tekken", "tekken-exact"},
      {{"punctuation", "gpt2", "digits", "[0-9][0-9][0-9]"}, false, "falcon"},
      {{bloom}, false, "bloom"},
      {{bloom, "digit"}, false, "viking"},
      {{"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", "digit"}, false, "deepseek-coder"},
      {{"\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
        "?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
       false,
       "deepseek-v3"},
  };
}

// One way of writing a pattern: line breaks as escapes, one digit without a count.
std::string canonical(std::string_view pattern) {
  std::string result;
  for (const char c : pattern)
    if (c == '\r')
      result += "\\r";
    else if (c == '\n')
      result += "\\n";
    else
      result += c;
  for (std::size_t at; (at = result.find("\\p{N}{1}")) != result.npos;) result.erase(at + 5, 3);
  return result;
}

class StepReader {
 public:
  explicit StepReader(const std::string& origin) : origin_(origin) {}

  Steps read(const Json& part) {
    add(part);
    return std::move(steps_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(Code::unsupported, fmt::format("the pre-tokenizer {} has no equal in GGUF", what), origin_);
  }

  void add(const Json& json) {
    const JsonObject part(json, origin_);
    const std::string type = part.string("type", "");
    if (type == "Sequence") {
      const Json* list = part.find({"pretokenizers"});
      if (!list || !list->is_array()) part.fail("a Sequence has no list pretokenizers");
      for (const Json& step : *list) add(step);
    } else if (type == "ByteLevel") {
      if (part.boolean("add_prefix_space", true)) refuse("ByteLevel with add_prefix_space");
      if (part.boolean("use_regex", true)) steps_.emplace_back("gpt2");
    } else if (type == "Digits") {
      steps_.emplace_back(part.boolean("individual_digits", false) ? "digit" : "digits");
    } else if (type == "Punctuation" && part.string("behavior", "Isolated") == "Contiguous") {
      steps_.emplace_back("punctuation");
    } else if (type == "Split") {
      add_split(part);
    } else {
      refuse(type);
    }
  }

  void add_split(const JsonObject& part) {
    const JsonObject pattern_object = part.object("pattern");
    const std::string pattern = pattern_object.string("Regex", "");
    const std::string behavior = part.string("behavior", "");
    const bool inverted = part.boolean("invert", false);
    // What matches is kept apart; the patterns leave nothing between matches, so that "removed" removes nothing.
    if (pattern.empty() || !((behavior == "Isolated" && !inverted) || (behavior == "Removed" && inverted)))
      refuse(fmt::format("Split of {}, {}{}", pattern_object.json().dump(), behavior, inverted ? ", inverted" : ""));
    const std::string written = canonical(pattern);
    if (written == gpt2 || written == gpt2_grouped)
      steps_.emplace_back("gpt2");
    else if (written == "\\p{N}" || written == "\\d")
      steps_.emplace_back("digit");
    else
      steps_.push_back(written);
  }

  const std::string& origin_;
  Steps steps_;
};

}  // namespace

void recognise_pre_tokenizer(const JsonObject& tokenizer, bool ignore_merges, Vocabulary& vocabulary) {
  const Json* part = tokenizer.find({"pre_tokenizer"});
  if (!part) throw Error(Code::unsupported, "a byte-level tokenizer without a pre_tokenizer", tokenizer.origin());
  const Steps steps = StepReader(tokenizer.origin()).read(*part);
  const std::vector<Known> known = make_known();
  const Known* other = nullptr;
  for (const Known& row : known) {
    if (row.steps != steps) continue;
    if (row.ignore_merges == ignore_merges) {
      vocabulary.pre = row.name;
      vocabulary.exact_pre = row.exact;
      return;
    }
    other = &row;
  }
  if (other)
    throw Error(
        Code::unsupported,
        fmt::format("the pre-tokenizer {} with ignore_merges {} has no equal in GGUF", other->name, ignore_merges),
        tokenizer.origin());
  throw Error(Code::unsupported, fmt::format("the pre-tokenizer {} has no equal in GGUF", fmt::join(steps, ", then ")),
              tokenizer.origin());
}

}  // namespace hearth::convert
