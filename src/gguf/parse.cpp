#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/reader.h"
#include "gguf/file.h"
#include "gguf/layout.h"

namespace hearth::gguf {

namespace {

std::string_view read_string(Reader& reader, std::string_view what) {
  return reader.take_text(reader.read<std::uint64_t>(what), what);
}

// A count of things that take at least `smallest` bytes each: what cannot lie in the file is refused before memory is
// asked for.
std::uint64_t read_count(Reader& reader, std::string_view what, std::uint64_t smallest, std::string_view of = {}) {
  const auto count = reader.read<std::uint64_t>(what);
  if (count > reader.left() / smallest)
    reader.fail(fmt::format("{}{} is {}, more than the {} bytes left can hold", what, of, count, reader.left()));
  return count;
}

constexpr std::string_view length_of = "the length of ";

template <class T>
T read_scalar(Reader& reader, std::string_view key) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(read_string(reader, key));
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto byte = reader.read<std::uint8_t>(key);
    if (byte > 1) reader.fail(fmt::format("{} holds a boolean of {}, neither 0 nor 1", key, byte));
    return byte == 1;
  } else {
    return reader.read<T>(key);
  }
}

template <class T>
std::vector<T> read_items(Reader& reader, std::string_view key) {
  constexpr std::uint64_t smallest = std::is_same_v<T, std::string> ? sizeof(std::uint64_t) : sizeof(T);
  const std::uint64_t count = read_count(reader, length_of, smallest, key);
  std::vector<T> items;
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool>) {
    items.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) items.push_back(read_scalar<T>(reader, key));
  } else {
    items.resize(count);
    const auto bytes = reader.take(count * sizeof(T), key);
    if (count != 0) std::memcpy(items.data(), bytes.data(), bytes.size());
  }
  return items;
}

[[noreturn]] void unknown_type(const Reader& reader, std::string_view key, std::uint32_t number) {
  reader.fail(fmt::format("{} has the unknown value type {}", key, number));
}

Array read_array(Reader& reader, std::string_view key, std::size_t depth) {
  if (depth > depth_limit) reader.fail(fmt::format("{} nests arrays deeper than {}", key, depth_limit));
  Array result;
  const auto number = reader.read<std::uint32_t>(key);
  if (number == array_number) {
    const std::uint64_t count = read_count(reader, length_of, sizeof(std::uint32_t) + sizeof(std::uint64_t), key);
    std::vector<Value> items;
    items.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) items.push_back({read_array(reader, key, depth + 1)});
    result = std::move(items);
  } else if (!with_type(number, [&]<class T>(const T&) { result = read_items<T>(reader, key); })) {
    unknown_type(reader, key, number);
  }
  return result;
}

Value read_value(Reader& reader, std::string_view key) {
  Value value;
  const auto number = reader.read<std::uint32_t>(key);
  if (number == array_number)
    value.data = read_array(reader, key, 1);
  else if (!with_type(number, [&]<class T>(const T&) { value.data = read_scalar<T>(reader, key); }))
    unknown_type(reader, key, number);
  return value;
}

// Where a tensor's bytes shall lie, before the file is known to hold them.
struct Place {
  std::uint64_t offset, bytes;
};

// Types of GGUF that are no weights we read, for a better message than their number.
std::string_view foreign_type_name(std::uint32_t number) {
  switch (number) {
    case 4:
      return " (Q4_2)";
    case 5:
      return " (Q4_3)";
    case 9:
      return " (Q8_1)";
    case 15:
      return " (Q8_K)";
    case 16:
      return " (IQ2_XXS)";
    case 17:
      return " (IQ2_XS)";
    case 18:
      return " (IQ3_XXS)";
    case 19:
      return " (IQ1_S)";
    case 21:
      return " (IQ3_S)";
    case 22:
      return " (IQ2_S)";
    case 24:
      return " (I8)";
    case 25:
      return " (I16)";
    case 27:
      return " (I64)";
    case 28:
      return " (F64)";
    case 29:
      return " (IQ1_M)";
    case 34:
      return " (TQ1_0)";
    case 35:
      return " (TQ2_0)";
    default:
      return "";
  }
}

std::pair<Tensor, Place> read_tensor(Reader& reader, std::uint64_t alignment) {
  Tensor tensor;
  tensor.name = read_string(reader, "a tensor's name");
  check_tensor_name(tensor.name, reader.name());
  const auto dimensions = reader.read<std::uint32_t>(tensor.name);
  if (dimensions == 0 || dimensions > dimension_limit)
    reader.fail(
        fmt::format("tensor {} has {} dimensions, 1 to {} are allowed", tensor.name, dimensions, dimension_limit));
  tensor.shape.resize(dimensions);
  for (std::uint64_t& size : tensor.shape) size = reader.read<std::uint64_t>(tensor.name);
  const auto number = reader.read<std::uint32_t>(tensor.name);
  const tensor::TypeInfo* type = tensor::find_type(number);
  if (!type)
    throw Error(Code::unsupported,
                fmt::format("tensor {} is of type {}{}, which this program does not read", tensor.name, number,
                            foreign_type_name(number)),
                reader.name());
  tensor.type = type->type;
  const Place place{reader.read<std::uint64_t>(tensor.name),
                    tensor_bytes(tensor.name, tensor.type, tensor.shape, reader.name())};
  if (place.offset % alignment != 0)
    reader.fail(fmt::format("tensor {} starts at {}, not a multiple of the alignment {}", tensor.name, place.offset,
                            alignment));
  return {std::move(tensor), place};
}

void check_overlap(std::span<const Tensor> tensors, std::span<const Place> places, const Reader& reader) {
  std::vector<std::uint32_t> order(tensors.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return places[a].offset < places[b].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Place& before = places[order[i - 1]];
    if (before.offset + before.bytes > places[order[i]].offset)
      throw Error(Code::bad_input,
                  fmt::format("tensors {} and {} overlap", tensors[order[i - 1]].name, tensors[order[i]].name),
                  reader.name());
  }
}

std::uint32_t read_version(Reader& reader) {
  const std::string_view found = reader.take_text(magic.size(), "the magic number");
  for (const std::string_view old : {"lmgg", "fmgg", "tjgg", "algg"})
    if (found == old)
      throw Error(Code::unsupported, "a GGML file, older than GGUF", reader.name(), "fetch the model as GGUF");
  if (found != magic) throw Error(Code::bad_input, "not a GGUF file", reader.name());
  const auto version = reader.read<std::uint32_t>("the version");
  if (version != 0 && (version & 0xffff) == 0)
    throw Error(Code::unsupported, "a big-endian GGUF file; only little-endian ones are read", reader.name());
  if (version != 2 && version != 3)
    throw Error(Code::unsupported, fmt::format("GGUF version {}; versions 2 and 3 are read", version), reader.name());
  return version;
}

}  // namespace

File File::parse(std::span<const std::byte> bytes, const std::string& name) {
  Reader reader(bytes, name);
  File file;
  file.path_ = name;
  file.bytes_ = bytes.size();
  file.version_ = read_version(reader);
  constexpr std::uint64_t smallest_tensor = 8 + 1 + 4 + 8 + 4 + 8, smallest_entry = 8 + 1 + 4 + 1;
  const std::uint64_t tensor_count = read_count(reader, "the number of tensors", smallest_tensor);
  const std::uint64_t entry_count = read_count(reader, "the number of keys", smallest_entry);

  std::vector<Metadata::Entry> entries;
  entries.reserve(entry_count);
  for (std::uint64_t i = 0; i < entry_count; ++i) {
    const std::string_view key = read_string(reader, "a key");
    check_key(key, name);
    entries.emplace_back(key, read_value(reader, key));
  }
  file.metadata_ = Metadata(name, std::move(entries));
  file.alignment_ = alignment_of(file.metadata_);

  std::vector<Place> places;
  file.tensors_.reserve(tensor_count);
  places.reserve(tensor_count);
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    auto [tensor, place] = read_tensor(reader, file.alignment_);
    file.tensors_.push_back(std::move(tensor));
    places.push_back(place);
  }
  if (tensor_count != 0) {
    reader.seek(align(reader.position(), file.alignment_), "the tensors' data");
    const auto data = bytes.subspan(reader.position());
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
      const auto [offset, size] = places[i];
      if (offset > data.size() || size > data.size() - offset)
        throw Error(Code::bad_input,
                    fmt::format("tensor {} lies outside the file: {} bytes from {}, of {}", file.tensors_[i].name, size,
                                offset, data.size()),
                    name, "the file is damaged or not complete");
      file.tensors_[i].data = data.subspan(offset, size);
    }
    check_overlap(file.tensors_, places, reader);
  }
  file.index();
  return file;
}

}  // namespace hearth::gguf
