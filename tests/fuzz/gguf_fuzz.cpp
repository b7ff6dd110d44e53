// Any bytes as a GGUF file: it opens or throws an error of the input; what opens can be read to its last byte.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "gguf/file.h"

namespace {

using hearth::Code;
using hearth::Error;

template <class Call>
void expect_input_error(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    const Code code = error.code();
    if (code != Code::bad_input && code != Code::unsupported && code != Code::not_found) std::abort();
  }
}

void read_all(const hearth::gguf::File& file) {
  const hearth::gguf::Metadata& metadata = file.metadata();
  std::size_t seen = 0;
  constexpr std::size_t enough = 64;  // lookups are linear in the number of keys
  for (const auto& entry : metadata.entries()) {
    const std::string& key = entry.first;
    if (++seen > enough) break;
    expect_input_error([&] { metadata.integer(key); });
    expect_input_error([&] { metadata.number(key); });
    expect_input_error([&] { metadata.boolean(key, false); });
    expect_input_error([&] { metadata.string(key); });
    expect_input_error([&] { metadata.strings(key); });
    expect_input_error([&] { metadata.numbers(key); });
    expect_input_error([&] { metadata.integers(key); });
    if (hearth::gguf::type_name(entry.second).empty()) std::abort();
  }
  unsigned sum = 0;
  for (const hearth::gguf::Tensor& tensor : file.tensors()) {
    sum += std::to_integer<unsigned>(tensor.data.front()) + std::to_integer<unsigned>(tensor.data.back());
    if (tensor.matrix().bytes() != tensor.data.size() || file.find(tensor.name) != &tensor) std::abort();
  }
  volatile unsigned kept = sum;
  (void)kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expect_input_error([&] { read_all(hearth::gguf::File::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf")); });
  return 0;
}
