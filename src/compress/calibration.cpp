#include "compress/calibration.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "text/tokenizer.h"

namespace hearth::compress {

Calibration::Calibration(const std::filesystem::path& model, const std::filesystem::path& text) {
  const MappedFile file(text);
  model_ = model::Model::open(model);
  const auto tokenizer = text::Tokenizer::load(model_->file().metadata());
  tokens_ = tokenizer->encode(file.text());
  if (tokenizer->adds_bos()) bos_ = tokenizer->bos();
}

}  // namespace hearth::compress
