#include "compress/feedback.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/encode.h"
#include "tensor/float16.h"

namespace hearth::compress {

namespace {

constexpr std::size_t lanes = 16;  // rows side by side

// [columns, lanes]: element j of all rows.
using Panel = std::vector<float>;

// y[lanes] += factor * x[lanes]
inline void add(float* __restrict y, const float* __restrict x, float factor) {
  for (std::size_t l = 0; l < lanes; ++l) y[l] += factor * x[l];
}

// H = (I + U) D (I + U)^T, U strictly upper: the weights with which earlier errors come back.
struct Factors {
  std::vector<float> upper;     // [columns, columns]
  std::vector<float> diagonal;  // D
};

// From the last columns to the first, a panel of them at a time: what a panel takes from the rest is subtracted at
// once, so that the threads meet once a panel.
Factors factorise(const Hessian& hessian, float damping, ThreadPool& pool) {
  constexpr std::size_t panel = 64;
  const std::size_t n = hessian.columns;
  Factors f{hessian.values, std::vector<float>(n)};
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) trace += f.upper[i * n + i];
  const float least = static_cast<float>(std::max(trace / double(n) * damping, 1e-20));
  for (std::size_t i = 0; i < n; ++i) f.upper[i * n + i] += least;
  std::vector<float> columns(panel * n);  // [panel, n]: D U^T
  for (std::size_t end = n; end > 0;) {
    const std::size_t begin = (end - 1) / panel * panel;
    for (std::size_t k = end; k-- > begin;) {
      float* const column = columns.data() + (k - begin) * n;
      const float d = std::max(f.upper[k * n + k], least * 1e-3f);
      f.diagonal[k] = d;
      for (std::size_t i = 0; i < k; ++i) column[i] = f.upper[i * n + k];
      for (std::size_t i = 0; i < k; ++i) {
        float* const row = f.upper.data() + i * n;
        const float u = column[i] / d;
        for (std::size_t j = std::max(i, begin); j < k; ++j) row[j] -= u * column[j];
        row[k] = u;
      }
    }
    pool.run([&](std::size_t index, std::size_t parts) {  // rows dealt out in turn: the first are the longest
      for (std::size_t i = index; i < begin; i += parts) {
        float* const row = f.upper.data() + i * n;
        for (std::size_t k = begin; k < end; ++k) {
          const float u = row[k];
          const float* const column = columns.data() + (k - begin) * n;
          for (std::size_t j = i; j < begin; ++j) row[j] -= u * column[j];
        }
      }
    });
    end = begin;
  }
  return f;
}

float in_half(double x) {
  return tensor::half_to_float(tensor::float_to_half(static_cast<float>(std::clamp(x, -65504.0, 65504.0))));
}

// The code whose value is nearest.
class Codebook {
 public:
  explicit Codebook(std::span<const float> values) : values_(values) {
    uniform_ = true;
    for (std::size_t i = 1; i < values.size(); ++i) uniform_ = uniform_ && values[i] - values[i - 1] == 1;
  }
  std::uint8_t nearest(float y) const {
    if (uniform_) {
      const float last = float(values_.size() - 1), code = y - values_[0];
      return static_cast<std::uint8_t>(code > 0 ? (code < last ? code + 0.5f : last) : 0);
    }
    std::size_t best = 0;
    for (std::size_t i = 1; i < values_.size(); ++i)
      if (std::fabs(values_[i] - y) < std::fabs(values_[best] - y)) best = i;
    return static_cast<std::uint8_t>(best);
  }
  float value(std::uint8_t code) const { return values_[code]; }

 private:
  std::span<const float> values_;
  bool uniform_;
};

class Feedback : public RowEncoder {
 public:
  Feedback(tensor::Type type, std::shared_ptr<const Hessian> hessian, ThreadPool& pool, const FeedbackOptions& options)
      : info_(tensor::info(type)),
        coding_(*tensor::coding(type)),
        codebook_(coding_.values),
        encode_(kernels::active().encoders->encode[std::size_t(type)]),
        hessian_(std::move(hessian)),
        factors_(factorise(*hessian_, options.damping, pool)),
        options_(options) {
    const std::size_t n = hessian_->columns;
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i) trace += hessian_->row(i)[i];
    damping_ = static_cast<float>(trace / double(n)) * options.damping;
  }

  std::size_t rows_at_once() const override { return lanes; }

  void encode(tensor::ConstRows rows, std::byte* blocks) const override {
    for (std::size_t i = 0; i < rows.count; i += lanes) {
      const std::size_t count = std::min(lanes, rows.count - i);
      encode_panel({rows.row(i), count, rows.width, rows.stride},
                   blocks + i * tensor::row_bytes(info_.type, rows.width));
    }
  }

 private:
  // What a panel of rows has come to.
  struct State {
    Panel weights, errors;            // errors = weights - decoded
    std::vector<std::byte> blocks;    // block b of all rows, then block b + 1
    std::vector<std::uint8_t> codes;  // likewise, weight by weight
    Panel scales, offsets;            // likewise, group by group
  };

  void encode_panel(tensor::ConstRows rows, std::byte* out) const {
    const std::size_t n = rows.width, blocks = n / info_.block_weights, row_bytes = blocks * info_.block_bytes;
    State s;
    s.weights.assign(n * lanes, 0);
    for (std::size_t r = 0; r < rows.count; ++r)
      for (std::size_t j = 0; j < n; ++j) s.weights[j * lanes + r] = rows.row(r)[j];
    s.errors.assign(n * lanes, 0);
    s.blocks.resize(blocks * lanes * info_.block_bytes);
    s.codes.resize(n * lanes);
    s.scales.resize(n / coding_.group * lanes);
    s.offsets.resize(s.scales.size());
    for (std::size_t b = 0; b < blocks; ++b) round_block(s, b);
    Panel slopes = product(s.errors);  // of the error, by each decoded weight
    for (int i = 0; i < options_.sweeps; ++i) {
      if (coding_.put_groups) refit(s, slopes);
      sweep(s, slopes);
    }

    std::vector<std::byte> nearest(row_bytes);
    Panel nearest_errors(n * lanes, 0);
    std::vector<float> decoded(n);
    if (coding_.put_groups) coding_.put_groups(s.scales.data(), s.offsets.data(), s.blocks.data(), n * lanes);
    for (std::size_t b = 0; b < blocks; ++b)
      coding_.put_codes(s.codes.data() + b * info_.block_weights * lanes,
                        s.blocks.data() + b * lanes * info_.block_bytes, info_.block_weights * lanes);
    std::vector<std::byte> nearest_all(rows.count * row_bytes);
    for (std::size_t r = 0; r < rows.count; ++r) {
      for (std::size_t b = 0; b < blocks; ++b)
        std::memcpy(out + r * row_bytes + b * info_.block_bytes, s.blocks.data() + (b * lanes + r) * info_.block_bytes,
                    info_.block_bytes);
      info_.decode(out + r * row_bytes, decoded.data(), n);
      for (std::size_t j = 0; j < n; ++j) s.errors[j * lanes + r] = rows.row(r)[j] - decoded[j];
      encode_(rows.row(r), nullptr, nearest_all.data() + r * row_bytes, n);
      info_.decode(nearest_all.data() + r * row_bytes, decoded.data(), n);
      for (std::size_t j = 0; j < n; ++j) nearest_errors[j * lanes + r] = rows.row(r)[j] - decoded[j];
    }
    const std::vector<double> ours = losses(s.errors), theirs = losses(nearest_errors);
    for (std::size_t r = 0; r < rows.count; ++r)
      if (!(ours[r] <= theirs[r])) std::memcpy(out + r * row_bytes, nearest_all.data() + r * row_bytes, row_bytes);
  }

  // Chooses the scales of block b for the weights with what came back to them, then its codes one by one.
  void round_block(State& s, std::size_t b) const {
    const std::size_t n = hessian_->columns, size = info_.block_weights, begin = b * size;
    Panel targets(s.weights.begin() + std::ptrdiff_t(begin * lanes),
                  s.weights.begin() + std::ptrdiff_t((begin + size) * lanes));
    for (std::size_t j = 0; j < begin; ++j) {
      const float* const u = factors_.upper.data() + j * n + begin;
      const float* const e = s.errors.data() + j * lanes;
      for (std::size_t c = 0; c < size; ++c) add(targets.data() + c * lanes, e, u[c]);
    }
    std::vector<float> rows(size * lanes), matter(size * lanes);
    for (std::size_t r = 0; r < lanes; ++r)
      for (std::size_t c = 0; c < size; ++c) {
        rows[r * size + c] = targets[c * lanes + r];
        matter[r * size + c] = factors_.diagonal[begin + c];
      }
    std::byte* const blocks = s.blocks.data() + b * lanes * info_.block_bytes;
    const std::size_t groups = size / coding_.group;  // of a row, in the block
    encode_(rows.data(), matter.data(), blocks, size * lanes);
    float* const scales = s.scales.data() + b * groups * lanes;
    float* const offsets = s.offsets.data() + b * groups * lanes;
    coding_.read_groups(blocks, scales, offsets, size * lanes);

    for (std::size_t c = 0; c < size; ++c) {
      float* const target = targets.data() + c * lanes;
      const std::size_t k = begin + c, group = c / coding_.group;
      for (std::size_t j = begin; j < k; ++j) add(target, s.errors.data() + j * lanes, factors_.upper[j * n + k]);
      for (std::size_t r = 0; r < lanes; ++r) {
        const float scale = scales[r * groups + group], offset = offsets[r * groups + group];
        const std::uint8_t code = codebook_.nearest(scale != 0 ? (target[r] - offset) / scale : 0);
        s.codes[(b * lanes + r) * size + c] = code;
        s.errors[k * lanes + r] = s.weights[k * lanes + r] - (scale * codebook_.value(code) + offset);
      }
    }
  }

  // Moves each code to where the row's error is least, given all the others.
  void sweep(State& s, Panel& slopes) const {
    const std::size_t n = hessian_->columns, size = info_.block_weights, groups = size / coding_.group;
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t b = k / size, c = k % size;
      const float own = hessian_->row(k)[k] + damping_;
      if (!(own > 0)) continue;
      float moved[lanes];
      bool any = false;
      for (std::size_t r = 0; r < lanes; ++r) {
        const std::size_t group = (b * lanes + r) * groups + c / coding_.group;
        const float scale = s.scales[group], offset = s.offsets[group];
        std::uint8_t& code = s.codes[(b * lanes + r) * size + c];
        const float now = scale * codebook_.value(code) + offset;
        const float wanted = now + slopes[k * lanes + r] / own;
        const std::uint8_t better = scale != 0 ? codebook_.nearest((wanted - offset) / scale) : code;
        moved[r] = scale * (codebook_.value(better) - codebook_.value(code));
        any = any || better != code;
        code = better;
      }
      if (any) move(s, slopes, k, moved);
    }
  }

  // Moves the scale (and offset) of each block that has its own to where the row's error is least, given the codes.
  void refit(State& s, Panel& slopes) const {
    const std::size_t n = hessian_->columns, size = info_.block_weights;
    Panel values(size * lanes), moved(size * lanes);
    for (std::size_t b = 0; b < n / size; ++b) {
      const std::size_t begin = b * size;
      for (std::size_t r = 0; r < lanes; ++r)
        for (std::size_t c = 0; c < size; ++c)
          values[c * lanes + r] = codebook_.value(s.codes[(b * lanes + r) * size + c]);
      // The error's slope along scale and offset, and its curvature: v H v, v H 1, 1 H 1.
      double slope[lanes] = {}, shift[lanes] = {}, square[lanes] = {}, first[lanes] = {}, zero = 0;
      float acted[lanes];
      for (std::size_t c = 0; c < size; ++c) {
        const float* const h = hessian_->row(begin + c) + begin;
        double sum = damping_;
        std::fill_n(acted, lanes, 0.0f);
        for (std::size_t other = 0; other < size; ++other) {
          add(acted, values.data() + other * lanes, h[other]);
          sum += h[other];
        }
        add(acted, values.data() + c * lanes, damping_);
        zero += sum;
        for (std::size_t r = 0; r < lanes; ++r) {
          const float v = values[c * lanes + r], g = slopes[(begin + c) * lanes + r];
          slope[r] += double(g) * v;
          shift[r] += g;
          square[r] += double(acted[r]) * v;
          first[r] += acted[r];
        }
      }
      bool any = false;
      float by_scale[lanes], by_offset[lanes];
      for (std::size_t r = 0; r < lanes; ++r) {
        float &scale = s.scales[b * lanes + r], &offset = s.offsets[b * lanes + r];
        const double determinant = square[r] * zero - first[r] * first[r];
        const bool both = coding_.has_offsets && determinant > 1e-6 * square[r] * zero;
        const double ds = both            ? (slope[r] * zero - shift[r] * first[r]) / determinant
                          : square[r] > 0 ? slope[r] / square[r]
                                          : 0,
                     dm = both ? (shift[r] * square[r] - slope[r] * first[r]) / determinant : 0;
        const float new_scale = in_half(scale + ds), new_offset = both ? in_half(offset + dm) : offset;
        const double a = double(new_scale) - scale, m = double(new_offset) - offset;
        const double change =
            a * a * square[r] + 2 * a * m * first[r] + m * m * zero - 2 * (a * slope[r] + m * shift[r]);
        const bool better = change < 0;
        by_scale[r] = better ? static_cast<float>(a) : 0;
        by_offset[r] = better ? static_cast<float>(m) : 0;
        if (better) scale = new_scale, offset = new_offset;
        any = any || better;
      }
      if (!any) continue;
      for (std::size_t c = 0; c < size; ++c) {
        for (std::size_t r = 0; r < lanes; ++r)
          moved[c * lanes + r] = by_scale[r] * values[c * lanes + r] + by_offset[r];
        move(s, slopes, begin + c, moved.data() + c * lanes);
      }
    }
  }

  // The decoded weights of column k become larger by moved[lanes].
  void move(State& s, Panel& slopes, std::size_t k, const float* moved) const {
    add(s.errors.data() + k * lanes, moved, -1);
    const float* const h = hessian_->row(k);
    for (std::size_t j = 0; j < hessian_->columns; ++j) add(slopes.data() + j * lanes, moved, -h[j]);
    add(slopes.data() + k * lanes, moved, -damping_);
  }

  // errors (H + damping I)
  Panel product(const Panel& errors) const {
    const std::size_t n = hessian_->columns;
    Panel result(n * lanes);
    for (std::size_t k = 0; k < n; ++k) {
      const float* const h = hessian_->row(k);
      for (std::size_t j = 0; j < n; ++j) add(result.data() + j * lanes, errors.data() + k * lanes, h[j]);
      add(result.data() + k * lanes, errors.data() + k * lanes, damping_);
    }
    return result;
  }

  // e H e^T of each row, without damping.
  std::vector<double> losses(const Panel& errors) const {
    const std::size_t n = hessian_->columns;
    const Panel slopes = product(errors);
    std::vector<double> sums(lanes);
    for (std::size_t i = 0; i < n * lanes; ++i)
      sums[i % lanes] += double(errors[i]) * (double(slopes[i]) - double(damping_) * errors[i]);
    return sums;
  }

  const tensor::TypeInfo& info_;
  const tensor::Coding& coding_;
  Codebook codebook_;
  decltype(tensor::TypeInfo::encode) encode_;
  std::shared_ptr<const Hessian> hessian_;
  Factors factors_;
  FeedbackOptions options_;
  float damping_;
};

}  // namespace

std::unique_ptr<RowEncoder> feedback_encoder(tensor::Type type, std::shared_ptr<const Hessian> hessian,
                                             ThreadPool& pool, const FeedbackOptions& options) {
  HEARTH_CHECK(tensor::coding(type) && hessian);
  return std::make_unique<Feedback>(type, std::move(hessian), pool, options);
}

}  // namespace hearth::compress
