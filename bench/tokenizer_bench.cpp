// Text to ids, on one core: MB/s over a whole text, in prompts of 2 kB, and over texts without a word's end, which show
// that time grows with the length of the input and not with its square. Arguments: a GGUF file, a text file.
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

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_tokenizer MODEL.gguf TEXT\n");
    return 2;
  }
  std::unique_ptr<const text::Tokenizer> tokenizer;
  const auto file = gguf::File::open(argv[1]);
  const double load = seconds([&] { tokenizer = text::Tokenizer::load(file.metadata()); }, 3);
  fmt::print("{} tokens, loaded in {:.0f} ms\n", tokenizer->size(), load * 1e3);

  std::ostringstream text;
  text << std::ifstream(argv[2], std::ios::binary).rdbuf();
  report(*tokenizer, "the text", text.str(), text.str().size() + 1);
  report(*tokenizer, "in prompts of 2 kB", text.str(), 2048);
  std::mt19937 random(1);
  std::string bytes(1 << 20, 'a');
  for (const char* name : {"one letter", "spaces", "line breaks", "digits"}) {
    std::fill(bytes.begin(), bytes.end(), *name == 'o' ? 'a' : *name == 's' ? ' ' : *name == 'l' ? '\n' : '7');
    report(*tokenizer, name, bytes.substr(0, bytes.size() / 4), bytes.size());
    report(*tokenizer, name, bytes, bytes.size());
  }
  for (char& byte : bytes) byte = static_cast<char>('a' + random() % 26);
  report(*tokenizer, "one word", bytes, bytes.size());
  for (char& byte : bytes) byte = static_cast<char>(random());
  report(*tokenizer, "random bytes", bytes, bytes.size());
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
