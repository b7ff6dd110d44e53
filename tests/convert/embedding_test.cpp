// all-MiniLM-L6-v2, imported: 200 sentences as transformers embeds them in float32.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "../model/runner.h"
#include "convert/checkpoint.h"
#include "shared.h"
#include "temporary.h"
#include "tensor/type.h"
#include "text/tokenizer.h"

namespace hearth::convert {
namespace {

constexpr std::size_t sentences = 200, width = 384;
#ifdef NDEBUG
constexpr std::size_t stride = 2;
#else
constexpr std::size_t stride = 10;  // sanitizers are slow
#endif

// The first lines of the text that are sentences: 30 to 400 bytes without the white space around them.
std::vector<std::string> texts() {
  std::vector<std::string> found;
  std::ifstream file(hearth::tests::shared() / "data" / "text" / "wikitext2-valid.txt");
  for (std::string line; found.size() < sentences && std::getline(file, line);) {
    const auto begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    line = line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
    if (line.size() >= 30 && line.size() <= 400) found.push_back(line);
  }
  return found;
}

// tests/cases/minilm.f16: [200, 384], of length 1.
std::vector<float> expected() {
  std::ifstream file(std::filesystem::path(hearth::tests::source_dir()) / "tests/cases/minilm.f16", std::ios::binary);
  std::vector<char> bytes(sentences * width * 2);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::vector<float> values(sentences * width);
  tensor::info(tensor::Type::f16)
      .decode(reinterpret_cast<const std::byte*>(bytes.data()), values.data(), values.size());
  return values;
}

TEST(Embedding, IsThatOfTransformers) {
  HEARTH_NEEDS_SHARED();
  HEARTH_NEEDS_MODEL("all-minilm-l6-v2");
  const hearth::tests::TemporaryFolder temporary;
  const auto out = temporary.path() / "minilm.gguf";
  import_folder(hearth::tests::models() / "all-minilm-l6-v2", out);
  hearth::tests::Runner runner(model::Model::open(out));
  const gguf::Metadata& metadata = runner.model->file().metadata();
  EXPECT_EQ(metadata.integer("bert.pooling_type"), 1u);
  EXPECT_EQ(metadata.string("general.license"), "apache-2.0");
  const auto tokenizer = text::Tokenizer::load(metadata);

  const std::vector<std::string> all = texts();
  ASSERT_EQ(all.size(), sentences);
  const std::vector<float> wanted = expected();
  for (std::size_t i = 0; i < sentences; i += stride) {
    const auto tokens = tokenizer->encode(all[i]);
    const std::vector<float> states = runner.feed(nullptr, tokens);
    double dot = 0, power = 0, own = 0;
    for (std::size_t column = 0; column < width; ++column) {
      double mean = 0;
      for (std::size_t row = 0; row < tokens.size(); ++row) mean += states[row * width + column];
      const double other = wanted[i * width + column];
      dot += mean * other;
      power += mean * mean;
      own += other * other;
    }
    EXPECT_GT(dot / std::sqrt(power * own), 1 - 1e-5) << all[i];
  }
}

}  // namespace
}  // namespace hearth::convert
