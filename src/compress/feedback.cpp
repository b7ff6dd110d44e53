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
// [lanes, columns]: row after row.
using Rows = std::vector<float>;

// y[lanes] += factor * x[lanes]
inline void add(float* __restrict y, const float* __restrict x, float factor) {
  for (std::size_t l = 0; l < lanes; ++l) y[l] += factor * x[l];
}

// Columns [begin, begin + count) of rows [lanes, columns], and back.
Panel panel_of(const Rows& rows, std::size_t begin, std::size_t count) {
  const std::size_t columns = rows.size() / lanes;
  Panel panel(count * lanes);
  for (std::size_t r = 0; r < lanes; ++r)
    for (std::size_t c = 0; c < count; ++c) panel[c * lanes + r] = rows[r * columns + begin + c];
  return panel;
}
void put_panel(const Panel& panel, Rows& rows, std::size_t begin) {
  const std::size_t columns = rows.size() / lanes;
  for (std::size_t r = 0; r < lanes; ++r)
    for (std::size_t c = 0; c < panel.size() / lanes; ++c) rows[r * columns + begin + c] = panel[c * lanes + r];
}

// y[lanes, outputs] += x[lanes, inputs] M^T, where row i of M stands at matrix + i * columns. On this thread.
class Multiplier {
 public:
  void add(const float* x, std::size_t x_stride, std::size_t inputs, const float* matrix, std::size_t columns,
           std::size_t outputs, float* y, std::size_t y_stride) {
    if (outputs == 0) return;
    const kernels::MatmulKernels& kernels = *kernels::active().matmul;
    const kernels::Form form = kernels.form(tensor::Type::f32, lanes, inputs, kernels::Care::nobody);
    kernels::Activations input{x, x_stride, lanes, inputs, {}, kernels::Care::nobody};
    std::byte* const packed = reserve(packed_, kernels.packed_bytes(form, lanes, inputs));
    kernels.pack(form, input, 0, lanes, packed);
    input.packed[std::size_t(form)] = packed;
    kernels.multiply({tensor::Type::f32, reinterpret_cast<const std::byte*>(matrix), columns * sizeof(float), 0,
                      outputs, &input, y, y_stride, nullptr, true,
                      reserve(scratch_, kernels.scratch_bytes(tensor::Type::f32, lanes, inputs))});
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  static std::byte* reserve(std::vector<Line>& memory, std::size_t bytes) {
    memory.resize(std::max(memory.size(), bytes / sizeof(Line) + 1));
    return memory[0].bytes;
  }
  std::vector<Line> packed_, scratch_;
};

// H = (I + U) D (I + U)^T, U strictly upper: the weights with which earlier errors come back.
struct Factors {
  std::vector<float> upper;     // [columns, columns]: U, and U^T below the diagonal
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
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t j = 0; j < k; ++j) f.upper[k * n + j] = f.upper[j * n + k];
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
      encode_lanes({rows.row(i), count, rows.width, rows.stride},
                   blocks + i * tensor::row_bytes(info_.type, rows.width));
    }
  }

 private:
  // What the rows have come to.
  struct State {
    Rows weights, errors;                // errors = weights - decoded
    std::vector<std::byte> blocks;       // block b of all rows, then block b + 1
    std::vector<std::uint8_t> codes;     // likewise, weight by weight
    std::vector<float> scales, offsets;  // likewise, group by group
    Multiplier multiply;
  };
  // Columns [begin, end): a whole number of blocks, small enough for the cache. What its columns do to each other is
  // reckoned at once, what they do to others when it is done.
  struct Range {
    std::size_t begin, end;
    std::size_t size() const { return end - begin; }
  };
  template <class Action>
  void for_each_panel(Action&& action) const {
    const std::size_t n = hessian_->columns, most = std::max<std::size_t>(128, info_.block_weights);
    for (std::size_t begin = 0; begin < n; begin += most) action(Range{begin, std::min(begin + most, n)});
  }

  void encode_lanes(tensor::ConstRows rows, std::byte* out) const {
    const std::size_t n = rows.width, blocks = n / info_.block_weights;
    State s;
    s.weights.resize(n * lanes);
    for (std::size_t r = 0; r < rows.count; ++r) std::copy_n(rows.row(r), n, s.weights.data() + r * n);
    s.errors.resize(n * lanes);
    s.blocks.resize(blocks * lanes * info_.block_bytes);
    s.codes.resize(n * lanes);
    s.scales.resize(n / coding_.group * lanes);
    s.offsets.resize(s.scales.size());
    round(s);
    Rows slopes = product(s, s.errors);  // of the error, by each decoded weight
    for (std::size_t i = 0; i < slopes.size(); ++i) slopes[i] += damping_ * s.errors[i];
    for (int i = 0; i < options_.sweeps; ++i) {
      if (coding_.put_groups) improve(s, slopes, &Feedback::refit);
      improve(s, slopes, &Feedback::sweep);
    }
    if (coding_.put_groups) coding_.put_groups(s.scales.data(), s.offsets.data(), s.blocks.data(), n * lanes);
    coding_.put_codes(s.codes.data(), s.blocks.data(), n * lanes);
    choose(s, rows, out);
  }

  // Row by row: what it has come to, or the nearest encoding where that is better.
  void choose(State& s, tensor::ConstRows rows, std::byte* out) const {
    const std::size_t n = rows.width, blocks = n / info_.block_weights, row_bytes = blocks * info_.block_bytes;
    std::vector<std::byte> nearest(rows.count * row_bytes);
    Rows nearest_errors(n * lanes);
    std::vector<float> decoded(n);
    const auto errors = [&](std::size_t r, const std::byte* from, Rows& to) {
      info_.decode(from, decoded.data(), n);
      for (std::size_t j = 0; j < n; ++j) to[r * n + j] = rows.row(r)[j] - decoded[j];
    };
    for (std::size_t r = 0; r < rows.count; ++r) {
      for (std::size_t b = 0; b < blocks; ++b)
        std::memcpy(out + r * row_bytes + b * info_.block_bytes, s.blocks.data() + (b * lanes + r) * info_.block_bytes,
                    info_.block_bytes);
      errors(r, out + r * row_bytes, s.errors);
      encode_(rows.row(r), nullptr, nearest.data() + r * row_bytes, n);
      errors(r, nearest.data() + r * row_bytes, nearest_errors);
    }
    const Rows ours = product(s, s.errors), theirs = product(s, nearest_errors);
    const auto loss = [&](const Rows& e, const Rows& eh, std::size_t r) {
      double sum = 0;
      for (std::size_t i = r * n; i < (r + 1) * n; ++i) sum += double(e[i]) * eh[i];
      return sum;
    };
    for (std::size_t r = 0; r < rows.count; ++r)
      if (!(loss(s.errors, ours, r) <= loss(nearest_errors, theirs, r)))
        std::memcpy(out + r * row_bytes, nearest.data() + r * row_bytes, row_bytes);
  }

  // errors H
  Rows product(State& s, const Rows& errors) const {
    const std::size_t n = hessian_->columns;
    Rows result(n * lanes);
    s.multiply.add(errors.data(), n, n, hessian_->values.data(), n, n, result.data(), n);
    return result;
  }

  void round(State& s) const {
    const std::size_t n = hessian_->columns;
    Rows targets = s.weights;  // with what came back to them
    for_each_panel([&](Range range) {
      Panel target = panel_of(targets, range.begin, range.size()),
            weights = panel_of(s.weights, range.begin, range.size()), errors(range.size() * lanes);
      for (std::size_t at = 0; at < range.size(); at += info_.block_weights)
        round_block(s, range.begin, at, target, weights, errors);
      put_panel(errors, s.errors, range.begin);
      s.multiply.add(s.errors.data() + range.begin, n, range.size(),
                     factors_.upper.data() + range.end * n + range.begin, n, n - range.end, targets.data() + range.end,
                     n);
    });
  }

  // Chooses the scales of the block at columns begin + at, then its codes one by one.
  void round_block(State& s, std::size_t begin, std::size_t at, Panel& targets, const Panel& weights,
                   Panel& errors) const {
    const std::size_t n = hessian_->columns, size = info_.block_weights, b = (begin + at) / size;
    const auto bring_back = [&](std::size_t first, std::size_t last, std::size_t c) {
      const float* const u = factors_.upper.data() + (begin + c) * n + begin;
      for (std::size_t j = first; j < last; ++j) add(targets.data() + c * lanes, errors.data() + j * lanes, u[j]);
    };
    std::vector<float> rows(size * lanes), matter(size * lanes);
    for (std::size_t c = at; c < at + size; ++c) {
      bring_back(0, at, c);
      for (std::size_t r = 0; r < lanes; ++r) {
        rows[r * size + c - at] = targets[c * lanes + r];
        matter[r * size + c - at] = factors_.diagonal[begin + c];
      }
    }
    std::byte* const blocks = s.blocks.data() + b * lanes * info_.block_bytes;
    const std::size_t groups = size / coding_.group;  // of a row, in the block
    encode_(rows.data(), matter.data(), blocks, size * lanes);
    float* const scales = s.scales.data() + b * groups * lanes;
    float* const offsets = s.offsets.data() + b * groups * lanes;
    coding_.read_groups(blocks, scales, offsets, size * lanes);

    for (std::size_t c = at; c < at + size; ++c) {
      bring_back(at, c, c);
      const std::size_t group = (c - at) / coding_.group;
      for (std::size_t r = 0; r < lanes; ++r) {
        const float scale = scales[r * groups + group], offset = offsets[r * groups + group];
        const std::uint8_t code = codebook_.nearest(scale != 0 ? (targets[c * lanes + r] - offset) / scale : 0);
        s.codes[(b * lanes + r) * size + c - at] = code;
        errors[c * lanes + r] = weights[c * lanes + r] - (scale * codebook_.value(code) + offset);
      }
    }
  }

  // A panel in the course of improvement: how the decoded weights have moved since it began, and the slopes now.
  struct Moving {
    Range range;
    Panel slopes, moved;
  };
  void improve(State& s, Rows& slopes, void (Feedback::*step)(State&, Moving&) const) const {
    const std::size_t n = hessian_->columns;
    Rows moved(n * lanes);
    for_each_panel([&](Range range) {
      Moving panel{range, panel_of(slopes, range.begin, range.size()), Panel(range.size() * lanes)};
      (this->*step)(s, panel);
      for (float& value : panel.moved) value = -value;
      put_panel(panel.moved, moved, range.begin);
      for (std::size_t r = 0; r < lanes; ++r)
        for (std::size_t i = r * n + range.begin; i < r * n + range.end; ++i) {
          s.errors[i] += moved[i];
          slopes[i] += damping_ * moved[i];
        }
      s.multiply.add(moved.data() + range.begin, n, range.size(), hessian_->values.data() + range.begin, n, n,
                     slopes.data(), n);
    });
  }

  // The decoded weights of column c of the panel become larger by by[lanes].
  void move(Moving& panel, std::size_t c, const float* by) const {
    add(panel.moved.data() + c * lanes, by, 1);
    const float* const h = hessian_->row(panel.range.begin + c) + panel.range.begin;
    for (std::size_t j = 0; j < panel.range.size(); ++j) add(panel.slopes.data() + j * lanes, by, -h[j]);
    add(panel.slopes.data() + c * lanes, by, -damping_);
  }

  // Moves each code to where the row's error is least, given all the others.
  void sweep(State& s, Moving& panel) const {
    const std::size_t size = info_.block_weights, groups = size / coding_.group;
    for (std::size_t column = 0; column < panel.range.size(); ++column) {
      const std::size_t k = panel.range.begin + column, b = k / size, c = k % size;
      const float own = hessian_->row(k)[k] + damping_;
      if (!(own > 0)) continue;
      float by[lanes];
      bool any = false;
      for (std::size_t r = 0; r < lanes; ++r) {
        const std::size_t group = (b * lanes + r) * groups + c / coding_.group;
        const float scale = s.scales[group], offset = s.offsets[group];
        std::uint8_t& code = s.codes[(b * lanes + r) * size + c];
        const float now = scale * codebook_.value(code) + offset;
        const float wanted = now + panel.slopes[column * lanes + r] / own;
        const std::uint8_t better = scale != 0 ? codebook_.nearest((wanted - offset) / scale) : code;
        by[r] = scale * (codebook_.value(better) - codebook_.value(code));
        any = any || better != code;
        code = better;
      }
      if (any) move(panel, column, by);
    }
  }

  // Moves the scale (and offset) of each block that has its own to where the row's error is least, given the codes.
  void refit(State& s, Moving& panel) const {
    const std::size_t size = info_.block_weights;
    Panel values(size * lanes);
    for (std::size_t at = 0; at < panel.range.size(); at += size) {
      const std::size_t b = (panel.range.begin + at) / size;
      for (std::size_t r = 0; r < lanes; ++r)
        for (std::size_t c = 0; c < size; ++c)
          values[c * lanes + r] = codebook_.value(s.codes[(b * lanes + r) * size + c]);
      float by_scale[lanes], by_offset[lanes];
      if (!refit_block(s, b, values, panel.slopes.data() + at * lanes, by_scale, by_offset)) continue;
      for (std::size_t c = 0; c < size; ++c) {
        float by[lanes];
        for (std::size_t r = 0; r < lanes; ++r) by[r] = by_scale[r] * values[c * lanes + r] + by_offset[r];
        move(panel, at + c, by);
      }
    }
  }

  // By how much the scales and offsets of block b move; false where none does.
  bool refit_block(State& s, std::size_t b, const Panel& values, const float* slopes, float* by_scale,
                   float* by_offset) const {
    const std::size_t size = info_.block_weights, begin = b * size;
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
        const float v = values[c * lanes + r], g = slopes[c * lanes + r];
        slope[r] += double(g) * v;
        shift[r] += g;
        square[r] += double(acted[r]) * v;
        first[r] += acted[r];
      }
    }
    bool any = false;
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
      const double change = a * a * square[r] + 2 * a * m * first[r] + m * m * zero - 2 * (a * slope[r] + m * shift[r]);
      const bool better = change < 0;
      by_scale[r] = better ? static_cast<float>(a) : 0;
      by_offset[r] = better ? static_cast<float>(m) : 0;
      if (better) scale = new_scale, offset = new_offset;
      any = any || better;
    }
    return any;
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
