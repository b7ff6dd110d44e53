#include "model/likelihood.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/weights.h"
#include "ops/matmul.h"
#include "ops/parallel.h"
#include "tensor/type.h"

namespace hearth::model {

namespace {

constexpr std::size_t block_rows = 512;
constexpr std::size_t slice_floats = std::size_t{2} << 20;  // 8 MB stay in the last cache until they are summed
constexpr std::size_t slice_grain = 64;                     // rows of the output matrix
constexpr std::size_t apart = 16;                           // floats: rows should not meet in the same sets of a cache
constexpr std::size_t scanned_together = 256;

// The logit from which on a token is computed again: of a likelihood of 1/512 (some 36 a row); where none is as likely,
// of half a nat below the likeliest, but no less than 1/2048. Errors of the others nearly cancel in the sum.
float least_likely(const ops::ExponentialSum& sum) {
  if (sum.sum == 0) return std::numeric_limits<float>::infinity();
  const auto log = float(sum.log());
  return std::max(std::min(log - std::log(512.0f), sum.maximum - 0.5f), log - std::log(2048.0f));
}

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
  hidden_.resize(std::max(hidden_.size(), std::min(block_rows, order.size()) * hidden.width));
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::size_t count = 0;
    for (; end < order.size(); ++end) {
      const bool another = end == begin || order[end]->row != order[end - 1]->row;
      if (another && count == block_rows) break;
      if (another) std::copy_n(hidden.row(order[end]->row), hidden.width, &hidden_[count++ * hidden.width]);
    }
    answer_block(pool, {hidden_.data(), count, hidden.width}, std::span(order).subspan(begin, end - begin));
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
  rows_.resize(hidden.count);
  for (std::size_t row = 0, begin = 0, end = 0; row < hidden.count; ++row, begin = end) {
    while (end < asked.size() && asked[end]->row == asked[begin]->row) ++end;
    rows_[row].asked = asked.subspan(begin, end - begin);
    rows_[row].likely.clear();
  }
  for (std::size_t begin = 0; begin < vocabulary; begin += slice) {
    const std::size_t count = std::min(slice, vocabulary - begin);
    const tensor::Rows logits{logits_.data(), hidden.count, count, slice + apart};
    const ops::Product product{.weight = output.weight.slice(begin, count),
                               .output = logits,
                               .bias = output.bias ? output.bias + begin : nullptr};
    ops::matmul(pool, hidden, {&product, 1}, ops::Care::rough);
    if (h.logit_scale != 1) ops::scale(pool, logits, h.logit_scale);
    if (h.logit_softcap != 0) ops::softcap(pool, logits, h.logit_softcap);
    ops::add_exponentials(pool, logits, sums_);
    ops::for_rows(pool, hidden.count, count / 8, [&](std::size_t from, std::size_t to) {
      for (std::size_t row = from; row < to; ++row)
        note_likely(rows_[row], sums_[row], begin, {logits.row(row), count});
    });
  }
  ops::for_rows(pool, hidden.count, hidden.width * 8, [&](std::size_t from, std::size_t to) {
    for (std::size_t row = from; row < to; ++row) answer_row(hidden.row(row), rows_[row], sums_[row]);
  });
}

// `sum` is of all logits up to the end of these, which begin with token `begin`.
void Likelihood::note_likely(Row& row, const ops::ExponentialSum& sum, std::size_t begin,
                             std::span<const float> logits) const {
  const float least = least_likely(sum);
  for (std::size_t first = 0; first < logits.size(); first += scanned_together) {
    const auto part = logits.subspan(first, std::min(scanned_together, logits.size() - first));
    if (ops::maximum(part) < least) continue;
    for (std::size_t i = 0; i < part.size(); ++i)
      if (part[i] >= least) row.likely.push_back({.token = begin + first + i, .rough = part[i], .exact = 0});
  }
  for (NextToken* const one : row.asked) {
    const auto token = std::size_t(one->token);
    if (token >= begin && token < begin + logits.size()) one->log = logits[token - begin];
  }
}

// Asked tokens have their rough logits, and get their answers.
void Likelihood::answer_row(const float* hidden, Row& row, const ops::ExponentialSum& rough) const {
  const float least = least_likely(rough);  // by now there may be likelier ones
  std::erase_if(row.likely, [=](const Candidate& one) { return one.rough < least; });
  const auto find = [&](Token token) {
    return std::find_if(row.likely.begin(), row.likely.end(),
                        [=](const Candidate& one) { return one.token == std::size_t(token); });
  };
  for (const NextToken* one : row.asked)
    if (find(one->token) == row.likely.end())
      row.likely.push_back({.token = std::size_t(one->token), .rough = one->log, .exact = 0});
  double sum = rough.sum;
  float maximum = -std::numeric_limits<float>::infinity();
  std::vector<float> weights(model_.width());
  for (Candidate& one : row.likely) {
    one.exact = exact_logit(hidden, one.token, weights);
    sum += std::exp(double(one.exact) - double(rough.maximum)) - std::exp(double(one.rough) - double(rough.maximum));
    maximum = std::max(maximum, one.exact);
  }
  const double log_sum = double(rough.maximum) + std::log(sum);
  for (NextToken* const one : row.asked) {
    const float exact = find(one->token)->exact;
    one->likeliest = exact == maximum;
    one->log = float(double(exact) - log_sum);
  }
}

float Likelihood::exact_logit(const float* hidden, std::size_t token, std::vector<float>& weights) const {
  const Linear& output = model_.weights().output;
  const Hyperparameters& h = model_.hyperparameters();
  tensor::info(output.weight.type).decode(output.weight.row(token), weights.data(), weights.size());
  float logit = std::transform_reduce(weights.begin(), weights.end(), hidden, output.bias ? output.bias[token] : 0.0f);
  logit *= h.logit_scale;
  return h.logit_softcap != 0 ? h.logit_softcap * std::tanh(logit / h.logit_softcap) : logit;
}

}  // namespace hearth::model
