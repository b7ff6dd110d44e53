#include "model/likelihood.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "model/weights.h"
#include "ops/matmul.h"

namespace hearth::model {

namespace {

constexpr std::size_t block_rows = 512;
constexpr std::size_t slice_floats = std::size_t{2} << 20;  // 8 MB stay in the last cache until they are summed
constexpr std::size_t slice_grain = 64;                     // rows of the output matrix
constexpr std::size_t apart = 16;                           // floats: rows should not meet in the same sets of a cache

}  // namespace

Likelihood::Likelihood(const Model& model) : model_(model) {
  HEARTH_CHECK(bool(model.weights().output));
}

void Likelihood::answer(ThreadPool& pool, tensor::ConstRows hidden, std::span<NextToken> asked) {
  std::vector<NextToken*> order;
  for (NextToken& one : asked) {
    HEARTH_CHECK(one.row < hidden.count);
    if (one.token < 0 || std::size_t(one.token) >= model_.vocabulary_size())
      throw Error(Code::bad_input,
                  fmt::format("token {} lies outside the vocabulary of {}", one.token, model_.vocabulary_size()));
    order.push_back(&one);
  }
  std::stable_sort(order.begin(), order.end(), [](const NextToken* a, const NextToken* b) { return a->row < b->row; });
  // Only rows that are asked about, side by side.
  rows_.resize(std::max(rows_.size(), std::min(block_rows, order.size()) * hidden.width));
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::size_t count = 0;
    for (; end < order.size(); ++end) {
      const bool another = end == begin || order[end]->row != order[end - 1]->row;
      if (another && count == block_rows) break;
      if (another) std::copy_n(hidden.row(order[end]->row), hidden.width, &rows_[count++ * hidden.width]);
    }
    answer_block(pool, {rows_.data(), count, hidden.width}, std::span(order).subspan(begin, end - begin));
  }
}

// `asked` stands in order of rows: each of `hidden` has one or more.
void Likelihood::answer_block(ThreadPool& pool, tensor::ConstRows hidden, std::span<NextToken* const> asked) {
  const Linear& output = model_.weights().output;
  const Hyperparameters& h = model_.hyperparameters();
  const std::size_t vocabulary = model_.vocabulary_size();
  const std::size_t slice = std::min((vocabulary + slice_grain - 1) / slice_grain * slice_grain,
                                     std::max<std::size_t>(slice_floats / hidden.count / slice_grain, 1) * slice_grain);
  logits_.resize(std::max(logits_.size(), hidden.count * (slice + apart)));
  sums_.assign(hidden.count, {});
  const auto for_each_asked = [&](auto&& use) {
    std::size_t row = 0;
    for (std::size_t i = 0; i < asked.size(); ++i)
      use(*asked[i], i == 0 || asked[i]->row == asked[i - 1]->row ? row : ++row);
  };
  for (std::size_t begin = 0; begin < vocabulary; begin += slice) {
    const std::size_t count = std::min(slice, vocabulary - begin);
    const tensor::Rows logits{logits_.data(), hidden.count, count, slice + apart};
    const ops::Product product{.weight = output.weight.slice(begin, count),
                               .output = logits,
                               .bias = output.bias ? output.bias + begin : nullptr};
    ops::matmul(pool, hidden, {&product, 1}, ops::Care::outliers);
    if (h.logit_scale != 1) ops::scale(pool, logits, h.logit_scale);
    if (h.logit_softcap != 0) ops::softcap(pool, logits, h.logit_softcap);
    ops::add_exponentials(pool, logits, sums_);
    for_each_asked([&](NextToken& one, std::size_t row) {
      const auto token = std::size_t(one.token);
      if (token >= begin && token < begin + count) one.log = logits.row(row)[token - begin];
    });
  }
  for_each_asked([&](NextToken& one, std::size_t row) {
    one.likeliest = one.log == sums_[row].maximum;
    one.log = float(double(one.log) - sums_[row].log());
  });
}

}  // namespace hearth::model
