#include "tensor/encode.h"

#include "tensor/encode/encoders.h"
#include "tensor/formats/formats.h"

namespace hearth::tensor {

namespace {

template <class... Format>
decltype(TypeInfo::encode) find_encoder(Type type, FormatList<Format...>) {
  decltype(TypeInfo::encode) found = nullptr;
  ((Format::type == type ? void(found = encode_as<Format>) : void()), ...);
  return found;
}

}  // namespace

decltype(TypeInfo::encode) encoder(Type type) {
  return find_encoder(type, Formats{});
}

}  // namespace hearth::tensor
