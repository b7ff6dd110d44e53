// Every id of the shared vocabularies and of whole texts under the real models, as the reference has them.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/sha256.h"
#include "gguf/file.h"
#include "shared.h"
#include "text/tokenizer.h"

namespace hearth::text {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Cases are separated by lines "__ggml_vocab_test__"; the last line of ids belongs to no case where it is empty.
std::vector<std::string> cases_of(const std::string& text) {
  constexpr std::string_view separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> cases;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    cases.push_back(text.substr(at, end - at));
    at = end + separator.size();
  }
  return cases;
}

std::vector<std::vector<Token>> ids_of(const std::string& text) {
  std::vector<std::vector<Token>> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    auto& ids = all.emplace_back();
    for (Token id = 0; words >> id;) ids.push_back(id);
  }
  return all;
}

class Vocabularies : public testing::TestWithParam<const char*> {};

TEST_P(Vocabularies, EncodeAsTheReferenceDoes) {
  HEARTH_NEEDS_SHARED();
  const auto path = tests::shared() / "conformance" / "vocab" / (std::string("ggml-vocab-") + GetParam() + ".gguf");
  const auto tokenizer = Tokenizer::load(gguf::File::open(path).metadata());
  const auto texts = cases_of(read(path.string() + ".inp"));
  const auto expected = ids_of(read(path.string() + ".out"));
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_GT(texts.size(), 40u);
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(tokenizer->encode(texts[i], {.add_special = false}), expected[i]) << texts[i];
}

INSTANTIATE_TEST_SUITE_P(All, Vocabularies,
                         testing::Values("bert-bge", "falcon", "gpt-2", "llama-bpe", "llama-spm", "mpt", "phi-3",
                                         "qwen2"));

class RealModels : public testing::TestWithParam<const char*> {};

TEST_P(RealModels, EncodeAWholeText) {
  HEARTH_NEEDS_SHARED();
  HEARTH_NEEDS_MODEL(GetParam());
  const auto expected =
      nlohmann::json::parse(read(tests::shared() / "conformance" / "real_models.json")).at(GetParam());
  const std::string text = read(tests::shared() / "data" / "text" / "wikitext2-valid.txt");
  const auto tokenizer = Tokenizer::load(gguf::File::open(tests::models() / GetParam()).metadata());
  const auto ids = tokenizer->encode(text, {.add_special = false});
  EXPECT_EQ(ids.size(), expected.at("wikitext2_valid_tokens").get<std::size_t>());
  const std::vector<Token> first(ids.begin(), ids.begin() + 32);
  EXPECT_EQ(first, expected.at("first_tokens").get<std::vector<Token>>());
  Sha256 hash;
  hash.add(std::as_bytes(std::span(ids)));  // little-endian, as is every machine that this runs on
  EXPECT_EQ(hash.finish(), expected.at("wikitext2_valid_sha256_of_int32le").get<std::string>());
  EXPECT_EQ(tokenizer->decode(ids), text);
  for (const auto& prompt : expected.at("prompts"))
    EXPECT_EQ(tokenizer->encode(prompt.at("text").get<std::string>()), prompt.at("tokens").get<std::vector<Token>>());
}

INSTANTIATE_TEST_SUITE_P(All, RealModels,
                         testing::Values("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"));

}  // namespace
}  // namespace hearth::text
