// Tokenizers carried over: the ids of the shared cases from tokenizer.json and tokenizer.model made of the shared
// vocabularies, and what is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <sstream>
#include <unordered_map>

#include "base/error.h"
#include "convert/vocabulary.h"
#include "files.h"
#include "gguf/file.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::convert {
namespace {

using tests::save;

using nlohmann::json;

const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
const json bytes_only = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};

json split(const std::string& pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}
json sequence(const json& list) {
  return {{"type", "Sequence"}, {"pretokenizers", list}};
}
std::string modern(const std::string& number) {
  return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + number +
         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Shared {
  gguf::File file;
  std::filesystem::path path;
  std::vector<std::int64_t> kinds = file.metadata().integers("tokenizer.ggml.token_type");

  explicit Shared(const std::string& name) : file(gguf::File::open(location(name))), path(location(name)) {}
  static std::filesystem::path location(const std::string& name) {
    return hearth::tests::shared() / "conformance" / "vocab" / ("ggml-vocab-" + name + ".gguf");
  }
  const std::vector<std::string>& tokens() const { return file.metadata().strings("tokenizer.ggml.tokens"); }

  json added() const {
    json list = json::array();
    for (std::size_t i = 0; i < tokens().size(); ++i)
      if (const auto kind = kinds[i]; kind == 3 || kind == 4)
        list.push_back({{"id", i}, {"content", tokens()[i]}, {"special", kind == 3}});
    return list;
  }
  json vocab() const {
    json vocab = json::object();
    for (std::size_t i = 0; i < tokens().size(); ++i) vocab[tokens()[i]] = i;
    return vocab;
  }

  void expect_ids(const gguf::Metadata& metadata) const {
    const auto tokenizer = text::Tokenizer::load(metadata);
    const std::string inputs = read(path.string() + ".inp"), separator = "\n__ggml_vocab_test__\n";
    std::istringstream outputs(read(path.string() + ".out"));
    std::size_t cases = 0;
    for (std::size_t at = 0; at < inputs.size(); ++cases) {
      const std::size_t end = std::min(inputs.find(separator, at), inputs.size());
      const std::string text = inputs.substr(at, end - at);
      std::string line;
      ASSERT_TRUE(std::getline(outputs, line));
      std::istringstream words(line);
      std::vector<Token> expected;
      for (Token id = 0; words >> id;) expected.push_back(id);
      EXPECT_EQ(tokenizer->encode(text, {.add_special = false}), expected) << text;
      at = end + separator.size();
    }
    EXPECT_GT(cases, 40u);
  }
};

class Folder {
 public:
  void save_json(const std::string& name, const json& content) const { save(path() / name, content.dump()); }
  const std::filesystem::path& path() const { return folder_.path(); }
  gguf::Metadata import(std::uint64_t size, const json& config = json::object()) const {
    gguf::Metadata metadata("test");
    add_tokenizer(path(), JsonObject(config, "config.json"), size, metadata);
    return metadata;
  }

 private:
  hearth::tests::TemporaryFolder folder_;
};

struct ByteLevelCase {
  const char* name;
  json pre_tokenizer;
  bool ignore_merges;
  const char* pre;
  friend std::ostream& operator<<(std::ostream& out, const ByteLevelCase& one) { return out << one.name; }
};

class ByteLevel : public testing::TestWithParam<ByteLevelCase> {};

TEST_P(ByteLevel, GivesTheIdsOfTheReference) {
  HEARTH_NEEDS_SHARED();
  const ByteLevelCase& one = GetParam();
  const Shared shared(one.name);
  const bool pairs = one.ignore_merges;  // merges as two texts, or as one
  json merges = json::array();
  for (const std::string& merge : shared.file.metadata().strings("tokenizer.ggml.merges")) {
    const auto space = merge.find(' ', 1);
    merges.push_back(pairs ? json{merge.substr(0, space), merge.substr(space + 1)} : json(merge));
  }
  const Folder folder;
  folder.save_json(
      "tokenizer.json",
      {{"added_tokens", shared.added()},
       {"normalizer", nullptr},
       {"pre_tokenizer", one.pre_tokenizer},
       {"model",
        {{"type", "BPE"}, {"ignore_merges", one.ignore_merges}, {"vocab", shared.vocab()}, {"merges", merges}}}});
  const gguf::Metadata metadata = folder.import(shared.tokens().size());
  EXPECT_EQ(metadata.string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(metadata.string("tokenizer.ggml.pre"), one.pre);
  EXPECT_EQ(metadata.strings("tokenizer.ggml.tokens"), shared.tokens());
  shared.expect_ids(metadata);
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, ByteLevel,
    testing::Values(ByteLevelCase{"gpt-2", byte_level, false, "gpt-2"},
                    ByteLevelCase{"mpt", byte_level, false, "gpt-2"},
                    ByteLevelCase{"llama-bpe", sequence({split(modern("\\p{N}{1,3}")), bytes_only}), true, "llama-bpe"},
                    ByteLevelCase{"qwen2", sequence({split(modern("\\p{N}")), bytes_only}), false, "qwen2"},
                    ByteLevelCase{"falcon",
                                  sequence({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                                            byte_level,
                                            {{"type", "Digits"}, {"individual_digits", false}},
                                            split("[0-9][0-9][0-9]")}),
                                  false, "falcon"}),
    [](const auto& one) {
      std::string name = one.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(WordPiece, GivesTheIdsOfTheReference) {
  HEARTH_NEEDS_SHARED();
  const Shared shared("bert-bge");
  json vocab = json::object();
  std::string lines;
  for (std::size_t i = 0; i < shared.tokens().size(); ++i) {
    std::string token = shared.tokens()[i];
    if (token.starts_with("▁"))
      token.erase(0, std::string_view("▁").size());
    else if (!token.starts_with('[') || !token.ends_with(']'))
      token.insert(0, "##");
    vocab[token] = i;
    lines += token + "\n";
  }
  for (const bool old : {false, true}) {
    const Folder folder;
    if (old)
      save(folder.path() / "vocab.txt", lines);
    else
      folder.save_json("tokenizer.json", {{"added_tokens", shared.added()},
                                          {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
                                          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                                          {"model", {{"type", "WordPiece"}, {"vocab", vocab}}}});
    const gguf::Metadata metadata = folder.import(shared.tokens().size() + 6);  // models pad their tables
    EXPECT_EQ(metadata.string("tokenizer.ggml.model"), "bert");
    EXPECT_EQ(metadata.strings("tokenizer.ggml.tokens")[shared.tokens().size()], "[PAD30522]");
    shared.expect_ids(metadata);
  }
}

// Where no settings stand beside it, a text is put between what the template says, or what BERT has.
TEST(WordPiece, FindsWhatStandsAroundATextWhereverItsIdsLie) {
  const auto ids = [](const json& post_processor) {
    const Folder folder;
    folder.save_json("tokenizer.json",
                     {{"post_processor", post_processor},
                      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                      {"model",
                       {{"type", "WordPiece"},
                        {"vocab", {{"a", 0}, {"[UNK]", 1}, {"[SEP]", 2}, {"[CLS]", 3}, {"(", 4}, {")", 5}}}}}});
    const gguf::Metadata metadata = folder.import(6);
    const auto id = [&](const std::string& role) { return metadata.integer("tokenizer.ggml." + role + "_token_id"); };
    EXPECT_EQ(id("bos"), id("cls"));  // as llama.cpp and others call them
    EXPECT_EQ(id("eos"), id("seperator"));
    return text::Tokenizer::load(metadata)->encode("a");
  };
  EXPECT_EQ(ids(nullptr), (std::vector<Token>{3, 0, 2}));
  EXPECT_EQ(ids({{"type", "BertProcessing"}, {"cls", {"(", 4}}, {"sep", {")", 5}}}), (std::vector<Token>{4, 0, 5}));
}

// As one trained with Hugging Face tokenizers alone: what BERT does besides is only done where it is said.
TEST(WordPiece, DoesNoMoreThanItsJsonSays) {
  const Folder folder;
  json tokenizer = {{"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                    {"model",
                     {{"type", "WordPiece"},
                      {"vocab",
                       {{"a", 0},
                        {"[UNK]", 1},
                        {"[SEP]", 2},
                        {"[CLS]", 3},
                        {"A", 4},
                        {"##\u0001", 5},
                        {"中", 6},
                        {"##中", 7},
                        {"à", 8},
                        {"##a", 9}}}}}};
  folder.save_json("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}});
  const auto ids = [&](std::string_view text) {
    folder.save_json("tokenizer.json", tokenizer);
    return text::Tokenizer::load(folder.import(10))->encode(text);
  };
  using Ids = std::vector<Token>;
  EXPECT_EQ(ids("A a\u0001 中中 à\u2003à"), (Ids{4, 0, 5, 6, 7, 8, 8}));
  tokenizer["normalizer"] = {{"type", "BertNormalizer"}, {"clean_text", false}, {"strip_accents", false}};
  EXPECT_EQ(ids("A a\u0001 中中 à"), (Ids{0, 0, 5, 6, 6, 8}));
  tokenizer["normalizer"] = {{"type", "BertNormalizer"}, {"handle_chinese_chars", false}};
  EXPECT_EQ(ids("A a\u0001a 中中 à"), (Ids{0, 0, 9, 6, 7, 0}));
  tokenizer["normalizer"] = {{"type", "Sequence"},
                             {"normalizers", {{{"type", "NFD"}}, {{"type", "Lowercase"}}, {{"type", "StripAccents"}}}}};
  tokenizer["pre_tokenizer"] = sequence({{{"type", "WhitespaceSplit"}}, {{"type", "Punctuation"}}});
  EXPECT_EQ(ids("A a\u0001 中中 à\u0903"), (Ids{0, 0, 5, 6, 7, 0}));  // a mark that is no accent goes too
  const auto around = [&](const json& single) {
    tokenizer["post_processor"] = {{"type", "TemplateProcessing"}, {"single", single}};
    return ids("a");
  };
  const json cls = {{"SpecialToken", {{"id", "[CLS]"}}}}, text = {{"Sequence", {{"id", "A"}}}},
             sep = {{"SpecialToken", {{"id", "[SEP]"}}}};
  EXPECT_EQ(around({cls, text}), (Ids{3, 0}));
  EXPECT_EQ(around({text, sep}), (Ids{0, 2}));
  EXPECT_EQ(around({cls, text, sep}), (Ids{3, 0, 2}));
}

// The wire format of protocol buffers, as far as a SentencePiece model needs it.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
std::string number_field(unsigned field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string bytes_field(unsigned field, const std::string& bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string piece(const std::string& text, float score, std::uint64_t kind) {
  const auto bits = std::bit_cast<std::uint32_t>(score);
  std::string fixed(4, '\0');
  std::memcpy(fixed.data(), &bits, 4);
  return bytes_field(1, bytes_field(1, text) + varint(2 << 3 | 5) + fixed + number_field(3, kind));
}

std::string sentencepiece_of(const Shared& shared) {
  const auto scores = shared.file.metadata().numbers("tokenizer.ggml.scores");
  std::string model;
  for (std::size_t i = 0; i < shared.tokens().size(); ++i)
    if (i < 32000)
      model += piece(shared.tokens()[i], static_cast<float>(scores[i]), static_cast<std::uint64_t>(shared.kinds[i]));
  return model + bytes_field(2, number_field(3, 2) + number_field(40, 0)) + bytes_field(3, number_field(3, 1));
}

class SentencePiece : public testing::TestWithParam<const char*> {};

TEST_P(SentencePiece, GivesTheIdsOfTheReferenceFromItsModel) {
  HEARTH_NEEDS_SHARED();
  const Shared shared(GetParam());
  const Folder folder;
  save(folder.path() / "tokenizer.model", sentencepiece_of(shared));
  json added = json::object();
  for (const json& token : shared.added()) added[std::to_string(token["id"].get<int>())] = token;
  folder.save_json("tokenizer_config.json", {{"added_tokens_decoder", added}});
  const gguf::Metadata metadata = folder.import(shared.tokens().size());
  EXPECT_EQ(metadata.string("tokenizer.ggml.model"), "llama");
  EXPECT_TRUE(metadata.boolean("tokenizer.ggml.add_bos_token", false));
  EXPECT_EQ(metadata.integer("tokenizer.ggml.bos_token_id"), 1u);
  shared.expect_ids(metadata);
}

// As transformers converts a SentencePiece model: a merge for each way to cut a token in two, best token first.
json merges_of(const Shared& shared) {
  const auto scores = shared.file.metadata().numbers("tokenizer.ggml.scores");
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < shared.tokens().size(); ++i) ids.emplace(shared.tokens()[i], i);
  struct Merge {
    double score;
    std::size_t left, right;
  };
  std::vector<Merge> merges;
  for (std::size_t i = 0; i < shared.tokens().size(); ++i) {
    if (shared.kinds[i] != 1) continue;
    const std::string_view text = shared.tokens()[i];
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left != ids.end() && right != ids.end()) merges.push_back({scores[i], left->second, right->second});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.score > b.score; });
  json list = json::array();
  for (const Merge& merge : merges) list.push_back({shared.tokens()[merge.left], shared.tokens()[merge.right]});
  return list;
}

TEST_P(SentencePiece, GivesTheIdsOfTheReferenceFromMerges) {
  HEARTH_NEEDS_SHARED();
  const Shared shared(GetParam());
  const Folder folder;
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  folder.save_json(
      "tokenizer.json",
      {{"added_tokens", shared.added()},
       {"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, replace}}}},
       {"pre_tokenizer", nullptr},
       {"model",
        {{"type", "BPE"},
         {"byte_fallback", true},
         {"unk_token", "<unk>"},
         {"vocab", shared.vocab()},
         {"merges", merges_of(shared)}}}});
  const gguf::Metadata metadata = folder.import(shared.tokens().size());
  EXPECT_TRUE(metadata.boolean("tokenizer.ggml.add_space_prefix", false));
  EXPECT_FALSE(metadata.has(text::space_prefix_key));
  shared.expect_ids(metadata);
}

// As Mistral's, where tokenizer.model stands beside it too.
TEST_P(SentencePiece, PutsASpaceBeforeTheBeginningAloneWhereItsJsonSaysSo) {
  HEARTH_NEEDS_SHARED();
  const Shared shared(GetParam());
  const Folder folder;
  folder.save_json(
      "tokenizer.json",
      {{"added_tokens", shared.added()},
       {"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "first"}}},
       {"model",
        {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", shared.vocab()}, {"merges", merges_of(shared)}}}});
  const auto ids = [&] {
    const auto tokenizer = text::Tokenizer::load(folder.import(shared.tokens().size()));
    return tokenizer->encode("Hi</s> Hi</s>Hi", {.add_special = false, .parse_special = true});
  };
  EXPECT_TRUE(folder.import(shared.tokens().size()).boolean("tokenizer.ggml.add_bos_token", false));
  folder.save_json("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_FALSE(folder.import(shared.tokens().size()).boolean("tokenizer.ggml.add_bos_token", true));
  const std::vector<Token> expected = {6324, 2, 6324, 2, 18567};
  EXPECT_EQ(ids(), expected);
  save(folder.path() / "tokenizer.model", sentencepiece_of(shared));
  EXPECT_EQ(ids(), expected);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, SentencePiece, testing::Values("llama-spm", "phi-3"),
                         [](const auto& one) { return std::string(one.param) == "phi-3" ? "phi3" : "llama"; });

// Texts have spaces where pieces have "▁"; the space before a text is one before its user-defined tokens too.
TEST(SentencePiece, ReadsUserDefinedPiecesAsTextsHaveThem) {
  std::string model = piece("<unk>", 0, 2) + piece("▁", -1, 1) + piece("a", -2, 1) + piece("▁deux▁", 0, 4);
  for (int byte = 0; byte < 256; ++byte) model += piece(fmt::format("<0x{:02X}>", byte), 0, 6);
  const Folder folder;
  save(folder.path() / "tokenizer.model", model + bytes_field(2, number_field(3, 2)));
  const auto tokenizer = text::Tokenizer::load(folder.import(260));
  const std::vector<Token> ids = tokenizer->encode(" deux a deux ", {.add_special = false});
  EXPECT_EQ(ids, (std::vector<Token>{1, 3, 2, 3}));
  EXPECT_EQ(tokenizer->decode(ids), " deux a deux ");
}

// A small tokenizer of each model, to change.
json tiny_bytes() {
  return {{"added_tokens", {{{"id", 3}, {"content", "<|end|>"}, {"special", true}}}},
          {"pre_tokenizer", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", {"a b"}}}}};
}
json tiny_words() {
  return {{"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"model", {{"type", "WordPiece"}, {"vocab", {{"[UNK]", 0}, {"a", 1}}}}}};
}
json tiny_unigram() {
  return {
      {"added_tokens", {{{"id", 0}, {"content", "<s>"}, {"special", true}}}},
      {"normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "AAAAAA=="}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "WhitespaceSplit"}},
          {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}}}}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}, {{"SpecialToken", {{"id", "</s>"}}}}}}}},
      {"model",
       {{"type", "Unigram"},
        {"unk_id", 2},
        {"vocab", json::parse(R"([["<s>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁a", -1.5], ["b", -2.5]])")}}}};
}

TEST(Unigram, KnowsItsBytes) {
  for (const bool fallback : {false, true}) {
    json tokenizer = tiny_unigram();
    tokenizer["model"]["byte_fallback"] = fallback;
    tokenizer["model"]["vocab"][4][0] = "<0x41>";
    const Folder folder;
    folder.save_json("tokenizer.json", tokenizer);
    EXPECT_EQ(folder.import(5).integers("tokenizer.ggml.token_type")[4], fallback ? 6 : 1);
  }
}

// What transformers has written over the years for one way of treating spaces, or nearly one.
TEST(Unigram, KnowsWhichSpacesStay) {
  struct Case {
    json normalizers;
    bool splits;
    bool merges, keeps_outer;
  };
  const auto replace = [](const char* content) {
    return json{{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", content}};
  };
  const json strip = {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}};
  const Case cases[] = {{json::array(), false, false, false},
                        {json::array(), true, true, false},
                        {{replace(" ")}, false, true, true},
                        {{strip, replace("▁")}, false, true, false}};
  for (const Case& one : cases) {
    json tokenizer = tiny_unigram();
    tokenizer["normalizer"] = {{"type", "Sequence"}, {"normalizers", one.normalizers}};
    tokenizer["pre_tokenizer"]["pretokenizers"] = {{{"type", "Metaspace"}, {"prepend_scheme", "first"}}};
    if (one.splits) tokenizer["pre_tokenizer"]["pretokenizers"].push_back({{"type", "WhitespaceSplit"}});
    const Folder folder;
    folder.save_json("tokenizer.json", tokenizer);
    const gguf::Metadata metadata = folder.import(6);
    EXPECT_EQ(metadata.boolean("tokenizer.ggml.remove_extra_whitespaces", true), one.merges) << tokenizer;
    EXPECT_EQ(metadata.boolean(text::keeps_outer_spaces_key, false), one.keeps_outer) << tokenizer;
    EXPECT_EQ(metadata.string(text::space_prefix_key, ""), "first");
  }
}

TEST(Unigram, CarriesEveryPartOver) {
  const Folder folder;
  folder.save_json("tokenizer.json", tiny_unigram());
  const gguf::Metadata metadata = folder.import(6);
  EXPECT_EQ(metadata.string("tokenizer.ggml.model"), "t5");
  EXPECT_EQ(metadata.strings("tokenizer.ggml.tokens"),
            (std::vector<std::string>{"<s>", "</s>", "<unk>", "▁a", "b", "[PAD5]"}));
  EXPECT_EQ(metadata.integers("tokenizer.ggml.token_type"), (std::vector<std::int64_t>{3, 1, 2, 1, 1, 5}));
  EXPECT_EQ(metadata.numbers("tokenizer.ggml.scores")[4], -2.5);
  EXPECT_EQ(metadata.integers("tokenizer.ggml.precompiled_charsmap"), (std::vector<std::int64_t>{0, 0, 0, 0}));
  for (const char* key : {"add_space_prefix", "remove_extra_whitespaces", "add_bos_token", "add_eos_token"})
    EXPECT_TRUE(metadata.boolean(std::string("tokenizer.ggml.") + key, false)) << key;
  EXPECT_EQ(metadata.integer("tokenizer.ggml.bos_token_id"), 0u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.eos_token_id"), 1u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.unknown_token_id"), 2u);
}

TEST(Tokenizer, ReadsRolesFlagsAndTemplatesFromWhereverTheyStand) {
  const Folder folder;
  folder.save_json("tokenizer.json", tiny_bytes());
  folder.save_json(
      "tokenizer_config.json",
      {{"eos_token", {{"content", "<|end|>"}}},
       {"add_bos_token", true},
       {"chat_template", {{{"name", "default"}, {"template", "A"}}, {{"name", "tool_use"}, {"template", "B"}}}}});
  folder.save_json("special_tokens_map.json", {{"pad_token", "b"}});
  folder.save_json("generation_config.json", {{"eos_token_id", {3, 2, 1}}});
  const gguf::Metadata metadata = folder.import(4, json{{"bos_token_id", 0u}});
  EXPECT_EQ(metadata.integer("tokenizer.ggml.bos_token_id"), 0u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.eos_token_id"), 3u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.padding_token_id"), 1u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.eot_token_id"), 2u);
  EXPECT_EQ(metadata.integer("tokenizer.ggml.eom_token_id"), 1u);
  EXPECT_TRUE(metadata.boolean("tokenizer.ggml.add_bos_token", false));
  EXPECT_EQ(metadata.string("tokenizer.chat_template"), "A");
  EXPECT_EQ(metadata.string("tokenizer.chat_template.tool_use"), "B");

  save(folder.path() / "chat_template.jinja", "C");
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  save(folder.path() / "additional_chat_templates" / "rag.jinja", "D");
  save(folder.path() / "additional_chat_templates" / "tool-use.jinja", "E");
  const gguf::Metadata files = folder.import(4);
  EXPECT_EQ(files.string("tokenizer.chat_template"), "C");
  EXPECT_EQ(files.string("tokenizer.chat_template.rag"), "D");
  EXPECT_EQ(files.string("tokenizer.chat_template.tool_use"), "E");
  EXPECT_EQ(files.strings("tokenizer.chat_templates"), (std::vector<std::string>{"rag", "tool_use"}));
}

// As Qwen3-Embedding: texts end otherwise than answers.
TEST(Tokenizer, PutsTheTokenOfItsTemplateAfterAText) {
  const Folder folder;
  json tokenizer = tiny_bytes();
  tokenizer["post_processor"] = {{"type", "TemplateProcessing"},
                                 {"single", {{{"Sequence", {{"id", "A"}}}}, {{"SpecialToken", {{"id", "b"}}}}}}};
  folder.save_json("tokenizer.json", tokenizer);
  folder.save_json("tokenizer_config.json", {{"eos_token", "<|end|>"}});
  const gguf::Metadata metadata = folder.import(4);
  EXPECT_EQ(text::Tokenizer::load(metadata)->encode("a"), (std::vector<Token>{0, 1}));
  EXPECT_EQ(metadata.integer("tokenizer.ggml.eot_token_id"), 3u);
  EXPECT_FALSE(metadata.has("tokenizer.ggml.eom_token_id"));

  folder.save_json("generation_config.json", {{"eos_token_id", {0, 3, 2}}});
  const gguf::Metadata generation = folder.import(4);
  EXPECT_EQ(generation.integer("tokenizer.ggml.eot_token_id"), 3u);
  EXPECT_EQ(generation.integer("tokenizer.ggml.eom_token_id"), 0u);
  folder.save_json("generation_config.json", {{"eos_token_id", 3}});
  EXPECT_FALSE(folder.import(4).has("tokenizer.ggml.eom_token_id"));
}

// As GLM-4: what stands before every text is left to the chat template, which must write it.
TEST(Tokenizer, LeavesSeveralTokensBeforeATextToTheChatTemplate) {
  const Folder folder;
  json tokenizer = tiny_bytes();
  const auto special = [](const char* id) { return json{{"SpecialToken", {{"id", id}}}}; };
  tokenizer["post_processor"] = {{"type", "TemplateProcessing"},
                                 {"single", {special("a"), special("<|end|>"), {{"Sequence", {{"id", "A"}}}}}}};
  folder.save_json("tokenizer.json", tokenizer);
  EXPECT_THROW(folder.import(4), Error);
  folder.save_json("tokenizer_config.json", {{"chat_template", "a<|end|>{{ messages[0].content }}"}});
  EXPECT_EQ(text::Tokenizer::load(folder.import(4))->encode("b"), std::vector<Token>{1});
}

TEST(Tokenizer, LeavesOutWhatIsAddedPastTheModelsEnd) {
  const Folder folder;
  folder.save_json("tokenizer.json", tiny_bytes());
  EXPECT_EQ(folder.import(3).strings("tokenizer.ggml.tokens"), (std::vector<std::string>{"a", "b", "ab"}));
  EXPECT_THROW(folder.import(2), Error);
}

TEST(Tokenizer, RefusesToLeaveOutWhatChatsNeed) {
  for (const json& settings : {json{{"eos_token", "<|end|>"}}, json{{"bos_token", {{"content", "<|end|>"}}}},
                               json{{"chat_template", "{{ messages[0].content }}<|end|>"}}}) {
    const Folder folder;
    folder.save_json("tokenizer.json", tiny_bytes());
    folder.save_json("tokenizer_config.json", settings);
    EXPECT_NO_THROW(folder.import(4));
    try {
      folder.import(3);
      ADD_FAILURE() << settings;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      EXPECT_NE(std::string_view(error.what()).find("no row for the token <|end|>"), std::string_view::npos);
    }
  }
}

TEST(Tokenizer, ReadsWhatWasWrittenBeforeTokenizerJson) {
  const Folder pairs;
  pairs.save_json("vocab.json", {{"a", 0}, {"b", 1}, {"ab", 2}});
  save(pairs.path() / "merges.txt", "#version: 0.2\na b\n");
  EXPECT_EQ(pairs.import(3).string("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(pairs.import(3).strings("tokenizer.ggml.merges"), std::vector<std::string>{"a b"});
  pairs.save_json("tokenizer_config.json", {{"tokenizer_class", "Qwen2Tokenizer"}});
  EXPECT_EQ(pairs.import(3).string("tokenizer.ggml.pre"), "qwen2");
  EXPECT_TRUE(pairs.import(3).boolean(text::composes_key, false));

  const Folder words;
  save(words.path() / "vocab.txt", "[UNK]\na\n");
  EXPECT_TRUE(words.import(2).boolean("tokenizer.ggml.normalizer.strip_accents", false));
  words.save_json("tokenizer_config.json", {{"strip_accents", false}});
  EXPECT_FALSE(words.import(2).boolean("tokenizer.ggml.normalizer.strip_accents", true));
  EXPECT_TRUE(words.import(2).boolean("tokenizer.ggml.normalizer.lowercase", false));
}

TEST(Tokenizer, MayHaveNoMerges) {
  const Folder folder;
  json tokenizer = tiny_bytes();
  tokenizer["model"]["merges"] = json::array();
  folder.save_json("tokenizer.json", tokenizer);
  EXPECT_EQ(text::Tokenizer::load(folder.import(4))->encode("ab"), (std::vector<Token>{0, 1}));
}

// As Qwen's: a letter with its accent apart is the letter that has it.
TEST(Tokenizer, ComposesWhereItsNormalizerDoes) {
  const Folder folder;
  json tokenizer = tiny_bytes();
  tokenizer["model"]["vocab"] = {{"a", 0}, {"Ã", 1}, {"©", 2}, {"e", 4}, {"Ì", 5}, {"ģ", 6}};
  tokenizer["model"]["merges"] = json::array();
  folder.save_json("tokenizer.json", tokenizer);
  EXPECT_EQ(text::Tokenizer::load(folder.import(7))->encode("ae\u0301"), (std::vector<Token>{0, 4, 5, 6}));
  tokenizer["normalizer"] = {{"type", "NFC"}};
  folder.save_json("tokenizer.json", tokenizer);
  EXPECT_EQ(text::Tokenizer::load(folder.import(7))->encode("ae\u0301"), (std::vector<Token>{0, 1, 2}));
}

// As Phi 4 has them; files of other programs tell by the model's name at best.
TEST(Tokenizer, KeepsTheWhiteSpaceThatAddedTokensTakeAlong) {
  const Folder folder;
  json tokenizer = tiny_bytes();
  tokenizer["model"]["vocab"]["Ġ"] = 4;
  tokenizer["added_tokens"] = {{{"id", 3}, {"content", "<|end|>"}, {"special", true}, {"rstrip", true}},
                               {{"id", 5}, {"content", "<left>"}, {"lstrip", true}},
                               {{"id", 6}, {"content", "<gone>"}, {"special", true}, {"lstrip", true}}};
  folder.save_json("tokenizer.json", tokenizer);
  const auto ids = [&](const gguf::Metadata& metadata) {
    return text::Tokenizer::load(metadata)->encode("a <|end|> b <left> ab", {.parse_special = true});
  };
  EXPECT_EQ(ids(folder.import(6)), (std::vector<Token>{0, 4, 3, 1, 5, 4, 2}));
  folder.save_json("tokenizer_config.json",
                   {{"added_tokens_decoder", {{"3", {{"content", "<|end|>"}, {"special", true}}}}}});
  EXPECT_EQ(ids(folder.import(6)), (std::vector<Token>{0, 4, 3, 4, 1, 5, 4, 2}));
}

// GPT-OSS's way of cutting words, under the name of another tokenizer that has it.
TEST(Tokenizer, KnowsGpt4oThatIgnoresMerges) {
  const std::string upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]",
                    before = "[^\\r\\n\\p{L}\\p{N}]?", after = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  json tokenizer = tiny_bytes();
  tokenizer["model"]["ignore_merges"] = true;
  tokenizer["model"]["vocab"] = {{"a", 0}, {"b", 1}, {"ab", 2}, {"aab", 4}, {"B", 5}, {"ĠabÌģab", 6}};
  tokenizer["pre_tokenizer"] =
      sequence({split(before + upper + "*" + lower + "+" + after + "|" + before + upper + "+" + lower + "*" + after +
                      "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
                bytes_only});
  const Folder folder;
  folder.save_json("tokenizer.json", tokenizer);
  const gguf::Metadata metadata = folder.import(7);
  EXPECT_EQ(metadata.string("tokenizer.ggml.pre"), "granite-embed-multi-97m");
  EXPECT_EQ(metadata.string(text::exact_pre_key), "gpt-4o-exact-whole");
  // Words begin where the case changes, marks belong to them, and one of the vocabulary is itself.
  EXPECT_EQ(text::Tokenizer::load(metadata)->encode("aabBab ab\u0301ab"), (std::vector<Token>{4, 5, 2, 6}));
}

TEST(Tokenizer, IsNoneWhereThereIsNone) {
  EXPECT_EQ(Folder().import(4).string("tokenizer.ggml.model"), "none");
}

void expect_refusal(const Folder& folder, Code code, const std::string& part) {
  try {
    folder.import(6);
    ADD_FAILURE() << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST(Tokenizer, NamesThePartThatIsNotKnown) {
  struct Case {
    json base, change;
    Code code;
    const char* part;
  };
  const Case cases[] = {
      {tiny_bytes(), {{"pre_tokenizer", {{"type", "Whitespace"}}}}, Code::unsupported, "the pre-tokenizer Whitespace"},
      {tiny_bytes(), {{"pre_tokenizer", sequence({split("x+"), bytes_only})}}, Code::unsupported, "x+"},
      {tiny_bytes(), {{"pre_tokenizer", {{"add_prefix_space", true}}}}, Code::unsupported, "add_prefix_space"},
      {tiny_bytes(), {{"normalizer", {{"type", "Lowercase"}}}}, Code::unsupported, "the normalizer Lowercase"},
      {tiny_bytes(), {{"post_processor", {{"type", "Odd"}}}}, Code::unsupported, "the post-processor Odd"},
      {tiny_bytes(), {{"normalizer", json::object()}}, Code::bad_input, "has no type"},
      {tiny_bytes(), {{"model", {{"type", "WordLevel"}}}}, Code::unsupported, "the model WordLevel"},
      {tiny_bytes(),
       {{"model", {{"type", "WordPiece"}, {"max_input_chars_per_word", 50}}}},
       Code::unsupported,
       "max_input_chars_per_word 50"},
      {tiny_words(), {{"pre_tokenizer", nullptr}}, Code::unsupported, "that does not part words"},
      {tiny_words(), {{"pre_tokenizer", {{"type", "Whitespace"}}}}, Code::unsupported, "the pre-tokenizer Whitespace"},
      {tiny_words(), {{"normalizer", {{"type", "NFD"}}}}, Code::unsupported, "NFD of a WordPiece tokenizer without"},
      {tiny_words(), {{"normalizer", {{"type", "StripAccents"}}}}, Code::unsupported, "the normalizer StripAccents"},
      {tiny_bytes(), {{"model", {{"ignore_merges", true}}}}, Code::unsupported, "ignore_merges"},
      {tiny_bytes(), {{"model", {{"end_of_word_suffix", "</w>"}}}}, Code::unsupported, "end_of_word_suffix"},
      {tiny_bytes(), {{"model", {{"merges", {"ab"}}}}}, Code::bad_input, "merge 0"},
      {tiny_bytes(), {{"model", {{"vocab", {{"a", -1}}}}}}, Code::bad_input, "token a has no id"},
      {tiny_bytes(), {{"model", {{"vocab", {{"a", 7}}}}}}, Code::bad_input, "8 tokens, the model 6"},
      {tiny_bytes(), {{"model", {{"vocab", {{"a", 1e15}}}}}}, Code::bad_input, "token a"},
      {tiny_bytes(), {{"added_tokens", 1}}, Code::bad_input, "added_tokens"},
      {tiny_bytes(),
       {{"added_tokens", {{{"id", 3}, {"content", "the"}, {"single_word", true}}}}},
       Code::unsupported,
       "the added token the, met as a whole word only"},
      {tiny_bytes(), {{"model", nullptr}}, Code::unsupported, "the model of unknown type"},
      {tiny_unigram(), {{"normalizer", {{"type", "Strip"}, {"strip_right", false}}}}, Code::unsupported, "Strip"},
      {tiny_unigram(),
       {{"normalizer", {{"type", "Strip"}}}, {"pre_tokenizer", {{"type", "Metaspace"}}}},
       Code::unsupported,
       "keeps runs of it"},
      {tiny_unigram(),
       {{"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "odd"}}}},
       Code::bad_input,
       "the prepend_scheme odd"},
      {tiny_unigram(), {{"normalizer", {{"type", "NFKC"}}}}, Code::unsupported, "the normalizer NFKC"},
      {tiny_unigram(), {{"normalizer", {{"precompiled_charsmap", "!"}}}}, Code::bad_input, "Base64"},
      {tiny_unigram(), {{"model", {{"unk_id", 9}}}}, Code::bad_input, "unk_id is 9"},
      {tiny_unigram(), {{"model", {{"vocab", json::array({json::array({"a", "b"})})}}}}, Code::bad_input, "piece 0"},
  };
  for (const Case& one : cases) {
    json whole = one.base;
    whole.merge_patch(one.change);
    const Folder folder;
    folder.save_json("tokenizer.json", whole);
    expect_refusal(folder, one.code, one.part);
  }
}

TEST(Tokenizer, NamesWhatIsWrongWithASentencePieceModel) {
  const std::string good = piece("<unk>", 0, 2) + piece("a", -1, 1);
  const auto expect = [](const std::string& bytes, Code code, const std::string& part) {
    const Folder folder;
    save(folder.path() / "tokenizer.model", bytes);
    expect_refusal(folder, code, part);
  };
  expect(good + bytes_field(2, number_field(3, 3)), Code::unsupported, "words or characters");
  expect(good + bytes_field(2, number_field(3, 2)), Code::unsupported, "without tokens for single bytes");
  expect(good + bytes_field(2, number_field(24, 1)), Code::unsupported, "white space after words");
  expect(good + piece("\xff", 0, 1), Code::bad_input, "piece 2 is not valid UTF-8");
  expect(good + piece("b", 0, 9), Code::bad_input, "piece 2 has the type 9");
  expect(good.substr(0, good.size() - 1), Code::bad_input, "not complete");
  expect(std::string("\x12\x00", 2), Code::bad_input, "without pieces");
  const Folder other;
  save(other.path() / "sentencepiece.bpe.model", good);
  expect_refusal(other, Code::unsupported, "sentencepiece.bpe.model");
}

}  // namespace
}  // namespace hearth::convert
