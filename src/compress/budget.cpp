#include "compress/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "compress/mixture.h"
#include "compress/predictions.h"
#include "compress/working_copy.h"
#include "gguf/writer.h"
#include "kernels/kernels.h"

namespace hearth::compress {

using tensor::Type;

namespace {

constexpr std::size_t probe_tokens = 256;
constexpr std::size_t skipped_tokens = 16;  // predictions without context are noise
constexpr std::size_t sampled_rows = 96;
constexpr float exaggeration = 3;  // errors of the probe are so many times those of its format: above the noise
constexpr Type candidates[] = {Type::q2_k, Type::q3_k, Type::iq4_xs, Type::iq4_nl, Type::q4_0, Type::q4_1,
                               Type::q4_k, Type::q5_0, Type::q5_1,   Type::q5_k,   Type::q6_k, Type::q8_0};

// How far the model's predictions over a text have moved from what they were at first.
class Probe : public Predictions {
 public:
  Probe(const model::Model& model, ThreadPool& pool, const Calibration& calibration)
      : Predictions(model, pool, text_of(calibration), calibration.bos(), text_of(calibration).size(), skipped_tokens),
        pool_(pool) {
    run([&](std::size_t, tensor::ConstRows rows) {
      for (std::size_t i = 0; i < rows.count; ++i)
        reference_.insert(reference_.end(), rows.row(i), rows.row(i) + rows.width);
    });
  }

  // KL(reference || now), the mean over positions.
  double divergence() {
    std::vector<double> sums(pool_.size());
    std::size_t done = 0;
    run([&](std::size_t, tensor::ConstRows rows) {
      const float* const reference = reference_.data() + done * rows.width;
      pool_.split(rows.count, 1, [&](std::size_t begin, std::size_t end, std::size_t thread) {
        for (std::size_t i = begin * rows.width; i < end * rows.width; ++i) {
          const float p = reference[i];
          if (p > -30) sums[thread] += double(std::exp(p)) * (double(p) - rows.data[i]);
        }
      });
      done += rows.count;
    });
    return std::max(0.0, std::accumulate(sums.begin(), sums.end(), 0.0) / double(done));
  }

 private:
  static std::span<const Token> text_of(const Calibration& calibration) {
    const std::span<const Token> tokens(calibration.tokens());
    if (tokens.size() <= skipped_tokens)
      throw Error(Code::bad_input, fmt::format("the calibration text has {} tokens", tokens.size()), {},
                  fmt::format("a target needs more than {}, better {}", skipped_tokens, probe_tokens));
    return tokens.first(std::min(probe_tokens, tokens.size()));
  }

  ThreadPool& pool_;
  std::vector<float> reference_;  // log-probabilities [positions, vocabulary]
};

// What the columns matter to each row of a tensor: its expert's inputs tell. Null where nothing was measured.
class Matter {
 public:
  Matter(const gguf::Tensor& tensor, const Importance& importance) {
    const std::size_t experts = tensor.shape.size() > 2 ? tensor.shape[2] : 1;
    rows_each_ = std::max<std::size_t>(1, tensor.matrix().rows / std::max<std::size_t>(1, experts));
    for (std::size_t i = 0; i < experts; ++i) columns_.push_back(importance.mean_squares(tensor.name, i));
  }
  const float* of_row(std::size_t row) const {
    const auto& columns = columns_[std::min(row / rows_each_, columns_.size() - 1)];
    return columns.empty() ? nullptr : columns.data();
  }

 private:
  std::size_t rows_each_;
  std::vector<std::vector<float>> columns_;  // by expert
};

// Rows spread over a tensor, as float32.
class Sample {
 public:
  Sample(const gguf::Tensor& tensor, const Matter& matter) : matter_(matter) {
    const tensor::Matrix matrix = tensor.matrix();
    const std::size_t count = std::min(sampled_rows, matrix.rows);
    columns_ = matrix.columns;
    weights_.resize(count * columns_);
    for (std::size_t i = 0; i < count; ++i) {
      which_.push_back(i * matrix.rows / count);
      tensor::info(matrix.type).decode(matrix.row(which_[i]), weights_.data() + i * columns_, columns_);
    }
  }

  // The squared error of a type on them, weighted by what the columns matter.
  double error_of(Type type) const {
    const auto encode = kernels::active().encoders->encode[std::size_t(type)];
    std::vector<std::byte> blocks(tensor::row_bytes(type, columns_));
    std::vector<float> back(columns_);
    double sum = 0;
    for (std::size_t i = 0; i < which_.size(); ++i) {
      const float* const row = weights_.data() + i * columns_;
      const float* const matter = matter_.of_row(which_[i]);
      encode(row, matter, blocks.data(), columns_);
      tensor::info(type).decode(blocks.data(), back.data(), columns_);
      for (std::size_t j = 0; j < columns_; ++j) {
        const double difference = double(row[j]) - back[j];
        sum += (matter ? double(matter[j]) : 1.0) * difference * difference;
      }
    }
    return sum;
  }

 private:
  const Matter& matter_;
  std::size_t columns_;
  std::vector<std::size_t> which_;
  std::vector<float> weights_;
};

// Puts the tensor with exaggerated errors of `type` into the copy.
void spoil(WorkingCopy& copy, const gguf::Tensor& tensor, Type type, const Matter& matter, ThreadPool& pool) {
  const tensor::Matrix matrix = tensor.matrix();
  const auto encode = kernels::active().encoders->encode[std::size_t(type)];
  constexpr std::size_t band = 512;
  std::vector<float> rows(band * matrix.columns);
  for (std::size_t first = 0; first < matrix.rows; first += band) {
    const std::size_t count = std::min(band, matrix.rows - first);
    pool.split(count, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      std::vector<std::byte> blocks(tensor::row_bytes(type, matrix.columns));
      std::vector<float> back(matrix.columns);
      for (std::size_t i = begin; i < end; ++i) {
        float* const row = rows.data() + i * matrix.columns;
        tensor::info(matrix.type).decode(matrix.row(first + i), row, matrix.columns);
        encode(row, matter.of_row(first + i), blocks.data(), matrix.columns);
        tensor::info(type).decode(blocks.data(), back.data(), matrix.columns);
        for (std::size_t j = 0; j < matrix.columns; ++j) row[j] += exaggeration * (back[j] - row[j]);
      }
    });
    copy.replace(tensor.name, first, {rows.data(), count, matrix.columns});
  }
}

}  // namespace

// For each price of a byte every tensor takes what is cheapest; the price is found by halving. What is left over is
// spent on the best bargains.
std::vector<std::size_t> allocate(std::span<const std::vector<Choice>> tensors, std::uint64_t budget) {
  const auto at_price = [&](double price) {
    std::vector<std::size_t> chosen;
    for (const auto& choices : tensors) {
      std::size_t best = 0;
      for (std::size_t i = 1; i < choices.size(); ++i) {
        const double cost = choices[i].damage + price * double(choices[i].bytes),
                     least = choices[best].damage + price * double(choices[best].bytes);
        if (cost < least || (cost == least && choices[i].bytes < choices[best].bytes)) best = i;
      }
      chosen.push_back(best);
    }
    return chosen;
  };
  const auto bytes_of = [&](const std::vector<std::size_t>& chosen) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i) sum += tensors[i][chosen[i]].bytes;
    return sum;
  };
  double low = -60, high = 20;  // of the price's logarithm
  std::vector<std::size_t> chosen = at_price(std::exp(high));
  if (bytes_of(chosen) > budget) return {};
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    std::vector<std::size_t> trial = at_price(std::exp(middle));
    if (bytes_of(trial) <= budget) {
      high = middle;
      chosen = std::move(trial);
    } else {
      low = middle;
    }
  }
  for (std::uint64_t left = budget - bytes_of(chosen);;) {
    double best = 0;
    std::size_t tensor = 0, choice = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const Choice& now = tensors[i][chosen[i]];
      for (std::size_t j = 0; j < tensors[i].size(); ++j) {
        const Choice& other = tensors[i][j];
        if (other.bytes <= now.bytes || other.bytes - now.bytes > left || !(other.damage < now.damage)) continue;
        const double bargain = (now.damage - other.damage) / double(other.bytes - now.bytes);
        if (bargain > best) best = bargain, tensor = i, choice = j;
      }
    }
    if (!(best > 0)) return chosen;
    left -= tensors[tensor][choice].bytes - tensors[tensor][chosen[tensor]].bytes;
    chosen[tensor] = choice;
  }
}

std::vector<Type> types_for_budget(const gguf::File& file, std::uint64_t file_bytes,
                                   std::span<const std::optional<Type>> fixed, const Calibration& calibration,
                                   const Importance& importance, ThreadPool& pool, const std::filesystem::path& folder,
                                   const std::function<bool(std::size_t, std::size_t)>& progress) {
  if (calibration.model().is_encoder())
    throw Error(Code::unsupported, "an encoder makes no predictions to measure by", file.path().string(),
                "choose a --type instead of a target");
  WorkingCopy copy(file, folder);
  Probe probe(copy.model(), pool, calibration);
  const std::size_t count = file.tensors().size();
  std::vector<std::vector<Choice>> choices(count);
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::size_t> order(count);  // by layers: those before a spoilt one are not run again
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return layer_of(file.tensors()[i].name); });
  std::size_t done = 0;
  for (const std::size_t i : order) {
    ++done;
    const gguf::Tensor& tensor = file.tensors()[i];
    first = std::min(first, file.position(tensor));
    const auto bytes = [&](Type type) { return gguf::bytes({tensor.name, type, tensor.shape}); };
    if (fixed[i] || !is_compressible(tensor)) {
      const Type type = fixed[i].value_or(tensor.type);
      choices[i] = {{type, bytes(type), 0}};
      continue;
    }
    const Matter matter(tensor, importance);
    const Sample sample(tensor, matter);
    const std::size_t columns = tensor.shape[0];
    const Type rounded = that_fits(Type::q4_k, columns) == Type::f16 ? Type::f16 : that_fits(Type::q3_k, columns);
    double unit = 0;  // damage for each unit of error
    if (rounded != Type::f16) {
      probe.advance_to(layer_of(tensor.name));
      spoil(copy, tensor, rounded, matter, pool);
      const double error = sample.error_of(rounded);
      if (error > 0) unit = probe.divergence() / (exaggeration * exaggeration * error);
      copy.restore(tensor.name, file);
    }
    for (const Type type : candidates)
      if (columns % tensor::info(type).block_weights == 0)
        choices[i].push_back({type, bytes(type), unit * sample.error_of(type)});
    choices[i].push_back({Type::f16, bytes(Type::f16), 0});
    file.release(tensor);
    if (progress && !progress(done, count)) throw Error(Code::cancelled, "interrupted");
  }
  const std::uint64_t around = first + 4096 + count * 64;  // metadata and the table of tensors, padding
  std::uint64_t smallest = around;
  for (const auto& one : choices)
    smallest += std::min_element(one.begin(), one.end(), [](auto& a, auto& b) { return a.bytes < b.bytes; })->bytes;
  const auto chosen = file_bytes > around ? allocate(choices, file_bytes - around) : std::vector<std::size_t>{};
  if (chosen.empty())
    throw Error(Code::unsupported, fmt::format("{:.1f} MB are too few for this model", double(file_bytes) / 1e6),
                file.path().string(), fmt::format("its smallest form takes {:.1f} MB", double(smallest) / 1e6));
  std::vector<Type> types;
  for (std::size_t i = 0; i < count; ++i) types.push_back(choices[i][chosen[i]].type);
  return types;
}

}  // namespace hearth::compress
