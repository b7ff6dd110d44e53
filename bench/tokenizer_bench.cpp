// Text to ids, on one core: MB/s over a whole text, in prompts of 2 kB, and over texts without a word's end, each at
// four lengths, which show that time grows with the length of the input and not with its square. Arguments: a GGUF
// file, a text file, and perhaps the kind of tokenizer to take the file's vocabulary for ("t5": unigram).
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "base/error.h"
#include "gguf/file.h"
#include "text/tokenizer.h"
#include "timing.h"

namespace {

using namespace hearth;
using bench::seconds;

void report(const text::Tokenizer& tokenizer, const char* name, const std::string& text, std::size_t piece) {
  std::size_t tokens = 0;
  const double time = seconds(
      [&] {
        tokens = 0;
        for (std::size_t at = 0; at < text.size(); at += piece)
          tokens += tokenizer.encode(std::string_view(text).substr(at, piece)).size();
      },
      5);
  fmt::print("{:24} {:8.2f} MB  {:8} tokens  {:8.1f} MB/s\n", name, double(text.size()) / 1e6, tokens,
             double(text.size()) / time / 1e6);
}

// Seconds for 1, 2, 4 and 8 MB, and how many times as long each takes as the one before.
template <class Make>
void growth(const text::Tokenizer& tokenizer, const char* name, const Make& make) {
  fmt::print("{:16}", name);
  double past = 0;
  for (const std::size_t megabytes : {1, 2, 4, 8}) {
    const std::string text = make(megabytes * 1'000'000);
    const double time = seconds([&] { tokenizer.encode(text); }, 2);
    fmt::print("  {:7.3f} s", time);
    if (past > 0) fmt::print(" (x{:.2f})", time / past);
    past = time;
  }
  fmt::print("  {:.1f} MB/s\n", 8 / past);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 4) {
    fmt::print(stderr, "usage: bench_tokenizer MODEL.gguf TEXT [KIND]\n");
    return 2;
  }
  std::unique_ptr<const text::Tokenizer> tokenizer;
  const auto file = gguf::File::open(argv[1]);
  gguf::Metadata metadata = file.metadata();
  if (argc == 4) metadata.set("tokenizer.ggml.model", {std::string(argv[3])});
  const double load = seconds([&] { tokenizer = text::Tokenizer::load(metadata); }, 3);
  fmt::print("{} tokens, loaded in {:.0f} ms\n", tokenizer->size(), load * 1e3);

  std::ostringstream text;
  text << std::ifstream(argv[2], std::ios::binary).rdbuf();
  report(*tokenizer, "the text", text.str(), text.str().size() + 1);
  report(*tokenizer, "in prompts of 2 kB", text.str(), 2048);
  std::mt19937 random(1);
  const auto letters = [&](std::size_t bytes) {
    std::string word(bytes, 'a');
    for (char& byte : word) byte = static_cast<char>('a' + random() % 26);
    return word;
  };
  const auto any_bytes = [&](std::size_t bytes) {
    std::string word(bytes, 'a');
    for (char& byte : word) byte = static_cast<char>(random());
    return word;
  };
  const auto chinese = [&](std::size_t bytes) {
    std::string word;
    while (word.size() < bytes) {
      const auto code = static_cast<std::uint32_t>(0x4e00 + random() % 0x5000);
      word += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
               static_cast<char>(0x80 | (code & 63))};
    }
    return word;
  };
  const auto repeated = [](char byte) { return [byte](std::size_t bytes) { return std::string(bytes, byte); }; };
  growth(*tokenizer, "one letter", repeated('a'));
  growth(*tokenizer, "random letters", letters);
  growth(*tokenizer, "Chinese", chinese);
  growth(*tokenizer, "spaces", repeated(' '));
  growth(*tokenizer, "line breaks", repeated('\n'));
  growth(*tokenizer, "digits", repeated('7'));
  growth(*tokenizer, "random bytes", any_bytes);
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
