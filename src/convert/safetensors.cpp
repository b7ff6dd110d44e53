#include "convert/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/reader.h"
#include "convert/json.h"
#include "tensor/type.h"

namespace hearth::convert {

namespace {

struct DtypeInfo {
  std::string_view name;
  std::size_t bytes;
};
constexpr DtypeInfo dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};

const DtypeInfo& info(Dtype dtype) {
  return dtypes[static_cast<std::size_t>(dtype)];
}

class HeaderParser {
 public:
  HeaderParser(std::string_view name, std::span<const std::byte> data) : origin_(name), data_(data) {}

  SourceTensor tensor(const std::string& name, const Json& entry) const {
    if (!entry.is_object()) fail(name, "is not described by an object");
    SourceTensor tensor{name, dtype(name, entry), {}, {}};
    std::uint64_t size = bytes(tensor.dtype);
    for (const Json& dimension : list(name, entry, "shape")) {
      if (!dimension.is_number_unsigned()) fail(name, "has a shape that is no list of sizes");
      tensor.shape.push_back(dimension.get<std::uint64_t>());
      if (__builtin_mul_overflow(size, tensor.shape.back(), &size)) fail(name, "is too large");
    }
    const Json& offsets = list(name, entry, "data_offsets");
    if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
      fail(name, "has data_offsets that are no pair of offsets");
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > data_.size())
      fail(name, fmt::format("lies outside the file: bytes {} to {}, of {}", begin, end, data_.size()));
    if (end - begin != size)
      fail(name, fmt::format("has {} bytes, where its shape and type need {}", end - begin, size));
    tensor.data = data_.subspan(begin, size);
    return tensor;
  }

  [[noreturn]] void fail(std::string_view tensor, std::string_view fault, Code code = Code::bad_input) const {
    throw Error(code, fmt::format("tensor {} {}", tensor.substr(0, 200), fault), origin_);
  }

 private:
  const Json& list(const std::string& name, const Json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end() || !found->is_array()) fail(name, fmt::format("has no list {}", key));
    return *found;
  }

  Dtype dtype(const std::string& name, const Json& entry) const {
    const auto found = entry.find("dtype");
    if (found == entry.end() || !found->is_string()) fail(name, "has no dtype");
    const auto& text = found->get_ref<const std::string&>();
    for (std::size_t i = 0; i < std::size(dtypes); ++i)
      if (dtypes[i].name == text) return static_cast<Dtype>(i);
    fail(name, fmt::format("is of type {}, which this program does not read", text.substr(0, 20)), Code::unsupported);
  }

  std::string_view origin_;
  std::span<const std::byte> data_;
};

// The shards that an index names, once each.
std::set<std::string> shard_names(const JsonObject& index, const Json& weight_map) {
  std::set<std::string> names;
  for (const Json& shard : weight_map) {
    if (!shard.is_string()) index.fail("weight_map names a shard that is no string");
    const auto& name = shard.get_ref<const std::string&>();
    if (name.empty() || name.find('/') != name.npos || name == "." || name == "..")
      index.fail(fmt::format("weight_map names the shard \"{}\", which is no file beside it", name.substr(0, 200)));
    names.insert(name);
  }
  if (names.empty()) index.fail("weight_map is empty");
  return names;
}

}  // namespace

std::size_t bytes(Dtype dtype) {
  return info(dtype).bytes;
}
std::string_view name(Dtype dtype) {
  return info(dtype).name;
}
bool is_float(Dtype dtype) {
  return dtype <= Dtype::bf16;
}

void to_float(Dtype dtype, std::span<const std::byte> data, std::span<float> out) {
  HEARTH_CHECK(is_float(dtype) && data.size() >= bytes(dtype) * out.size());
  switch (dtype) {
    case Dtype::f64:
      for (std::size_t i = 0; i < out.size(); ++i) {
        double value;
        std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
        out[i] = static_cast<float>(value);
      }
      return;
    case Dtype::f32:
      std::memcpy(out.data(), data.data(), out.size() * sizeof(float));
      return;
    case Dtype::f16:
      tensor::info(tensor::Type::f16).decode(data.data(), out.data(), out.size());
      return;
    default:
      tensor::info(tensor::Type::bf16).decode(data.data(), out.data(), out.size());
      return;
  }
}

std::vector<SourceTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  Reader reader(bytes, name);
  const auto length = reader.read<std::uint64_t>("the length of the header");
  constexpr std::uint64_t header_limit = 100'000'000;  // the reference implementation's own
  if (length > header_limit || length > reader.left())
    reader.fail(fmt::format("the header of {} bytes does not fit; not a safetensors file, or not complete", length));
  const JsonObject header(parse_json(reader.take_text(length, "the header"), name), name);
  const HeaderParser parser(name, bytes.subspan(reader.position()));

  std::vector<SourceTensor> tensors;
  for (const auto& [key, entry] : header.json().items())
    if (key != "__metadata__") tensors.push_back(parser.tensor(key, entry));
  const auto begin = bytes.data() + reader.position();
  std::stable_sort(tensors.begin(), tensors.end(), [](const SourceTensor& a, const SourceTensor& b) {
    return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
  });
  const std::byte* end = begin;
  for (const SourceTensor& tensor : tensors) {
    if (tensor.data.data() != end)
      parser.fail(tensor.name,
                  fmt::format("starts at byte {}, where {} is the next", tensor.data.data() - begin, end - begin));
    end += tensor.data.size();
  }
  if (end != bytes.data() + bytes.size())
    throw Error(Code::bad_input,
                fmt::format("{} bytes at the end belong to no tensor", bytes.data() + bytes.size() - end), name);
  return tensors;
}

Safetensors Safetensors::open(const std::filesystem::path& folder) {
  const auto single = folder / "model.safetensors", index_path = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(single)) return open_file(single);
  if (!std::filesystem::exists(index_path)) {
    const bool pickled = std::filesystem::exists(folder / "pytorch_model.bin") ||
                         std::filesystem::exists(folder / "pytorch_model.bin.index.json");
    throw Error(Code::not_found, "no model.safetensors and no model.safetensors.index.json", folder.string(),
                pickled ? "pickled weights are not read (pytorch_model.bin): save the model as safetensors" : "");
  }
  const JsonObject index(read_json(index_path), index_path.string());
  Safetensors result;
  result.origin_ = index_path.string();
  const JsonObject weight_map = index.object("weight_map");
  const auto names = shard_names(index, weight_map.json());
  for (const std::string& shard : names)
    if (!std::filesystem::exists(folder / shard))
      throw Error(Code::not_found, fmt::format("the shard {} is missing", shard), result.origin_);
  for (const std::string& shard : names) result.add(folder / shard);
  for (const auto& entry : weight_map.json().items())
    if (!result.find(entry.key()))
      index.fail(fmt::format("tensor {} is in none of the shards", entry.key().substr(0, 200)));
  return result;
}

Safetensors Safetensors::open_file(const std::filesystem::path& path) {
  Safetensors result;
  result.origin_ = path.string();
  result.add(path);
  return result;
}

void Safetensors::add(const std::filesystem::path& path) {
  files_.emplace_back(path);
  for (SourceTensor& tensor : parse_safetensors(files_.back().bytes(), path.string())) {
    const std::string name = tensor.name;
    if (!tensors_.emplace(name, std::move(tensor)).second)
      throw Error(Code::bad_input, fmt::format("tensor {} stands in another shard too", name), path.string());
  }
}

const SourceTensor* Safetensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void Safetensors::release(const SourceTensor& tensor) const noexcept {
  for (const MappedFile& file : files_) file.release(tensor.data);
}

}  // namespace hearth::convert
