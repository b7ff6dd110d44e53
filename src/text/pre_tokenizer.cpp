#include "text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "text/patterns.h"
#include "text/scanner.h"

namespace hearth::text {

namespace {

using patterns::Contractions;
using patterns::Style;
using patterns::Words;

// [\r\n]
std::size_t line_break_alone(const Scanner& scanner, std::size_t at) {
  return scanner.is(at, line_break) ? at + 1 : at;
}
// \p{N}, \p{N}{1,3}, \p{N}+
std::size_t number_alone(const Scanner& scanner, std::size_t at) {
  return scanner.run(at, number, 1);
}
std::size_t three_numbers(const Scanner& scanner, std::size_t at) {
  return scanner.run(at, number, 3);
}
std::size_t numbers(const Scanner& scanner, std::size_t at) {
  return scanner.run(at, number);
}
// [0-9][0-9][0-9]
std::size_t three_digits(const Scanner& scanner, std::size_t at) {
  for (std::size_t i = at; i < at + 3; ++i)
    if (scanner.byte(i) < '0' || scanner.byte(i) > '9') return at;
  return at + 3;
}
// [\p{P}\$\+<=>\^~\|`]+, and without the `
template <bool grave>
std::size_t marks_and_operators(const Scanner& scanner, std::size_t at) {
  return scanner.run_if(at, [](std::uint32_t code, Classes classes) {
    return (classes & punctuation) || (code < 0x80 && (classes & symbol) && (grave || code != '`'));
  });
}

using Ranges = std::span<const std::pair<std::uint32_t, std::uint32_t>>;
bool in(Ranges ranges, std::uint32_t code) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code,
                                      [](std::uint32_t value, const auto& range) { return value < range.first; });
  return after != ranges.begin() && code <= std::prev(after)->second;
}
// White space belongs to none of them, wherever its number lies.
std::size_t run_in(const Scanner& scanner, std::size_t at, Ranges ranges) {
  return scanner.run_if(at,
                        [&](std::uint32_t code, Classes classes) { return !(classes & space) && in(ranges, code); });
}
// "\s?" and at least one of the characters.
template <class Run>
std::size_t after_one_space(const Scanner& scanner, std::size_t at, const Run& run) {
  const std::size_t begin = scanner.is(at, space) ? scanner.next(at) : at;
  const std::size_t end = run(begin);
  return end != begin ? end : run(at);
}

constexpr std::pair<std::uint32_t, std::uint32_t> chinese_japanese[] = {{0x3040, 0x30ff}, {0x4e00, 0x9fa5}};
std::size_t chinese_or_japanese(const Scanner& scanner, std::size_t at) {
  return run_in(scanner, at, chinese_japanese);
}

// DeepSeek's first tokenizers. [一-龥ࠀ-一가-퟿]+
std::size_t deepseek_asian(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {{0x0800, 0x9fa5}, {0xac00, 0xd7ff}};
  return run_in(scanner, at, ranges);
}
std::size_t deepseek_letters(const Scanner& scanner, std::size_t at) {
  return after_one_space(scanner, at, [&](std::size_t i) { return scanner.run(i, letter); });
}
std::size_t deepseek_punctuation(const Scanner& scanner, std::size_t at) {
  return after_one_space(scanner, at, [&](std::size_t i) { return scanner.run(i, punctuation); });
}
// The letters that have case, as the tokenizer lists them.
std::size_t deepseek_cased_letters(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {
      {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},       {0xd8, 0xf6},
      {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},     {0x295, 0x2af},     {0x370, 0x373},
      {0x376, 0x377},     {0x37b, 0x37d},     {0x37f, 0x37f},     {0x386, 0x386},     {0x388, 0x38a},
      {0x38c, 0x38c},     {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},     {0x48a, 0x52f},
      {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},   {0x13f8, 0x13fd},   {0x1c90, 0x1cba},
      {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},   {0x1d6b, 0x1d77},   {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},
      {0x1f18, 0x1f1d},   {0x1f20, 0x1f45},   {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},
      {0x1f5b, 0x1f5b},   {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},   {0x1fb6, 0x1fbc},
      {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},   {0x1fd0, 0x1fd3},   {0x1fd6, 0x1fdb},
      {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},   {0x1ff6, 0x1ffc},   {0x2102, 0x2102},   {0x2107, 0x2107},
      {0x210a, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},
      {0x2128, 0x2128},   {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},   {0x213c, 0x213f},
      {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2184},   {0x2c00, 0x2c7b},   {0x2c7e, 0x2ce4},
      {0x2ceb, 0x2cee},   {0x2cf2, 0x2cf3},   {0xa640, 0xa66d},   {0xa680, 0xa69b},   {0xa722, 0xa76f},
      {0xa771, 0xa787},   {0xa78b, 0xa78e},   {0xab70, 0xabbf},   {0xfb00, 0xfb06},   {0xfb13, 0xfb17},
      {0xff21, 0xff3a},   {0xff41, 0xff5a},   {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb},
      {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943}};
  return after_one_space(scanner, at, [&](std::size_t i) { return run_in(scanner, i, ranges); });
}
// \s?[!-/:-~！-／：-～‘-‟　-。]+
std::size_t deepseek_marks(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {
      {'!', '/'}, {':', '~'}, {0x2018, 0x201f}, {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e}};
  return after_one_space(scanner, at, [&](std::size_t i) { return run_in(scanner, i, ranges); });
}
std::size_t llama3(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.digits = 3});
}
std::size_t qwen2(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {});
}
std::size_t qwen35(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.words = Words::letters_and_marks, .others = space | letter | mark | number});
}
std::size_t minicpm(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.digits = patterns::any_number_of});
}
std::size_t seed_coder(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.tail = ""});
}
std::size_t no_contractions(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.contractions = Contractions::none});
}
std::size_t gpt4o(const Scanner& scanner, std::size_t at) {
  return patterns::modern(
      scanner, at, {.words = Words::cased, .contractions = Contractions::after_word, .digits = 3, .tail = "\r\n/"});
}
std::size_t gpt4o_marks(const Scanner& scanner, std::size_t at) {
  return patterns::modern(
      scanner, at,
      {.words = Words::cased_and_marks, .contractions = Contractions::after_word, .digits = 3, .tail = "\r\n/"});
}
std::size_t gpt4o_exact(const Scanner& scanner, std::size_t at) {
  return patterns::modern(
      scanner, at,
      {.words = Words::cased_everywhere, .contractions = Contractions::after_word, .digits = 3, .tail = "\r\n/"});
}
std::size_t tekken_exact(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at,
                          {.words = Words::cased_everywhere, .contractions = Contractions::none, .tail = "\r\n/"});
}
std::size_t tekken(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.words = Words::cased, .contractions = Contractions::none, .tail = "\r\n/"});
}
std::size_t aya(const Scanner& scanner, std::size_t at) {
  return patterns::modern(
      scanner, at,
      {.words = Words::letters_and_marks, .contractions = Contractions::after_word, .digits = 3, .tail = "\r\n/"});
}
std::size_t youtu(const Scanner& scanner, std::size_t at) {
  return patterns::modern(
      scanner, at, {.words = Words::letters_and_marks, .contractions = Contractions::after_word, .tail = "\r\n/"});
}
// [가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+
std::size_t youtu_asian(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> korean[] = {{0x3131, 0x318e}, {0xac00, 0xd7a3}};
  static constexpr std::pair<std::uint32_t, std::uint32_t> marks[] = {
      {0x2014, 0x2014}, {0x2018, 0x2019}, {0x201c, 0x201d}, {0x2026, 0x2026}, {0x3001, 0x303f},
      {0xfe30, 0xfe4f}, {0xff01, 0xff01}, {0xff0c, 0xff0c}, {0xff1a, 0xff1b}};
  static constexpr std::pair<std::uint32_t, std::uint32_t> bopomofo[] = {{0x3105, 0x312f}};
  for (const Ranges ranges : {Ranges(korean), Ranges(marks), Ranges(bopomofo), Ranges(chinese_japanese)})
    if (const std::size_t end = run_in(scanner, at, ranges); end != at) return end;
  return at;
}
std::size_t exaone_moe(const Scanner& scanner, std::size_t at) {
  return patterns::modern(scanner, at, {.words = Words::phrases, .tail = "\r\n/", .tail_limit = 1});
}
std::size_t deepseek3(const Scanner& scanner, std::size_t at) {
  return patterns::punctuated(scanner, at, false);
}
std::size_t spark(const Scanner& scanner, std::size_t at) {
  return patterns::punctuated(scanner, at, true);
}
// The scripts that AFMoE keeps apart.
std::size_t afmoe_asian(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {
      {0x0e00, 0x0eff}, {0x1000, 0x109f}, {0x1100, 0x11ff}, {0x1780, 0x17ff}, {0x2f00, 0x2fdf},
      {0x3040, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xa9e0, 0xa9ff}, {0xaa60, 0xaa7f},
      {0xac00, 0xd7af}, {0xf900, 0xfaff}, {0xff65, 0xff9f}};
  return run_in(scanner, at, ranges);
}
//  ?[^(\s|.,!?…。，、।۔،)]+
std::size_t bloom(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> stops[] = {
      {'!', '!'},       {'(', ')'},       {',', ','},       {'.', '.'},       {'?', '?'},       {'|', '|'},
      {0x060c, 0x060c}, {0x06d4, 0x06d4}, {0x0964, 0x0964}, {0x2026, 0x2026}, {0x3001, 0x3002}, {0xff0c, 0xff0c}};
  const std::size_t begin = at + (scanner.byte(at) == ' ');
  const std::size_t end =
      scanner.run_if(begin, [](std::uint32_t code, Classes classes) { return !(classes & space) && !in(stops, code); });
  return end != begin ? end : at;
}
// [^\n]+|\n+
std::size_t lines(const Scanner& scanner, std::size_t at) {
  const bool breaks = scanner.byte(at) == '\n';
  return scanner.run_if(at, [&](std::uint32_t code, Classes) { return (code == '\n') == breaks; });
}
// <sentinel:[0-9]+>, IMGIMG[A-I]{1,4}Z, [\t\n]|    |  , and ASCII or other punctuation alone
std::size_t chameleon_sentinel(const Scanner& scanner, std::size_t at) {
  std::size_t end = at;
  for (const char c : std::string_view("<sentinel:"))
    if (scanner.byte(end++) != c) return at;
  const std::size_t digits = scanner.run_of(end, "0123456789");
  return digits != end && scanner.byte(digits) == '>' ? digits + 1 : at;
}
std::size_t chameleon_image(const Scanner& scanner, std::size_t at) {
  std::size_t end = at;
  for (const char c : std::string_view("IMGIMG"))
    if (scanner.byte(end++) != c) return at;
  const std::size_t letters = scanner.run_of(end, "ABCDEFGHI");
  return letters != end && letters <= end + 4 && scanner.byte(letters) == 'Z' ? letters + 1 : at;
}
std::size_t chameleon_space(const Scanner& scanner, std::size_t at) {
  if (scanner.byte(at) == '\t' || scanner.byte(at) == '\n') return at + 1;
  std::size_t spaces = 0;
  while (spaces < 4 && scanner.byte(at + spaces) == ' ') ++spaces;
  return spaces == 4 ? at + 4 : spaces >= 2 ? at + 2 : at;
}
std::size_t chameleon_punctuation(const Scanner& scanner, std::size_t at) {
  const Classes classes = scanner.classes(at);
  const bool ascii = static_cast<unsigned char>(scanner.byte(at)) < 0x80;
  return (classes & punctuation) || (ascii && (classes & symbol)) ? scanner.next(at) : at;
}
// Kimi's: as GPT-4o's with Chinese kept apart.
std::size_t kimi(const Scanner& scanner, std::size_t at) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> chinese[] = {
      {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x2a6df}, {0x2a700, 0x2ebef}, {0x2f800, 0x2fa1f}};
  if (const std::size_t end = run_in(scanner, at, chinese); end != at) return end;
  const auto word = [&](std::size_t i) {
    const std::size_t end =
        scanner.run_if(i, [](std::uint32_t code, Classes classes) { return (classes & letter) && !in(chinese, code); });
    return end != i ? match_contraction(scanner, end, true) : i;
  };
  if (!scanner.is(at, line_break | letter | number)) {
    const std::size_t begin = scanner.next(at), end = word(begin);
    if (end != begin) return end;
  }
  if (const std::size_t end = word(at); end != at) return end;
  return patterns::between_words(scanner, at, {.digits = 3});
}

// Numbers in threes from their end: "1", "234", "567".
void cut_thousands(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut) {
  std::size_t at = 0;
  for (const std::uint32_t end : ends) {
    const Scanner scanner(text.substr(0, end));
    while (at < end) {
      const std::size_t numbers_begin = scanner.run_without(at, number);
      if (numbers_begin != at) cut.push_back(static_cast<std::uint32_t>(numbers_begin));
      const std::size_t numbers_end = scanner.run(numbers_begin, number);
      std::size_t count = 0;
      for (std::size_t i = numbers_begin; i < numbers_end; i = scanner.next(i)) ++count;
      for (at = numbers_begin; at < numbers_end; count -= count % 3 != 0 ? count % 3 : 3) {
        at = scanner.run(at, number, count % 3 != 0 ? count % 3 : 3);
        cut.push_back(static_cast<std::uint32_t>(at));
      }
    }
  }
}

// "(?=(\d{3})+(?!\d))": the same, where what is before the digits stays with an incomplete first three.
void cut_digits_in_threes(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut) {
  std::size_t at = 0;
  for (const std::uint32_t end : ends) {
    const std::size_t begin = at;
    const Scanner scanner(text.substr(0, end));
    while (at < end) {
      const std::size_t digits_end = scanner.run_of(at, "0123456789");
      for (std::size_t i = at + (digits_end - at) % 3; i < digits_end; i += 3)
        if (i > begin) cut.push_back(static_cast<std::uint32_t>(i));
      at = digits_end == at ? scanner.next(at) : digits_end;
    }
    cut.push_back(end);
  }
}

// \s+$
void cut_space_at_end(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut) {
  std::size_t begin = 0;
  for (const std::uint32_t end : ends) {
    const Scanner scanner(text.substr(0, end));
    std::size_t tail = begin;
    for (std::size_t at = begin; at < end;) {
      const bool blank = scanner.is(at, space);
      at = scanner.next(at);
      if (!blank) tail = at;
    }
    if (tail > begin && tail < end) cut.push_back(static_cast<std::uint32_t>(tail));
    cut.push_back(end);
    begin = end;
  }
}

// White space in pieces of 512, 256 ... 4, 2 and 1.
void cut_space_by_powers(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut) {
  std::size_t at = 0;
  for (const std::uint32_t end : ends) {
    const Scanner scanner(text.substr(0, end));
    const auto not_broken = [](std::uint32_t, Classes classes) { return (classes & space) && !(classes & line_break); };
    if (scanner.run_if(at, not_broken) == end) {
      std::size_t count = 0;
      for (std::size_t i = at; i < end; i = scanner.next(i)) ++count;
      for (std::size_t power = 512; power > 0; power /= 2)
        for (; count >= power; count -= power) {
          at = scanner.run(at, space, power);
          cut.push_back(static_cast<std::uint32_t>(at));
        }
    } else {
      cut.push_back(end);
    }
    at = end;
  }
}

using Name = std::string_view;
constexpr Pass gpt2_pass = cut_at<patterns::gpt2<false>>;
constexpr Pass lone_numbers_pass = cut_at<patterns::gpt2<true>>;

constexpr Name default_names[] = {"default"};
constexpr Pass default_passes[] = {cut_at<marks_and_operators<false>>, gpt2_pass, cut_at<numbers>,
                                   cut_at<three_digits>};
constexpr Name gpt2_names[] = {
    "gpt-2",           "phi-2",      "mpt",        "olmo",         "gigachat",   "jais",    "trillion",
    "granite-docling", "exaone4",    "mellum",     "modern-bert",  "a.x-4.0",    "jina-es", "jina-de",
    "jina-v2-es",      "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe"};
constexpr Pass gpt2_passes[] = {gpt2_pass};
constexpr Name starcoder_names[] = {"starcoder", "refact", "command-r",  "smollm",
                                    "codeshell", "exaone", "minerva-7b", "mellum2"};
constexpr Pass starcoder_passes[] = {lone_numbers_pass};
constexpr Name falcon_names[] = {"falcon"};
constexpr Pass falcon_passes[] = {cut_at<marks_and_operators<true>>, gpt2_pass, cut_at<three_digits>};
constexpr Name llama3_names[] = {"llama-bpe", "llama3",   "llama-v3", "falcon3",     "falcon-h1",
                                 "pixtral",   "midm-2.0", "lfm2",     "jina-v5-nano"};
constexpr Name dbrx_names[] = {"dbrx", "smaug-bpe"};
constexpr Name glm_names[] = {"glm4", "glm5"};
constexpr Name chatglm_names[] = {"chatglm-bpe"};
constexpr Pass llama3_passes[] = {cut_at<llama3>};
constexpr Name jais2_names[] = {"jais-2"};
constexpr Pass jais2_passes[] = {cut_at<llama3>, cut_space_by_powers};
constexpr Name minicpm_names[] = {"minicpm5"};
constexpr Pass minicpm_passes[] = {cut_at<three_numbers>, cut_at<minicpm>};
constexpr Name qwen2_names[] = {"qwen2",   "deepseek-r1-qwen", "stablelm2",   "hunyuan",
                                "megrez",  "solar-open",       "grok-2",      "kormo",
                                "f2llmv2", "bailingmoe",       "bailingmoe2", "llada-moe"};
constexpr Pass qwen2_passes[] = {cut_at<qwen2>};
constexpr Name qwen35_names[] = {"qwen35"};
constexpr Pass qwen35_passes[] = {cut_at<qwen35>};
constexpr Name seed_coder_names[] = {"seed-coder"};
constexpr Pass seed_coder_passes[] = {cut_at<seed_coder>};
constexpr Name ufakzeka_names[] = {"ufakzeka"};
constexpr Pass ufakzeka_passes[] = {cut_at<no_contractions>};
constexpr Name laguna_names[] = {"laguna"};
constexpr Pass laguna_passes[] = {cut_at<lines>, cut_at<qwen2>};
constexpr Name gpt4o_names[] = {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"};
constexpr Pass gpt4o_passes[] = {cut_at<gpt4o>};
constexpr Name granite_embedding_names[] = {"granite-embed-multi-97m"};
constexpr Pass granite_embedding_passes[] = {cut_at<gpt4o_marks>};
constexpr Name tekken_names[] = {"tekken"};
constexpr Pass tekken_passes[] = {cut_at<tekken>};
// As these tokenizers cut words themselves: under their usual names llama.cpp knows no marks, and no case beyond ASCII.
constexpr Name gpt4o_exact_names[] = {"gpt-4o-exact"};
constexpr Name gpt4o_whole_names[] = {"gpt-4o-exact-whole"};
constexpr Pass gpt4o_exact_passes[] = {cut_at<gpt4o_exact>};
constexpr Name tekken_exact_names[] = {"tekken-exact"};
constexpr Pass tekken_exact_passes[] = {cut_at<tekken_exact>};
constexpr Name aya_names[] = {"tiny_aya", "cohere2moe"};
constexpr Pass aya_passes[] = {cut_thousands, cut_at<aya>};
constexpr Name youtu_names[] = {"youtu"};
constexpr Pass youtu_passes[] = {cut_at<youtu_asian>, cut_at<youtu>};
constexpr Name exaone_moe_names[] = {"exaone-moe"};
constexpr Pass exaone_moe_passes[] = {cut_at<exaone_moe>};
constexpr Name deepseek_llm_names[] = {"deepseek-llm"};
constexpr Pass deepseek_llm_passes[] = {cut_at<line_break_alone>, cut_at<deepseek_cased_letters>,
                                        cut_at<deepseek_marks>,   cut_space_at_end,
                                        cut_at<deepseek_asian>,   cut_at<numbers>};
constexpr Name deepseek_coder_names[] = {"deepseek-coder"};
constexpr Pass deepseek_coder_passes[] = {cut_at<line_break_alone>, cut_at<deepseek_letters>,
                                          cut_at<deepseek_punctuation>, cut_at<deepseek_asian>, cut_at<number_alone>};
constexpr Name deepseek3_names[] = {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"};
constexpr Pass deepseek3_passes[] = {cut_at<three_numbers>, cut_at<chinese_or_japanese>, cut_at<deepseek3>};
constexpr Name spark_names[] = {"spark2_5"};
constexpr Pass spark_passes[] = {cut_at<three_numbers>, cut_at<chinese_or_japanese>, cut_at<spark>,
                                 cut_at<number_alone>};
constexpr Name afmoe_names[] = {"afmoe"};
constexpr Pass afmoe_passes[] = {cut_thousands, cut_at<afmoe_asian>, cut_at<deepseek3>};
constexpr Name bloom_names[] = {"bloom", "poro-chat", "gpt3-finnish"};
constexpr Pass bloom_passes[] = {cut_at<bloom>};
constexpr Name viking_names[] = {"viking"};
constexpr Pass viking_passes[] = {cut_at<bloom>, cut_at<number_alone>};
constexpr Name chameleon_names[] = {"chameleon"};
constexpr Pass chameleon_passes[] = {cut_at<chameleon_sentinel>, cut_at<chameleon_image>,       cut_at<chameleon_space>,
                                     cut_at<number_alone>,       cut_at<chameleon_punctuation>, gpt2_pass};
constexpr Name kimi_names[] = {"kimi-k2"};
constexpr Pass kimi_passes[] = {cut_at<kimi>};
constexpr Name superbpe_names[] = {"superbpe"};
constexpr Pass superbpe_passes[] = {cut_at<numbers>, cut_digits_in_threes};
constexpr Name gemma_names[] = {"gemma4", "granite-embed-multi-311m"};
constexpr Name sarvam_names[] = {"sarvam-moe"};
constexpr Pass lines_passes[] = {cut_at<lines>};

constexpr PreTokenizer table[] = {
    {.names = default_names, .passes = default_passes},
    {.names = gpt2_names, .passes = gpt2_passes},
    {.names = starcoder_names, .passes = starcoder_passes},
    {.names = falcon_names, .passes = falcon_passes},
    {.names = llama3_names, .passes = llama3_passes, .whole_words = true, .adds_bos = true},
    {.names = dbrx_names, .passes = llama3_passes},
    {.names = glm_names, .passes = llama3_passes, .whole_words = true, .has_default_bos = false},
    {.names = chatglm_names, .passes = llama3_passes, .has_default_bos = false},
    {.names = jais2_names, .passes = jais2_passes},
    {.names = minicpm_names, .passes = minicpm_passes, .whole_words = true},
    {.names = qwen2_names, .passes = qwen2_passes},
    {.names = qwen35_names, .passes = qwen35_passes},
    {.names = seed_coder_names, .passes = seed_coder_passes},
    {.names = ufakzeka_names, .passes = ufakzeka_passes},
    {.names = laguna_names, .passes = laguna_passes},
    {.names = gpt4o_names, .passes = gpt4o_passes},
    {.names = granite_embedding_names, .passes = granite_embedding_passes, .whole_words = true},
    {.names = tekken_names, .passes = tekken_passes, .whole_words = true, .adds_bos = true},
    {.names = gpt4o_exact_names, .passes = gpt4o_exact_passes},
    {.names = gpt4o_whole_names, .passes = gpt4o_exact_passes, .whole_words = true},
    {.names = tekken_exact_names, .passes = tekken_exact_passes, .whole_words = true, .adds_bos = true},
    {.names = aya_names, .passes = aya_passes},
    {.names = youtu_names, .passes = youtu_passes, .whole_words = true},
    {.names = exaone_moe_names, .passes = exaone_moe_passes},
    {.names = deepseek_llm_names, .passes = deepseek_llm_passes},
    {.names = deepseek_coder_names, .passes = deepseek_coder_passes},
    {.names = deepseek3_names, .passes = deepseek3_passes},
    {.names = spark_names, .passes = spark_passes},
    {.names = afmoe_names, .passes = afmoe_passes},
    {.names = bloom_names, .passes = bloom_passes},
    {.names = viking_names, .passes = viking_passes},
    {.names = chameleon_names, .passes = chameleon_passes, .adds_bos = true},
    {.names = kimi_names, .passes = kimi_passes},
    {.names = superbpe_names, .passes = superbpe_passes},
    {.names = gemma_names, .passes = lines_passes, .adds_bos = true, .escapes_space = true},
    {.names = sarvam_names, .passes = lines_passes, .escapes_space = true},
};

}  // namespace

void PreTokenizer::split(std::string_view text, std::vector<std::uint32_t>& ends) const {
  std::vector<std::uint32_t> cut;
  ends.assign(1, static_cast<std::uint32_t>(text.size()));
  for (const Pass pass : passes) {
    cut.clear();
    pass(text, ends, cut);
    ends.swap(cut);
  }
}

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  for (const PreTokenizer& row : table)
    if (std::find(row.names.begin(), row.names.end(), name) != row.names.end()) return &row;
  return nullptr;
}

std::span<const PreTokenizer> pre_tokenizers() noexcept {
  return table;
}

}  // namespace hearth::text
