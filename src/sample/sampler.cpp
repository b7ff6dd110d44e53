#include "sample/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace hearth::sample {

namespace {

constexpr float lowest = std::numeric_limits<float>::lowest();
constexpr float highest = std::numeric_limits<float>::max();

// Every logit is finite from the start, so that -infinity is the mark of the constraint alone.
float finite(float x) {
  const float above = x > lowest ? x : lowest;  // NaN too
  return above < highest ? above : highest;
}

// e^x for x <= 0 to a relative error of 2e-7; 0 below -87. Compares bits and not numbers, so that compilers turn it
// into vectors.
inline float exp_negative(float x) {
  constexpr auto limit = std::bit_cast<std::int32_t>(87.0f);
  const std::int32_t size = std::bit_cast<std::int32_t>(x) & 0x7fffffff;
  const float d = std::bit_cast<float>(size < limit ? size : limit);  // -x
  const auto n = std::int32_t(d * 1.44269504f + 0.5f);
  const float r = (float(n) * 0.693359375f - d) - float(n) * 2.12194440e-4f;  // n ln 2 - d, ln 2 in two parts
  const float series =
      1.0f + r * (1.0f + r * (0.5f + r * (0.16666667f + r * (0.041666668f + r * (0.0083333333f + r * 0.0013888889f)))));
  const float result = series * std::bit_cast<float>((127 - n) << 23);
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(result) & (size < limit ? -1 : 0));
}

void require(bool sensible, std::string_view option, auto value, std::string_view advice) {
  if (!sensible) throw Error(Code::usage, fmt::format("{} {} makes no sense", option, value), {}, advice);
}

constexpr std::size_t block = 64;

float block_maximum(const float* x) {
  std::array<float, 16> lanes;
  std::copy_n(x, lanes.size(), lanes.begin());
  for (std::size_t i = lanes.size(); i < block; i += lanes.size())
    for (std::size_t j = 0; j < lanes.size(); ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  return *std::max_element(lanes.begin(), lanes.end());
}

}  // namespace

void Options::check() const {
  require(std::isfinite(temperature) && temperature >= 0, "temperature", temperature, "give 0 (greedy) or more");
  require(top_k >= 0, "top-k", top_k, "give 0 (all) or more");
  require(top_p >= 0 && top_p <= 1, "top-p", top_p, "give a share from 0 to 1");
  require(min_p >= 0 && min_p <= 1, "min-p", min_p, "give a share from 0 to 1");
  require(typical_p >= 0 && typical_p <= 1, "typical-p", typical_p, "give a share from 0 to 1");
  require(std::isfinite(repeat_penalty) && repeat_penalty > 0, "repeat penalty", repeat_penalty,
          "give more than 0; 1 is none");
  require(std::isfinite(frequency_penalty), "frequency penalty", frequency_penalty, "give a number; 0 is none");
  require(std::isfinite(presence_penalty), "presence penalty", presence_penalty, "give a number; 0 is none");
  require(penalty_window >= -1, "penalty window", penalty_window, "give a number of tokens, or -1 for all");
  for (const auto& [token, bias] : logit_bias) {
    require(token >= 0, "logit bias for token", token, "token ids start at 0");
    require(std::isfinite(bias) || bias < 0, fmt::format("logit bias of token {}:", token), bias,
            "give a number, or -infinity to ban the token");
  }
}

Sampler::Sampler(const Options& options) : options_(options), seed_(options.seed) {
  options_.check();
  std::random_device device;
  while (seed_ == 0) seed_ = (std::uint64_t(device()) << 32 | device()) >> 11;  // 53 bits: JSON readers keep them
  random_.seed(seed_);
}

bool Sampler::penalises() const noexcept {
  return options_.penalty_window != 0 &&
         (options_.repeat_penalty != 1.0f || options_.frequency_penalty != 0.0f || options_.presence_penalty != 0.0f);
}

void Sampler::accept(Token token) {
  if (!penalises()) return;
  ++counts_[token];
  if (options_.penalty_window < 0) return;
  window_.push_back(token);
  if (window_.size() <= std::size_t(options_.penalty_window)) return;
  const auto oldest = counts_.find(window_.front());
  if (--oldest->second == 0) counts_.erase(oldest);
  window_.pop_front();
}

void Sampler::adjust(std::span<float> logits) const {
  for (float& x : logits) x = finite(x);
  const auto known = [&](Token token) { return token >= 0 && std::size_t(token) < logits.size(); };
  for (const auto& [token, bias] : options_.logit_bias)
    if (known(token)) logits[token] = finite(logits[token] + bias);
  if (!penalises()) return;
  for (const auto& [token, count] : counts_) {
    if (!known(token)) continue;
    float& x = logits[token];
    x = x > 0 ? x / options_.repeat_penalty : x * options_.repeat_penalty;
    x = finite(x - float(count) * options_.frequency_penalty - options_.presence_penalty);
  }
}

// The `count` most likely tokens, best first, the lower id first among equals; fewer where the others are masked.
void Sampler::gather_top(std::span<const float> logits, std::size_t count) {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  };
  count = std::min(count, logits.size());
  candidates_.clear();
  // What might be among the best is collected until there is twice too much, then the better half stays.
  float threshold = -std::numeric_limits<float>::infinity();
  const auto cut = [&] {
    std::nth_element(candidates_.begin(), candidates_.begin() + std::ptrdiff_t(count - 1), candidates_.end(), better);
    candidates_.resize(count);
    threshold = candidates_.back().logit;
  };
  for (std::size_t start = 0; start < logits.size(); start += block) {
    const std::size_t end = std::min(start + block, logits.size());
    if (end - start == block && !(block_maximum(&logits[start]) > threshold)) continue;
    for (std::size_t i = start; i < end; ++i)
      if (logits[i] > threshold) candidates_.push_back({Token(i), logits[i]});
    if (candidates_.size() >= 2 * count + block) cut();
  }
  if (candidates_.size() > count) cut();
  std::sort(candidates_.begin(), candidates_.end(), better);
}

void Sampler::gather_all(std::span<const float> logits) {
  candidates_.resize(logits.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    candidates_[kept] = {Token(i), logits[i]};
    kept += logits[i] >= lowest;
  }
  candidates_.resize(kept);
}

// The `count` most likely tokens that `constraint` allows: found among the most likely ones of all where there are
// enough of them, else by masking.
void Sampler::gather(std::span<float> logits, std::size_t count, Constraint* constraint) {
  if (constraint && count < logits.size()) {
    constexpr std::size_t spare = 32;
    gather_top(logits, count + std::min(count, spare));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < candidates_.size() && kept < count; ++i)
      if (constraint->allows(candidates_[i].token)) candidates_[kept++] = candidates_[i];
    candidates_.resize(kept);
    if (kept == count) return;
  }
  if (constraint) constraint->mask(logits);
  gather_top(logits, count);
}

// weights_ becomes each candidate's share at the temperature, times the sum that is returned.
double Sampler::weigh(double temperature) {
  weights_.resize(candidates_.size());
  float best = lowest;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    weights_[i] = candidates_[i].logit;
    best = weights_[i] > best ? weights_[i] : best;
  }
  const float scale = float(std::min(1.0 / temperature, double(highest)));
  for (float& weight : weights_) weight = exp_negative((weight - best) * scale);
  std::array<double, 8> sums{};  // a single one would wait for itself
  std::size_t i = 0;
  for (; i + sums.size() <= weights_.size(); i += sums.size())
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += double(weights_[i + j]);
  for (; i < weights_.size(); ++i) sums[0] += double(weights_[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// Keeps the first candidates in the order of `before` that together hold `share` of `total`; at least one. Weights are
// no longer those of the candidates afterwards.
template <class Before>
void Sampler::keep_mass(double share, double total, Before before) {
  std::vector<std::uint32_t> order(candidates_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto compare = [&](std::uint32_t a, std::uint32_t b) {
    return before(a, b) || (!before(b, a) && candidates_[a].token < candidates_[b].token);
  };
  double sum = 0;
  std::size_t kept = 0, sorted = 0;
  while (kept < order.size() && (kept == 0 || sum < share * total)) {
    if (kept == sorted) {  // sorts no more than is looked at
      sorted = std::min(order.size(), std::max<std::size_t>(256, 8 * sorted));
      const auto from = order.begin() + std::ptrdiff_t(kept), to = order.begin() + std::ptrdiff_t(sorted);
      if (to != order.end()) std::nth_element(from, to, order.end(), compare);
      std::sort(from, to, compare);
    }
    sum += double(weights_[order[kept++]]);
  }
  std::vector<Candidate> left(kept);
  for (std::size_t i = 0; i < kept; ++i) left[i] = candidates_[order[i]];
  candidates_ = std::move(left);
}

// Those whose surprise is nearest to the expected surprise.
void Sampler::keep_typical() {
  const double total = weigh(1);
  double entropy = 0;
  std::vector<float> surprise(candidates_.size());
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const double p = double(weights_[i]) / total;
    if (p > 0) entropy -= p * std::log(p);
    surprise[i] = p > 0 ? float(-std::log(p)) : highest;
  }
  for (float& s : surprise) s = std::abs(s - float(entropy));
  keep_mass(options_.typical_p, total, [&](std::uint32_t a, std::uint32_t b) { return surprise[a] < surprise[b]; });
}

void Sampler::keep_top_p() {
  const double total = weigh(1);
  // All that are less likely than this hold less than 1 - top_p together, so that none of them is needed.
  const double negligible = (1 - double(options_.top_p)) * total / double(candidates_.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (double(weights_[i]) < negligible) continue;
    candidates_[kept] = candidates_[i];
    weights_[kept++] = weights_[i];
  }
  candidates_.resize(kept);
  keep_mass(options_.top_p, total,
            [&](std::uint32_t a, std::uint32_t b) { return candidates_[a].logit > candidates_[b].logit; });
}

void Sampler::keep_min_p() {
  weigh(1);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    if (weights_[i] >= options_.min_p) candidates_[kept++] = candidates_[i];
  candidates_.resize(kept);
}

Token Sampler::draw() {
  const double total = weigh(options_.temperature);
  double left = double(random_() >> 11) * 0x1p-53 * total;
  Token token = no_token;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (weights_[i] <= 0) continue;
    token = candidates_[i].token;
    left -= double(weights_[i]);
    if (left < 0) break;
  }
  return token;
}

// What may only fall makes room for as many others; what may rise may come from anywhere.
std::size_t Sampler::needed() const {
  const auto rises = [](const auto& bias) { return bias.second > 0; };
  if (options_.temperature != 0 && options_.top_k == 0) return 0;
  if (options_.repeat_penalty < 1 || options_.frequency_penalty < 0 || options_.presence_penalty < 0) return 0;
  if (std::ranges::any_of(options_.logit_bias, rises)) return 0;
  const std::size_t drawn_from = options_.temperature == 0 ? 1 : std::size_t(options_.top_k);
  return drawn_from + options_.logit_bias.size() + counts_.size();
}

Token Sampler::pick(std::span<float> logits, Constraint* constraint) {
  HEARTH_CHECK(!logits.empty());
  adjust(logits);
  if (options_.temperature == 0) {
    gather(logits, 1, constraint);
    HEARTH_CHECK(!candidates_.empty());
    return candidates_.front().token;
  }
  const bool filtered = options_.typical_p < 1 || options_.top_p < 1 || options_.min_p > 0;
  if (options_.top_k > 0) {
    gather(logits, std::size_t(options_.top_k), constraint);
  } else if (constraint && !filtered) {
    // A draw from all that is kept where allowed, and else made anew among the allowed, is a draw among the allowed.
    gather_all(logits);
    const Token token = draw();
    if (constraint->allows(token)) return token;
    constraint->mask(logits);
    gather_all(logits);
  } else {
    if (constraint) constraint->mask(logits);
    gather_all(logits);
  }
  HEARTH_CHECK(!candidates_.empty());
  if (options_.typical_p < 1) keep_typical();
  if (options_.top_p < 1) keep_top_p();
  if (options_.min_p > 0) keep_min_p();
  return draw();
}

}  // namespace hearth::sample
