#include "gguf/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace hearth::gguf {

namespace {

constexpr std::string_view part_key = "split.no", count_key = "split.count", tensors_key = "split.tensors.count";

std::string part_suffix(std::uint64_t part, std::uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", part + 1, count);
}

// `path` with the number of another part, where its name has the form of part `part` of `count`.
std::optional<std::filesystem::path> other_part(const std::filesystem::path& path, std::uint64_t part,
                                                std::uint64_t other, std::uint64_t count) {
  std::string name = path.filename().string();
  const std::string suffix = part_suffix(part, count);
  if (!name.ends_with(suffix)) return std::nullopt;
  name.replace(name.size() - suffix.size(), suffix.size(), part_suffix(other, count));
  return path.parent_path() / name;
}

}  // namespace

std::uint64_t Tensor::elements() const {
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  return count;
}

tensor::Matrix Tensor::matrix() const {
  return {type, data.data(), elements() / shape[0], shape[0]};
}

tensor::Matrix Tensor::matrix(std::uint64_t index) const {
  HEARTH_CHECK(shape.size() == 3 && index < shape[2]);
  return matrix().slice(index * shape[1], shape[1]);
}

File File::open(const std::filesystem::path& path) {
  const auto open_part = [](const std::filesystem::path& part_path) {
    MappedFile mapped(part_path);
    File part = parse(mapped.bytes(), part_path.string());
    part.path_ = part_path;
    part.files_.push_back(std::move(mapped));
    return part;
  };
  File file = open_part(path);
  const std::uint64_t count = file.metadata_.integer(count_key, 1);
  if (count <= 1) return file;

  const std::uint64_t part = file.metadata_.integer(part_key, 0);
  if (part != 0) {
    const auto first = other_part(path, part, 0, count);
    throw Error(Code::bad_input, fmt::format("part {} of {} of a split file", part + 1, count), path.string(),
                fmt::format("open {}", first ? first->string() : "its first part"));
  }
  for (std::uint64_t i = 1; i < count; ++i) {
    const auto next = other_part(path, 0, i, count);
    if (!next)
      throw Error(Code::bad_input, fmt::format("the first of {} parts, but not named so", count), path.string(),
                  fmt::format("name it NAME{}, with the other parts beside it", part_suffix(0, count)));
    if (!std::filesystem::exists(*next))
      throw Error(Code::not_found, fmt::format("part {} of {} is missing", i + 1, count), next->string());
    File opened = open_part(*next);
    const std::uint64_t its_part = opened.metadata_.integer(part_key), its_count = opened.metadata_.integer(count_key);
    if (its_part != i || its_count != count)
      throw Error(Code::bad_input,
                  fmt::format("says it is part {} of {}, where part {} of {} was looked for", its_part + 1, its_count,
                              i + 1, count),
                  next->string());
    file.add_part(std::move(opened));
  }
  const std::uint64_t expected = file.metadata_.integer(tensors_key, file.tensors_.size());
  if (expected != file.tensors_.size())
    throw Error(Code::bad_input,
                fmt::format("{} is {}, but the parts hold {} tensors", tensors_key, expected, file.tensors_.size()),
                path.string());
  file.index();
  return file;
}

Metadata File::whole_metadata() const {
  Metadata whole = metadata_;
  for (const std::string_view key : {part_key, count_key, tensors_key}) whole.erase(key);
  return whole;
}

std::vector<std::filesystem::path> File::paths() const {
  std::vector<std::filesystem::path> paths;
  for (const MappedFile& file : files_) paths.push_back(file.path());
  return paths;
}

const Tensor* File::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
}

std::uint64_t File::position(const Tensor& tensor) const noexcept {
  for (const MappedFile& file : files_) {
    const std::byte* const begin = file.bytes().data();
    if (tensor.data.data() >= begin && tensor.data.data() < begin + file.bytes().size())
      return static_cast<std::uint64_t>(tensor.data.data() - begin);
  }
  return 0;
}

void File::release(const Tensor& tensor) const noexcept {
  for (const MappedFile& file : files_) file.release(tensor.data);
}

void File::read_ahead() const noexcept {
  for (const MappedFile& file : files_) file.read_ahead();
}

void File::add_part(File part) {
  std::move(part.tensors_.begin(), part.tensors_.end(), std::back_inserter(tensors_));
  std::move(part.files_.begin(), part.files_.end(), std::back_inserter(files_));
  bytes_ += part.bytes_;
  ++parts_;
}

void File::index() {
  by_name_.resize(tensors_.size());
  for (std::uint32_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
  std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return tensors_[a].name < tensors_[b].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i)
    if (tensors_[by_name_[i - 1]].name == tensors_[by_name_[i]].name)
      throw Error(Code::bad_input, fmt::format("tensor {} appears twice", tensors_[by_name_[i]].name), path_.string());
}

}  // namespace hearth::gguf
