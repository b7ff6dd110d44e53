// The greatest outputs of a large product without reading all of its weights: a copy of them in 4 bits gives every
// output nearly, and those that may be among the greatest are computed again from the weights themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "ops/matmul.h"
#include "tensor/view.h"

namespace hearth::ops {

class Screen {
 public:
  // Of y = x W^T + bias; borrows both, bias [outputs] may be null. `all_bytes`: what is read for every x, these weights
  // included. Where a copy saves little of that or takes much memory there will never be one.
  Screen(const tensor::Matrix& weight, const float* bias, std::size_t all_bytes);

  // Whether that can be done for so many tokens and outputs at all, once the copy is complete. More tokens share one
  // reading of all weights so well that nothing is left to save; floats are added up in another order for each number.
  bool fits(std::size_t tokens, std::size_t best) const noexcept;
  // To be told of every x that fits. The copy is begun after some, when more are likely to follow and it is known in
  // which of their columns large numbers stand, and made piece by piece, so that no x waits for all of it.
  void grow(ThreadPool& pool, tensor::ConstRows x);
  bool complete() const noexcept { return made_ != 0 && made_ == weight_.rows; }
  std::size_t saved_bytes() const noexcept { return complete() ? weight_.bytes() - copy_bytes() : 0; }

  // x [tokens, inputs], y [tokens, outputs]: the `best` greatest outputs of each token as ops::matmul gives them and
  // none above those; the others nearly. A row's roundings count as independent, so that their sum is normal, and a row
  // is left out where more than five standard deviations are missing, as large as they were found to be in those that
  // were computed. False, and y anything, where the copy is not complete, tells too few outputs apart, or errs more
  // than before. Then it rests for some calls, the more the more often that happened in a row.
  bool greatest(ThreadPool& pool, tensor::ConstRows x, std::size_t best, tensor::Rows y, Care care);

 private:
  struct Free {
    void operator()(std::uint8_t* memory) const;
  };
  // One x as the copy takes it, and what came of it.
  struct Rounded {
    std::vector<std::int8_t> bytes;  // see kernels::ScreenPiece
    std::int32_t sum;
    float unit, leading_unit;
    float deviation, leading_deviation;  // of an output, for each 1 of errors_ and of leading_units_
    std::vector<float> maxima, uppers;   // of a block of rows: the largest output, and what it may be at most
  };
  // The root of both squares' sum, or up to 8% more.
  float deviation(const Rounded& x, std::size_t row) const noexcept {
    const float a = x.deviation * errors_[row], b = x.leading_deviation * leading_units_[row];
    return a > b ? a + 0.4143f * b : b + 0.4143f * a;
  }
  std::size_t row_bytes() const noexcept;
  std::size_t copy_bytes() const noexcept;
  bool begin();
  void decode(std::size_t row, std::vector<float>& weights) const;
  void encode(std::size_t row);
  bool round(const float* x, Rounded& to);
  void screen(ThreadPool& pool, tensor::Rows y);
  bool correct(ThreadPool& pool, const float* x, const Rounded& rounded, std::size_t best, float* y, Care care);
  void compute(ThreadPool& pool, const float* x, std::size_t first, Care care);

  tensor::Matrix weight_;
  const float* bias_;
  bool worthwhile_;
  std::size_t calls_ = 0;                 // of grow
  std::size_t rest_ = 0, next_rest_ = 1;  // calls of greatest
  float caution_ = 1;                     // how many times what chance would have it errs, as was found lately
  std::vector<float> squares_;            // of x, by column, of all calls so far
  // Of each column: x is multiplied and weights are divided by it before either is rounded.
  std::vector<float> balance_, inverse_balance_;
  std::vector<std::size_t> leading_;
  std::size_t made_ = 0;  // rows
  std::unique_ptr<std::uint8_t[], Free> copy_;
  std::vector<float> code_units_, leading_units_;  // of each row, and of no rows up to a multiple of four
  std::vector<float> errors_;                      // of a row's weights, the root of the mean square

  // Working memory.
  std::vector<Rounded> rounded_;
  std::vector<float> balanced_;  // x
  std::vector<float> ordered_, outputs_, biases_;
  std::vector<std::uint32_t> chosen_;  // rows
  std::vector<std::byte> rows_;        // their weights
};

}  // namespace hearth::ops
