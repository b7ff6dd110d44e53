// A text that a model is run on to see what its weights multiply.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/types.h"
#include "model/model.h"

namespace hearth::compress {

inline constexpr std::size_t default_chunks = 40;

class Calibration {
 public:
  // Opens the model and encodes the text. Throws not_found, bad_input for an empty text, unsupported where the model
  // has no tokenizer.
  Calibration(const std::filesystem::path& model, const std::filesystem::path& text);

  const model::Model& model() const noexcept { return *model_; }
  const std::vector<Token>& tokens() const noexcept { return tokens_; }
  Token bos() const noexcept { return bos_; }  // what each chunk begins with, or no_token

 private:
  std::shared_ptr<const model::Model> model_;
  std::vector<Token> tokens_;
  Token bos_ = no_token;
};

}  // namespace hearth::compress
