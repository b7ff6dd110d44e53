#include "gguf/writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/reader.h"
#include "gguf/file.h"
#include "gguf/layout.h"

namespace hearth::gguf {

namespace {

// The head of the file, kept in memory: it is written at once.
class Head {
 public:
  template <class T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void raw(std::string_view text) { bytes_.append(text); }
  void string(std::string_view text) {
    number(std::uint64_t{text.size()});
    raw(text);
  }

  void value(const Value& value) {
    number(static_cast<std::uint32_t>(value.data.index()));
    std::visit([&](const auto& x) { payload(x); }, value.data);
  }

  const std::string& bytes() const noexcept { return bytes_; }

 private:
  template <class T>
  void payload(const T& value) {
    if constexpr (std::is_same_v<T, std::string>)
      string(value);
    else if constexpr (std::is_same_v<T, Array>)
      std::visit([&](const auto& items) { array(items); }, value);
    else if constexpr (std::is_same_v<T, bool>)
      number(static_cast<std::uint8_t>(value));
    else
      number(value);
  }

  template <class T>
  void array(const std::vector<T>& items) {
    if constexpr (std::is_same_v<T, Value>) {
      number(array_number);
      number(std::uint64_t{items.size()});
      for (const Value& item : items) {
        const auto* nested = std::get_if<Array>(&item.data);
        HEARTH_CHECK(nested != nullptr);  // scalars in arrays have vectors of their own
        payload(*nested);
      }
    } else {
      number(static_cast<std::uint32_t>(decltype(Value::data)(T{}).index()));
      number(std::uint64_t{items.size()});
      for (auto&& item : items) payload<T>(item);
    }
  }

  std::string bytes_;
};

void check_names(const std::vector<TensorPlan>& tensors, const std::string& origin) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorPlan& tensor : tensors) {
    check_tensor_name(tensor.name, origin);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw Error(Code::bad_input, fmt::format("tensor {} appears twice", *twice), origin);
}

}  // namespace

void check_writable(const std::filesystem::path& out, const std::filesystem::path& in,
                    const std::vector<std::filesystem::path>& others) {
  std::vector<std::filesystem::path> read = File::open(in).paths();
  read.insert(read.end(), others.begin(), others.end());
  hearth::check_writable(out, read);
}

std::uint64_t bytes(const TensorPlan& tensor) {
  return tensor_bytes(tensor.name, tensor.type, tensor.shape, {});
}

void write(const std::filesystem::path& path, const Metadata& metadata, const std::vector<TensorPlan>& tensors,
           const std::function<void(const TensorPlan&, const Sink&)>& fill, const std::function<Metadata()>& late) {
  const std::string origin = path.string();
  check_names(tensors, origin);
  const std::uint64_t alignment = alignment_of(metadata);

  const auto head_of = [&](const Metadata& entries) {
    Head head;
    head.raw(magic);
    head.number(std::uint32_t{3});
    head.number(std::uint64_t{tensors.size()});
    head.number(std::uint64_t{entries.entries().size()});
    for (const auto& [key, value] : entries.entries()) {
      check_key(key, origin);
      head.string(key);
      head.value(value);
    }
    std::uint64_t offset = 0;
    for (const TensorPlan& tensor : tensors) {
      head.string(tensor.name);
      head.number(static_cast<std::uint32_t>(tensor.shape.size()));
      for (const std::uint64_t size : tensor.shape) head.number(size);
      head.number(static_cast<std::uint32_t>(tensor.type));
      head.number(offset);
      offset = align(checked_add(offset, tensor_bytes(tensor.name, tensor.type, tensor.shape, origin), tensor.name),
                     alignment);
    }
    return head;
  };
  const Head head = head_of(metadata);

  AtomicFile file(path);
  const std::vector<std::byte> zeros(alignment);
  const auto pad = [&] { file.write(std::span(zeros).first(align(file.position(), alignment) - file.position())); };
  file.write(head.bytes());
  pad();
  for (const TensorPlan& tensor : tensors) {
    std::uint64_t left = bytes(tensor);
    fill(tensor, [&](std::span<const std::byte> piece) {
      HEARTH_CHECK(piece.size() <= left);
      left -= piece.size();
      file.write(piece);
    });
    HEARTH_CHECK(left == 0);
    pad();
  }
  if (late) {
    const Head last = head_of(late());
    HEARTH_CHECK(last.bytes().size() == head.bytes().size());
    file.write_at(0, std::as_bytes(std::span(last.bytes())));
  }
  file.commit();
}

}  // namespace hearth::gguf
