// Any bytes as a safetensors file: it opens or throws an error of the input; every tensor that opens can be converted.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "convert/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hearth;
  try {
    for (const auto& tensor : convert::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz.safetensors")) {
      if (!convert::is_float(tensor.dtype)) continue;
      std::vector<float> values(std::min<std::size_t>(tensor.elements(), 4096));
      convert::to_float(tensor.dtype, tensor.data.last(values.size() * convert::bytes(tensor.dtype)), values);
    }
  } catch (const Error& error) {
    if (error.code() != Code::bad_input && error.code() != Code::unsupported) std::abort();
  }
  return 0;
}
