// A tiny model with a tokenizer of single bytes, so that it can be run on a text.
#pragma once

#include <fmt/format.h>

#include <fstream>

#include "model/tiny.h"
#include "temporary.h"

namespace hearth::tests {

struct Readable {
  TemporaryFolder folder;
  std::filesystem::path in = folder.path() / "in.gguf", out = folder.path() / "out.gguf",
                        text = folder.path() / "text.txt";

  explicit Readable(nlohmann::json spec = {{"family", "llama"}}) {
    spec["keys"]["vocab_size"] = 259;
    Tiny tiny = tiny_model(spec);
    std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
    std::vector<std::int32_t> kinds{2, 3, 3};
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(fmt::format("<0x{:02X}>", byte));
      kinds.push_back(6);
    }
    tiny.metadata.set("tokenizer.ggml.model", {std::string("llama")});
    tiny.metadata.set("tokenizer.ggml.tokens", {gguf::Array(tokens)});
    tiny.metadata.set("tokenizer.ggml.scores", {gguf::Array(std::vector<float>(tokens.size()))});
    tiny.metadata.set("tokenizer.ggml.token_type", {gguf::Array(kinds)});
    tiny.metadata.set("tokenizer.ggml.bos_token_id", {std::uint32_t{1}});
    tiny.metadata.set("tokenizer.ggml.eos_token_id", {std::uint32_t{2}});
    tiny.metadata.set("tokenizer.ggml.unknown_token_id", {std::uint32_t{0}});
    tiny.write(in);
    std::ofstream file(text);
    for (int i = 0; i < 400; ++i) file << "the " << i * i % 97 << " cats sat on " << i % 7 << " mats. ";
  }
  std::size_t files() const {
    return std::size_t(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }
};

}  // namespace hearth::tests
