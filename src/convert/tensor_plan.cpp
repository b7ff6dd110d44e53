#include "convert/tensor_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "tensor/encode.h"

namespace hearth::convert {

namespace {

// All queries, then all keys, then all values, from rows that stand group by group: the queries that share a key, the
// key, the value.
RowOrder parts_from_groups(const Dimensions& d) {
  const std::uint64_t shared = d.heads / d.heads_kv, queries = d.heads * d.head, keys = d.heads_kv * d.head;
  return [=, head = d.head](std::uint64_t row) {
    const auto in_group = [&](std::uint64_t group, std::uint64_t place) {
      return (group * (shared + 2) + place) * head + row % head;
    };
    if (row < queries) return in_group(row / head / shared, row / head % shared);
    row -= queries;
    if (row < keys) return in_group(row / head, shared);
    row -= keys;
    return in_group(row / head, shared + 1);
  };
}

// Rotated halves to rotated neighbours: of each `head` rows the first `rotated`.
RowOrder pairs_from_halves(std::uint64_t head, std::uint64_t rotated) {
  return [=](std::uint64_t row) {
    const std::uint64_t i = row % head;
    if (i >= rotated) return row;
    return row - i + i / 2 + (i % 2 == 0 ? 0 : rotated / 2);
  };
}

// "12" of "blk.12.attn_q.weight"; the embedding comes before all blocks, the rest after them.
std::uint64_t place_of(std::string_view name) {
  if (!name.starts_with("blk.")) return name.starts_with("output") ? std::uint64_t{1} << 32 : 0;
  std::uint64_t number = 0;
  for (const char c : name.substr(4)) {
    if (c == '.') break;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number + 1;
}

class Planner {
 public:
  Planner(const Family& family, const JsonObject& config, const Dimensions& dimensions, const Safetensors& checkpoint,
          tensor::Type type)
      : family_(family),
        config_(config),
        d_(dimensions),
        checkpoint_(checkpoint),
        type_(type),
        rotated_(rope_dimensions(family, config, dimensions)) {}

  std::vector<PlannedTensor> plan() {
    for (const auto& [name, tensor] : checkpoint_.tensors()) {
      const auto mapping = map_tensor(family_, name, checkpoint_.origin());
      if (!mapping || (mapping->name == "output.weight" && tied())) continue;
      if (!is_float(tensor.dtype))
        fail(name, fmt::format("is of type {}, which holds no weights", convert::name(tensor.dtype)));
      check_shape(tensor, *mapping);
      if (mapping->gate_up)
        add_gate_up(tensor, *mapping);
      else if (mapping->expert || mapping->head)
        add_part(tensor, *mapping);
      else
        add_whole(tensor, *mapping);
    }
    join_parts();
    check_layers();
    add_rope_factors();
    std::stable_sort(planned_.begin(), planned_.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
      return place_of(a.plan.name) < place_of(b.plan.name);
    });
    return std::move(planned_);
  }

 private:
  [[noreturn]] void fail(std::string_view tensor, std::string_view fault) const {
    throw Error(Code::bad_input, fmt::format("tensor {} {}", tensor, fault), checkpoint_.origin());
  }

  bool tied() const { return config_.boolean("tie_word_embeddings", false); }

  bool is_transposed(const Mapping& mapping) const {
    return family_.transposed && mapping.name.starts_with("blk.") && mapping.shape.size() == 2;
  }

  void check_shape(const SourceTensor& tensor, const Mapping& mapping) const {
    std::vector<std::string> expected;
    bool fits = true;
    std::string letters(mapping.shape);
    if (is_transposed(mapping)) std::reverse(letters.begin(), letters.end());
    if (letters == "?") return check_head_norm(tensor);
    for (std::size_t i = 0; i < letters.size(); ++i) {
      const auto size = d_.of(letters[i]);
      expected.push_back(size ? fmt::format("{}", *size) : "any");
      fits = fits && i < tensor.shape.size() && (size ? tensor.shape[i] == *size : tensor.shape[i] > 0);
    }
    if (!fits || tensor.shape.size() != letters.size())
      fail(tensor.name, fmt::format("has the shape [{}], the config asks for [{}]", fmt::join(tensor.shape, ", "),
                                    fmt::join(expected, ", ")));
  }

  // Norms of queries and keys: one head's width, all heads in one row, or a row for each head.
  void check_head_norm(const SourceTensor& tensor) const {
    const std::uint64_t size = tensor.elements();
    if (tensor.shape.empty() || tensor.shape.size() > 2 ||
        (size != d_.head && size != d_.heads * d_.head && size != d_.heads_kv * d_.head))
      fail(tensor.name, fmt::format("has the shape [{}], the config speaks of heads of width {}",
                                    fmt::join(tensor.shape, ", "), d_.head));
  }

  PlannedTensor new_tensor(const std::string& name, std::vector<std::uint64_t> shape) const {
    const tensor::Type type = kept_type(name, shape, type_);
    return {.plan = {.name = name, .type = type, .shape = std::move(shape)}};
  }

  void add(PlannedTensor tensor) {
    if (!names_.insert(tensor.plan.name).second)
      throw Error(Code::bad_input, fmt::format("two tensors of the checkpoint would be {}", tensor.plan.name),
                  checkpoint_.origin());
    planned_.push_back(std::move(tensor));
  }

  void add_whole(const SourceTensor& source, const Mapping& mapping) {
    std::vector<std::uint64_t> shape(source.shape.rbegin(), source.shape.rend());
    if (is_transposed(mapping)) std::swap(shape[0], shape[1]);
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
    const bool vector = shape.size() == 1;
    if (vector) rows = shape[0];
    Piece piece{.tensor = &source, .rows = rows};
    if (mapping.name == "position_embd.weight" && family_.position_offset) {
      piece.first_row = config_.integer({"pad_token_id"}, 1) + 1;
      if (piece.first_row >= rows) fail(source.name, "has no more rows than come before the first position");
      shape[1] = piece.rows = rows - piece.first_row;
    }
    PlannedTensor tensor = new_tensor(mapping.name, std::move(shape));
    tensor.pieces = {piece};
    tensor.transposed = is_transposed(mapping);
    tensor.row_from = row_order(family_, d_, rotated_, mapping.name);
    if (family_.norm_plus_one && mapping.name.ends_with("norm.weight")) tensor.added = 1;
    add(std::move(tensor));
  }

  // One expert, or one head's norm: waits until all are there.
  void add_part(const SourceTensor& source, const Mapping& mapping) {
    const std::uint64_t number = mapping.expert ? *mapping.expert : *mapping.head;
    const std::uint64_t count = mapping.expert ? d_.experts : is_query(mapping.name) ? d_.heads : d_.heads_kv;
    if (number >= count) fail(source.name, fmt::format("is number {}, of {}", number, count));
    auto& parts = parts_[mapping.name];
    parts.resize(count);
    parts[number] = &source;
  }

  static bool is_query(std::string_view name) { return name.find("attn_q_norm") != name.npos; }

  void join_parts() {
    for (const auto& [name, parts] : parts_) {
      const auto missing = std::find(parts.begin(), parts.end(), nullptr);
      if (missing != parts.end())
        throw Error(Code::not_found, fmt::format("part {} of {} is missing", missing - parts.begin(), name),
                    checkpoint_.origin());
      std::vector<std::uint64_t> shape(parts[0]->shape.rbegin(), parts[0]->shape.rend());
      const std::uint64_t rows = shape.size() == 1 ? 1 : shape[1];
      shape.push_back(parts.size());
      PlannedTensor tensor = new_tensor(name, std::move(shape));
      for (const SourceTensor* part : parts) tensor.pieces.push_back({.tensor = part, .rows = rows});
      add(std::move(tensor));
    }
  }

  // [experts, gate rows then up rows, width], cut in two.
  void add_gate_up(const SourceTensor& source, const Mapping& mapping) {
    const std::uint64_t inner = d_.expert_feed_forward;
    std::string up = mapping.name;
    up.replace(up.find("ffn_gate"), 8, "ffn_up");
    for (const auto& [name, first] : {std::pair{mapping.name, std::uint64_t{0}}, {up, inner}}) {
      PlannedTensor tensor = new_tensor(name, {d_.width, inner, d_.experts});
      for (std::uint64_t i = 0; i < d_.experts; ++i)
        tensor.pieces.push_back({.tensor = &source, .first_row = i * 2 * inner + first, .rows = inner});
      add(std::move(tensor));
    }
  }

  // What one layer has, each has: nothing of a layer was left out.
  void check_layers() const {
    std::map<std::string, std::uint64_t> seen;  // stem -> layers that have it
    for (const PlannedTensor& tensor : planned_) {
      const std::string& name = tensor.plan.name;
      if (!name.starts_with("blk.")) continue;
      if (place_of(name) > d_.layers)
        throw Error(Code::bad_input,
                    fmt::format("there is a layer {}, the config speaks of {}", place_of(name) - 1, d_.layers),
                    checkpoint_.origin());
      ++seen[name.substr(name.find('.', 4) + 1)];
    }
    for (const auto& [stem, count] : seen)
      for (std::uint64_t layer = 0; count != d_.layers && layer < d_.layers; ++layer)
        if (const std::string name = fmt::format("blk.{}.{}", layer, stem); !names_.contains(name))
          throw Error(Code::not_found,
                      fmt::format("no tensor of the checkpoint becomes {}, other layers have it", name),
                      checkpoint_.origin());
    if (seen.empty()) throw Error(Code::not_found, "there are no layers", checkpoint_.origin());
    if (!names_.contains("output.weight") && !family_.encoder && config_.has("tie_word_embeddings") && !tied())
      throw Error(Code::not_found, "there is no output matrix (lm_head.weight)", checkpoint_.origin(),
                  "the config says that it is not tied to the embedding");
  }

  void add_rope_factors() {
    const RopeFactors factors = rope_factors(family_, config_, d_);
    for (const auto& [name, values] : {std::pair{"rope_freqs.weight", &factors.all},
                                       {"rope_factors_short.weight", &factors.shorter},
                                       {"rope_factors_long.weight", &factors.longer}}) {
      if (values->empty()) continue;
      PlannedTensor tensor = new_tensor(name, {values->size()});
      tensor.values = *values;
      add(std::move(tensor));
    }
  }

  const Family& family_;
  const JsonObject& config_;
  const Dimensions& d_;
  const Safetensors& checkpoint_;
  tensor::Type type_;
  std::uint64_t rotated_;
  std::vector<PlannedTensor> planned_;
  std::set<std::string, std::less<>> names_;
  std::map<std::string, std::vector<const SourceTensor*>> parts_;
};

}  // namespace

std::uint64_t PlannedTensor::rows() const {
  std::uint64_t rows = 1;
  for (std::size_t i = 1; i < plan.shape.size(); ++i) rows *= plan.shape[i];
  return rows;
}

RowOrder row_order(const Family& family, const Dimensions& dimensions, std::uint64_t rotated, std::string_view name) {
  const auto is = [&](std::string_view stem) {
    return name.ends_with(std::string(stem) + ".weight") || name.ends_with(std::string(stem) + ".bias");
  };
  if (is(".attn_qkv") && family.fused_qkv == FusedQkv::by_group) return parts_from_groups(dimensions);
  if (family.rope_pairs && (is(".attn_q") || is(".attn_k"))) return pairs_from_halves(dimensions.head, rotated);
  return {};
}

tensor::Type kept_type(std::string_view name, const std::vector<std::uint64_t>& shape, tensor::Type wanted) {
  if (shape.size() < 2 || name.ends_with("_norm.weight")) return tensor::Type::f32;
  for (const std::string_view part : {"ffn_gate_inp.", "position_embd.", "token_types.", "rope_f"})
    if (name.find(part) != name.npos) return tensor::Type::f32;
  if (shape[0] % tensor::info(wanted).block_weights != 0) return tensor::Type::f16;
  return wanted;
}

std::vector<PlannedTensor> plan_tensors(const Family& family, const JsonObject& config, const Dimensions& dimensions,
                                        const Safetensors& checkpoint, tensor::Type type) {
  return Planner(family, config, dimensions, checkpoint, type).plan();
}

namespace {

// Makes rows of a planned tensor as floats. A vector is one row.
class RowSource {
 public:
  explicit RowSource(const PlannedTensor& tensor) : tensor_(tensor), columns_(tensor.columns()) {
    for (const Piece& piece : tensor.pieces) {
      begins_.push_back(rows_);
      rows_ += piece.rows;
    }
  }

  void read(std::uint64_t begin, std::uint64_t end, float* out) const {
    if (!tensor_.values.empty())
      std::copy(tensor_.values.begin(), tensor_.values.end(), out);
    else if (tensor_.plan.shape.size() == 1)
      read_vector(out);
    else if (tensor_.transposed)
      read_transposed(begin, end, out);
    else
      for (std::uint64_t row = begin; row < end; ++row)
        read_row(source_row(row), columns_, out + (row - begin) * columns_);
    if (tensor_.added != 0 || tensor_.factor != 1)
      for (float* weight = out; weight != out + (end - begin) * columns_; ++weight)
        *weight = *weight * tensor_.factor + tensor_.added;
  }

 private:
  std::uint64_t source_row(std::uint64_t row) const { return tensor_.row_from ? tensor_.row_from(row) : row; }

  void read_row(std::uint64_t row, std::uint64_t width, float* out) const {
    const auto index =
        static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), row) - begins_.begin()) - 1;
    const Piece& piece = tensor_.pieces[index];
    read_at(*piece.tensor, (piece.first_row + row - begins_[index]) * width, width, out);
  }

  static void read_at(const SourceTensor& source, std::uint64_t offset, std::uint64_t count, float* out) {
    to_float(source.dtype, source.data.subspan(offset * bytes(source.dtype), count * bytes(source.dtype)),
             {out, count});
  }

  // A vector's elements are its rows: its order is that of the matrix it belongs to.
  void read_vector(float* out) const {
    for (std::uint64_t i = 0; i < columns_; ++i) read_row(source_row(i), 1, out + i);
  }

  void read_transposed(std::uint64_t begin, std::uint64_t end, float* out) const {
    const Piece& piece = tensor_.pieces[0];
    std::vector<float> line(end - begin);
    for (std::uint64_t column = 0; column < columns_; ++column) {
      read_at(*piece.tensor, column * piece.rows + begin, line.size(), line.data());
      for (std::size_t i = 0; i < line.size(); ++i) out[i * columns_ + column] = line[i];
    }
  }

  const PlannedTensor& tensor_;
  std::uint64_t columns_, rows_ = 0;
  std::vector<std::uint64_t> begins_;
};

}  // namespace

void produce(const PlannedTensor& tensor, const Safetensors& checkpoint, ThreadPool& pool, const gguf::Sink& sink) {
  constexpr std::uint64_t weights_at_once = 1 << 22;
  const std::uint64_t rows = tensor.rows(), columns = tensor.columns();
  const std::uint64_t at_once = std::clamp<std::uint64_t>(weights_at_once / columns, 1, rows);
  const std::size_t row_bytes = tensor::row_bytes(tensor.plan.type, columns);
  const auto encode = tensor::encoder(tensor.plan.type);
  const RowSource source(tensor);
  std::vector<float> weights(at_once * columns);
  std::vector<std::byte> encoded(at_once * row_bytes);
  for (std::uint64_t begin = 0; begin < rows; begin += at_once) {
    const std::uint64_t count = std::min(at_once, rows - begin);
    pool.split(count, 1, [&](std::size_t first, std::size_t last, std::size_t) {
      source.read(begin + first, begin + last, weights.data() + first * columns);
      for (std::size_t i = first; i < last; ++i)
        encode(weights.data() + i * columns, nullptr, encoded.data() + i * row_bytes, columns);
    });
    sink(std::span(encoded).first(count * row_bytes));
  }
  for (const Piece& piece : tensor.pieces) checkpoint.release(*piece.tensor);
}

}  // namespace hearth::convert
