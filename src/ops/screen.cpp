#include "ops/screen.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "kernels/kernels.h"
#include "ops/parallel.h"

namespace hearth::ops {

namespace {

using kernels::screen_block, kernels::screen_leading, kernels::screen_middle;

constexpr std::size_t most_bytes = std::size_t{160} << 20;
constexpr std::size_t least_gain = 25;             // a copy is worth its memory where it saves one byte of so many
constexpr std::size_t patience = 16, pieces = 16;  // calls of grow: before the copy is begun, and until it is made
constexpr std::size_t sampled_rows = 1024;         // that tell how large weights are
constexpr std::size_t block = 64;                  // rows
constexpr std::size_t spare = 16;                  // rows computed besides the best at first
constexpr std::size_t most_chosen = 16;            // one row of so many at most: else all are as cheap
constexpr std::size_t longest_rest = 64;           // calls of greatest
constexpr std::size_t most_tokens = 3;
constexpr float deviations = 6, enough_deviations = 5;  // that a row left out is short of: as expected, and as found
constexpr float most_caution = 4, forgotten = 0.99f;    // of it this much is left at the next call
// Sixteen steps, in standard deviations, that round what is normally distributed best. [Max, 1960: Quantizing for
// minimum distortion]
constexpr float step = 0.3352f;
// An error counts as no less than this share of a row's weights, so that of the roundings of x something is known too.
constexpr float least_error = 0.1f;
constexpr std::align_val_t huge_page{std::size_t{2} << 20};

// Of what is no number, or too large a one: zero.
float square_or_zero(float x) {
  return std::abs(x) < 1e15f ? x * x : 0;
}

template <class Count>
constexpr Count up_to(Count count, std::size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

}  // namespace

void Screen::Free::operator()(std::uint8_t* memory) const {
  ::operator delete[](memory, huge_page);
}

Screen::Screen(const tensor::Matrix& weight, const float* bias, std::size_t all_bytes) : weight_(weight), bias_(bias) {
  worthwhile_ = weight.columns % screen_block == 0 && weight.columns >= 2 * screen_leading &&
                copy_bytes() <= most_bytes && copy_bytes() < weight.bytes() &&
                (weight.bytes() - copy_bytes()) * least_gain >= all_bytes;
  for (std::size_t i = 0; bias && i < weight.rows; ++i) worthwhile_ = worthwhile_ && std::isfinite(bias[i]);
}

std::size_t Screen::row_bytes() const noexcept {
  return weight_.columns / 2 + screen_leading;
}
std::size_t Screen::copy_bytes() const noexcept {
  return up_to(weight_.rows, 4) * (row_bytes() + 3 * sizeof(float));
}

bool Screen::fits(std::size_t tokens, std::size_t best) const noexcept {
  const bool floats = tensor::info(weight_.type).block_weights == 1;
  return worthwhile_ && tokens <= (floats ? 1 : most_tokens) && best != 0 && best + spare <= weight_.rows / block / 4;
}

void Screen::grow(ThreadPool& pool, tensor::ConstRows x) {
  if (!worthwhile_ || complete()) return;
  if (++calls_ <= patience) {
    squares_.resize(weight_.columns);
    for (std::size_t i = 0; i < x.count; ++i)
      for (std::size_t j = 0; j < x.width; ++j) squares_[j] += square_or_zero(x.row(i)[j]);
    return;
  }
  try {
    worthwhile_ = copy_ || begin();
  } catch (const std::bad_alloc&) {
    worthwhile_ = false;
  }
  if (!worthwhile_) return;  // nobody needs it to go on
  const std::size_t end = std::min(weight_.rows, made_ + (weight_.rows + pieces - 1) / pieces);
  pool.split(end - made_, 1, [&](std::size_t from, std::size_t to, std::size_t) {
    for (std::size_t row = made_ + from; row < made_ + to; ++row) encode(row);
  });
  const auto is_number = [](float error) { return std::isfinite(error); };
  worthwhile_ = std::all_of(errors_.begin() + std::ptrdiff_t(made_), errors_.begin() + std::ptrdiff_t(end), is_number);
  made_ = worthwhile_ ? end : 0;
  if (!worthwhile_) copy_.reset();
}

// Columns in which x is large have small weights often, and the other way round: both are made alike, so that a step
// suits all weights of a row. [as arXiv 2211.10438 does] The columns with the largest products lead.
bool Screen::begin() {
  std::vector<float> weights, weight_squares(weight_.columns);
  const std::size_t apart = std::max<std::size_t>(1, weight_.rows / sampled_rows);
  for (std::size_t row = 0; row < weight_.rows; row += apart) {
    decode(row, weights);
    for (std::size_t i = 0; i < weight_.columns; ++i) weight_squares[i] += square_or_zero(weights[i]);
  }
  balance_.assign(weight_.columns, 1);
  inverse_balance_.assign(weight_.columns, 1);
  for (std::size_t i = 0; i < weight_.columns; ++i) {
    const float balance = std::pow(weight_squares[i] / squares_[i], 0.25f), inverse = 1 / balance;
    if (!std::isfinite(balance) || !std::isfinite(inverse)) continue;
    balance_[i] = balance;
    inverse_balance_[i] = inverse;
  }
  leading_.resize(weight_.columns);
  std::iota(leading_.begin(), leading_.end(), std::size_t{0});
  const auto product = [&](std::size_t column) { return squares_[column] * weight_squares[column]; };
  std::partial_sort(leading_.begin(), leading_.begin() + screen_leading, leading_.end(),
                    [&](std::size_t a, std::size_t b) { return product(a) > product(b); });
  leading_.resize(screen_leading);

  const std::size_t rows = up_to(weight_.rows, 4);
  code_units_.resize(rows);
  leading_units_.resize(rows);
  errors_.resize(weight_.rows);
  copy_.reset(new (huge_page) std::uint8_t[rows * row_bytes()]);
  ::madvise(copy_.get(), rows * row_bytes(), MADV_HUGEPAGE);  // advice: all goes on without
  std::memset(copy_.get() + weight_.rows * row_bytes(), 0, (rows - weight_.rows) * row_bytes());
  return true;
}

void Screen::decode(std::size_t row, std::vector<float>& weights) const {
  weights.resize(weight_.columns);
  if (weight_.type == tensor::Type::q8_0)
    kernels::vectors().decode_row[std::size_t(kernels::RowType::q8_0)](weight_.row(row), weights.size(),
                                                                       weights.data());
  else
    tensor::info(weight_.type).decode(weight_.row(row), weights.data(), weights.size());
}

void Screen::encode(std::size_t row) {
  const std::size_t columns = weight_.columns;
  thread_local std::vector<float> weights;
  decode(row, weights);
  for (std::size_t i = 0; i < columns; ++i) weights[i] *= inverse_balance_[i];

  std::uint8_t* const codes = copy_.get() + row * row_bytes();
  float largest = 0, leading_squares = 0;
  for (const std::size_t column : leading_) {
    largest = std::max(largest, std::abs(weights[column]));
    leading_squares += weights[column] * weights[column];
  }
  leading_units_[row] = largest / 127;
  const float to_byte = largest > 0 ? 127 / largest : 0;
  float leading[screen_leading];
  for (std::size_t i = 0; i < screen_leading; ++i) leading[i] = std::exchange(weights[leading_[i]], 0.0f);
  float sums[8] = {};  // a single one would wait for itself
  for (std::size_t i = 0; i < columns; i += 8)
    for (std::size_t j = 0; j < 8; ++j) sums[j] += weights[i + j] * weights[i + j];
  const float squares = std::accumulate(sums, sums + 8, 0.0f), count = float(columns - screen_leading);
  if (!std::isfinite(squares + leading_squares)) {
    errors_[row] = std::numeric_limits<float>::infinity();
    return;
  }
  for (std::size_t i = 0; i < screen_leading; ++i)
    codes[columns / 2 + i] = std::uint8_t(std::lrint(leading[i] * to_byte));
  const float unit = step * std::sqrt(squares / count);
  code_units_[row] = unit;
  // The leading columns' codes stand for zero and cost half a step each.
  const float errors = kernels::vectors().screen_encode(weights.data(), unit > 0 ? 1 / unit : 0, columns, codes) -
                       0.25f * float(screen_leading);
  errors_[row] = std::sqrt(std::max(errors * unit * unit, least_error * least_error * squares) / count);
}

// x to bytes. False where it holds what is no number.
bool Screen::round(const float* from, Rounded& to) {
  const std::size_t columns = weight_.columns;
  balanced_.resize(columns);
  for (std::size_t i = 0; i < columns; ++i) balanced_[i] = from[i] * balance_[i];
  float leading[screen_leading], largest = 0, largest_leading = 0, squares = 0;
  for (std::size_t i = 0; i < screen_leading; ++i) {
    leading[i] = std::exchange(balanced_[leading_[i]], 0.0f);
    largest_leading = std::max(largest_leading, std::abs(leading[i]));
    squares += leading[i] * leading[i];
  }
  if (!std::isfinite(squares)) return false;
  const float leading_squares = std::exchange(squares, 0.0f);
  for (const float x : balanced_) {
    largest = std::max(largest, std::abs(x));
    squares += x * x;
  }
  if (!std::isfinite(squares)) return false;

  to.bytes.resize(columns + screen_leading);
  const auto round_all = [](const float* x, std::size_t count, float most, std::int8_t* bytes) {
    const float inverse = most > 0 ? 127 / most : 0;
    for (std::size_t i = 0; i < count; ++i) bytes[i] = std::int8_t(std::lrint(x[i] * inverse));
    return most / 127;
  };
  to.unit = round_all(balanced_.data(), columns, largest, to.bytes.data());
  to.leading_unit = round_all(leading, screen_leading, largest_leading, to.bytes.data() + columns);
  to.sum = std::accumulate(to.bytes.begin(), to.bytes.begin() + std::ptrdiff_t(columns), 0);
  // What is rounded away of x meets whole weights, here and where the weights' own product rounds x.
  const float of_x = 2.0f / 12, column_errors = to.unit * to.unit * float(columns);
  to.deviation = std::sqrt(squares + of_x * column_errors / (least_error * least_error));
  constexpr float usual_byte = 64;  // or less, of a row's leading weights
  const float leading_errors = to.leading_unit * to.leading_unit * screen_leading;
  to.leading_deviation = std::sqrt(leading_squares / 12 + of_x * leading_errors * usual_byte * usual_byte);
  return true;
}

// Every output nearly. A block of rows is read once for all tokens.
void Screen::screen(ThreadPool& pool, tensor::Rows y) {
  const std::size_t blocks = (weight_.rows + block - 1) / block;
  for (std::size_t token = 0; token < y.count; ++token) {
    rounded_[token].maxima.resize(blocks);
    rounded_[token].uppers.resize(blocks);
  }
  constexpr std::size_t pieces_each = 8;
  pool.balance(blocks, 1, pieces_each, [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i)
      for (std::size_t token = 0; token < y.count; ++token) {
        Rounded& x = rounded_[token];
        float* const outputs = y.row(token);
        const std::size_t begin = i * block, end = std::min(begin + block, weight_.rows);
        kernels::vectors().screen_rows({.rows = copy_.get(),
                                        .columns = weight_.columns,
                                        .code_units = code_units_.data(),
                                        .leading_units = leading_units_.data(),
                                        .x = x.bytes.data(),
                                        .x_sum = x.sum,
                                        .x_unit = x.unit,
                                        .x_leading_unit = x.leading_unit,
                                        .begin = begin,
                                        .end = end,
                                        .y = outputs});
        float uppers[block];
        for (std::size_t row = begin; row < end; ++row) {
          if (bias_) outputs[row] += bias_[row];
          uppers[row - begin] = outputs[row] + deviations * caution_ * deviation(x, row);
        }
        x.maxima[i] = kernels::vectors().maximum(outputs + begin, end - begin);
        x.uppers[i] = kernels::vectors().maximum(uppers, end - begin);
      }
  });
}

bool Screen::greatest(ThreadPool& pool, tensor::ConstRows x, std::size_t best, tensor::Rows y, Care care) {
  if (!complete() || !fits(x.count, best)) return false;
  if (rest_ > 0) {
    --rest_;
    return false;
  }
  rest_ = next_rest_;
  next_rest_ = std::min(2 * next_rest_, longest_rest);
  if (rounded_.size() < x.count) rounded_.resize(x.count);
  for (std::size_t i = 0; i < x.count; ++i)
    if (!round(x.row(i), rounded_[i])) return false;
  screen(pool, y);
  for (std::size_t i = 0; i < x.count; ++i)
    if (!correct(pool, x.row(i), rounded_[i], best, y.row(i), care)) return false;
  rest_ = 0;
  next_rest_ = 1;
  return true;
}

bool Screen::correct(ThreadPool& pool, const float* x, const Rounded& rounded, std::size_t best, float* y, Care care) {
  // Calls take(row) for rows of blocks whose bound is no less.
  const auto rows_above = [&](float least, const std::vector<float>& bounds, auto take) {
    for (std::size_t i = 0; i < bounds.size(); ++i)
      if (bounds[i] >= least)
        for (std::size_t row = i * block; row < std::min((i + 1) * block, weight_.rows); ++row) take(row);
  };
  const auto nth_greatest = [&](const std::vector<float>& from, std::size_t n) {
    ordered_ = from;
    std::nth_element(ordered_.begin(), ordered_.begin() + std::ptrdiff_t(n - 1), ordered_.end(), std::greater<>{});
    return ordered_[n - 1];
  };

  // So many blocks reach this, and so at least so many rows.
  const float reached = nth_greatest(rounded.maxima, best + spare);
  chosen_.clear();
  rows_above(reached, rounded.maxima, [&](std::size_t row) {
    if (y[row] >= reached) chosen_.push_back(std::uint32_t(row));
  });
  const std::size_t first = chosen_.size(), most = weight_.rows / most_chosen;
  if (first > most) return false;
  compute(pool, x, 0, care);
  const float least = nth_greatest(outputs_, best);  // of the greatest, or less
  if (!std::isfinite(least)) return false;

  rows_above(least, rounded.uppers, [&](std::size_t row) {
    if (y[row] < reached && y[row] + deviations * caution_ * deviation(rounded, row) >= least)
      chosen_.push_back(std::uint32_t(row));
  });
  if (chosen_.size() > most) return false;
  compute(pool, x, first, care);

  double squares = 0;
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    float& output = y[chosen_[i]];
    const double expected = double(deviation(rounded, chosen_[i])), error = double(outputs_[i] - output);
    if (expected > 0) squares += error / expected * (error / expected);
    output = outputs_[i];
  }
  const float found = float(std::sqrt(squares / double(chosen_.size())));
  const bool enough = deviations * caution_ >= enough_deviations * found;
  caution_ = std::clamp(found, std::max(1.0f, forgotten * caution_), most_caution);
  return enough;
}

// outputs_ of chosen_ from `first` on, from the weights themselves.
void Screen::compute(ThreadPool& pool, const float* x, std::size_t first, Care care) {
  const std::size_t bytes = weight_.row_bytes(), count = chosen_.size() - first;
  if (count == 0) return;
  outputs_.resize(chosen_.size());
  rows_.resize(count * bytes);
  biases_.resize(bias_ ? count : 0);
  const auto gather = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      std::memcpy(rows_.data() + i * bytes, weight_.row(chosen_[first + i]), bytes);
      if (bias_) biases_[i] = bias_[chosen_[first + i]];
    }
  };
  for_rows(pool, count, 150, gather);
  const Product product{.weight = {weight_.type, rows_.data(), count, weight_.columns},
                        .output = {outputs_.data() + first, 1, count},
                        .bias = bias_ ? biases_.data() : nullptr};
  matmul(pool, {x, 1, weight_.columns}, {&product, 1}, care);
}

}  // namespace hearth::ops
