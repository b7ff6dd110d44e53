// Any bytes as a model: it opens and runs, or throws an error of the input.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/error.h"
#include "model/model.h"

namespace {

using hearth::Code;

void run(std::span<const std::byte> bytes) {
  const auto model = hearth::model::Model::open(hearth::gguf::File::parse(bytes, "fuzz.gguf"));
  constexpr std::size_t small = 1 << 16;  // random bytes spell no model of this size; a grown seed may, and is slow
  if (model->width() > small || model->vocabulary_size() > small) return;
  static hearth::ThreadPool pool(1);
  static const auto scratch = hearth::model::Model::new_scratch();
  const std::vector<hearth::Token> tokens = {0, 0};
  const auto cache = model->is_encoder() ? nullptr : model->new_cache(4);
  const hearth::model::Segment segment{.cache = cache.get(), .tokens = tokens};
  const std::size_t width = model->is_encoder() ? model->width() : model->vocabulary_size();
  std::vector<float> out(width);
  model->forward(pool, {&segment, 1}, *scratch, {out.data(), 1, width});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint64_t> aligned((size + 7) / 8);  // tensors of a file lie at multiples of 8
  std::copy_n(data, size, reinterpret_cast<std::uint8_t*>(aligned.data()));
  try {
    run(std::as_bytes(std::span(aligned)).first(size));
  } catch (const hearth::Error& error) {
    if (error.code() == Code::internal || error.code() == Code::io) std::abort();
  }
  return 0;
}
