#include "sample/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/error.h"

namespace hearth::sample {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Options plain() {  // every filter off
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 1};
}

// Whatever the logits are that are not among those needed, as long as they are lower.
TEST(Sampler, NeededLogitsDecide) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  const Options cases[] = {
      {.temperature = 0},
      {.temperature = 0, .repeat_penalty = 1.5f, .frequency_penalty = 0.5f, .presence_penalty = 0.5f},
      {},
      {.temperature = 0.7f, .top_k = 10, .top_p = 0.4f, .min_p = 0, .repeat_penalty = 1.18f},
      {.top_k = 5, .typical_p = 0.5f}};
  for (Options options : cases)
    for (int round = 0; round < 50; ++round) {
      options.seed = std::uint64_t(round) + 1;
      std::vector<float> logits(1000);
      for (float& logit : logits) logit = normal(random);
      std::vector<Token> order(logits.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::sort(order, [&](Token a, Token b) { return logits[a] > logits[b]; });
      if (round % 2) options.logit_bias = {{order[0], -infinity}, {order[1], -20.0f}, {order[2], -8.0f}};
      Sampler one(options), other(options);
      for (int i = 0; i < 70; ++i) {  // the likeliest were taken before, and are held down
        one.accept(order[i % 30]);
        other.accept(order[i % 30]);
      }
      const std::size_t needed = one.needed();
      ASSERT_GT(needed, 0u);
      ASSERT_LT(needed, 200u);
      std::vector<float> changed = logits;
      for (std::size_t i = needed; i < order.size(); ++i)
        changed[order[i]] = i % 2 ? std::nextafter(logits[order[needed - 1]], -infinity) : -30.0f;
      EXPECT_EQ(one.pick(logits), other.pick(changed));
    }
  EXPECT_EQ(Sampler({.top_k = 0}).needed(), 0u);
  EXPECT_EQ(Sampler({.repeat_penalty = 0.9f}).needed(), 0u);
  EXPECT_EQ(Sampler({.presence_penalty = -0.1f}).needed(), 0u);
  EXPECT_EQ(Sampler({.logit_bias = {{1, 0.5f}}}).needed(), 0u);
}

class Only : public Constraint {
 public:
  explicit Only(std::set<Token> tokens) : tokens_(std::move(tokens)) {}
  void mask(std::span<float> logits) override {
    ++masks;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (!tokens_.contains(Token(i))) logits[i] = -infinity;
  }
  bool allows(Token token) override { return tokens_.contains(token); }
  void accept(Token) override {}
  void limit(std::size_t) override {}
  bool complete() const override { return false; }
  std::unique_ptr<Constraint> clone() const override { return std::make_unique<Only>(*this); }
  int masks = 0;

 private:
  std::set<Token> tokens_;
};

std::vector<float> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(count);
  for (float& x : logits) x = normal(random);
  return logits;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1) {
  const float best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (float x : logits) p.push_back(std::exp((double(x) - double(best)) / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

// How often each token comes in many draws from the same logits.
std::vector<double> frequencies(const Options& options, const std::vector<float>& logits,
                                Constraint* constraint = nullptr, int draws = 40000) {
  Sampler sampler(options);
  std::vector<double> seen(logits.size());
  for (int i = 0; i < draws; ++i) {
    auto copy = logits;
    seen[std::size_t(sampler.pick(copy, constraint))] += 1.0 / draws;
  }
  return seen;
}

void expect_near(const std::vector<double>& seen, const std::vector<double>& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_NEAR(seen[i], expected[i], 0.012) << "token " << i;
    if (expected[i] == 0) {
      EXPECT_EQ(seen[i], 0) << "token " << i;
    }
  }
}

TEST(Sampler, GreedyTakesTheFirstOfTheMostLikely) {
  Options options = plain();
  options.temperature = 0;
  Sampler sampler(options);
  std::vector<float> logits = {1, 5, 2, 5, -1};
  EXPECT_EQ(sampler.pick(logits), 1);
  auto many = random_logits(1000, 3);
  const auto best = std::max_element(many.begin(), many.end()) - many.begin();
  EXPECT_EQ(sampler.pick(many), best);
}

TEST(Sampler, ASeedThatIsDrawnIsANumberOfJson) {
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t seed = Sampler(Options{}).seed();
    EXPECT_NE(seed, 0u);
    EXPECT_EQ(std::uint64_t(double(seed)), seed);
  }
}

TEST(Sampler, TemperatureDrawsFromTheSoftmax) {
  const std::vector<float> logits = {1, 0, 2, -1, 0.5};
  expect_near(frequencies(plain(), logits), softmax(logits));
  Options options = plain();
  options.temperature = 2;
  expect_near(frequencies(options, logits), softmax(logits, 2));
  options.temperature = 1e-30f;
  expect_near(frequencies(options, logits, nullptr, 100), {0, 0, 1, 0, 0});
}

TEST(Sampler, TopKKeepsTheMostLikely) {
  Options options = plain();
  options.top_k = 2;
  const double p = 1 / (1 + std::exp(-1.0));
  expect_near(frequencies(options, {1, 0, 2, -1, 0.5}), {1 - p, 0, p, 0, 0});
}

TEST(Sampler, TopKOfManyIsThatOfAFullSort) {
  Options options = plain();
  options.temperature = 1e6f;  // all that are left come equally often
  for (const std::int32_t k : {1, 7, 64, 299}) {
    options.top_k = k;
    auto logits = random_logits(300, unsigned(k));
    logits[17] = logits[200] = logits[260];  // equal ones
    std::vector<Token> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](Token a, Token b) { return logits[a] > logits[b]; });
    const std::set<Token> expected(order.begin(), order.begin() + k);
    const auto seen = frequencies(options, logits, nullptr, 10000);
    std::set<Token> found;
    for (std::size_t i = 0; i < seen.size(); ++i)
      if (seen[i] > 0) found.insert(Token(i));
    EXPECT_EQ(found, expected) << k;
  }
}

TEST(Sampler, TopPKeepsTheFewestThatHoldTheShare) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.1f), std::log(0.3f), std::log(0.1f)};
  Options options = plain();
  options.top_p = 0.75f;
  expect_near(frequencies(options, logits), {0.625, 0, 0.375, 0});
  options.top_p = 0.85f;  // of equals, the lower id
  expect_near(frequencies(options, logits), {0.5 / 0.9, 0.1 / 0.9, 0.3 / 0.9, 0});
  options.top_p = 0;
  expect_near(frequencies(options, logits, nullptr, 100), {1, 0, 0, 0});
}

TEST(Sampler, TopPOfManyNeedsMoreThanItSortsAtFirst) {
  const std::vector<float> logits(5000, 0.0f);
  Options options = plain();
  options.top_p = 0.5f;
  const auto seen = frequencies(options, logits, nullptr, 3000);
  const auto last = std::find_if(seen.rbegin(), seen.rend(), [](double s) { return s > 0; });
  EXPECT_NEAR(double(seen.rend() - last), 2500, 30);
}

TEST(Sampler, MinPKeepsWhatIsNearTheBest) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.1f), std::log(0.3f), std::log(0.1f)};
  Options options = plain();
  options.min_p = 0.5f;
  expect_near(frequencies(options, logits), {0.625, 0, 0.375, 0});
  options.min_p = 1;
  expect_near(frequencies(options, logits, nullptr, 100), {1, 0, 0, 0});
}

TEST(Sampler, TypicalKeepsWhatSurprisesAsExpected) {
  // Entropy 1.28 nats; surprises 0.92, 1.20, 1.61, 2.30: nearest first 1.20, 1.61, 0.92.
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)};
  Options options = plain();
  options.typical_p = 0.2f;
  expect_near(frequencies(options, logits, nullptr, 100), {0, 1, 0, 0});
  options.typical_p = 0.45f;
  expect_near(frequencies(options, logits), {0, 0.6, 0.4, 0});
}

TEST(Sampler, PenaltiesCountTokensOfTheWindow) {
  Options options = plain();
  options.temperature = 0;
  options.penalty_window = 2;
  options.frequency_penalty = 0.4f;
  options.presence_penalty = 0.3f;
  Sampler sampler(options);
  for (Token token : {0, 1, 1}) sampler.accept(token);  // 0 has left the window
  std::vector<float> logits = {0.1f, 1, 0};
  EXPECT_EQ(sampler.pick(logits), 0);
  EXPECT_FLOAT_EQ(logits[0], 0.1f);
  EXPECT_FLOAT_EQ(logits[1], 1 - 2 * 0.4f - 0.3f);

  options.penalty_window = -1;
  options.frequency_penalty = options.presence_penalty = 0;
  options.repeat_penalty = 2;
  Sampler repeat(options);
  for (Token token : {0, 2, 7, no_token}) repeat.accept(token);
  logits = {4, 1, -4};
  EXPECT_EQ(repeat.pick(logits), 0);
  EXPECT_EQ(logits, (std::vector<float>{2, 1, -8}));
}

TEST(Sampler, BiasIsAddedAndBans) {
  Options options = plain();
  options.temperature = 0;
  options.logit_bias = {{0, -infinity}, {2, 10.0f}, {99, 5.0f}};
  std::vector<float> logits = {100, 1, -8};
  EXPECT_EQ(Sampler(options).pick(logits), 2);
  options = plain();
  options.logit_bias = {{0, -infinity}};
  EXPECT_EQ(frequencies(options, {5, 1, 1})[0], 0);
  Only only({0});
  std::vector<float> again = {5, 1, 1};
  EXPECT_EQ(Sampler(options).pick(again, &only), 0) << "where nothing else may come";
}

TEST(Sampler, AnyValuesGiveSomeToken) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> hostile = {{nan, nan, nan},           {-infinity, -infinity},
                                                   {infinity, nan, infinity}, {nan, 1, -infinity},
                                                   {3e38f, -3e38f, 0},        {infinity, -infinity, 3e38f, nan},
                                                   {0.0f, -0.0f, 1e-45f},     std::vector<float>(1, 7)};
  for (const auto& logits : hostile)
    for (const float temperature : {0.0f, 1e-38f, 1.0f, 3e38f})
      for (const std::int32_t top_k : {0, 1, 2, 40})
        for (const float share : {0.0f, 0.5f, 1.0f}) {
          Options options{.temperature = temperature,
                          .top_k = top_k,
                          .top_p = share,
                          .min_p = 1 - share,
                          .typical_p = share,
                          .repeat_penalty = 1e30f,
                          .frequency_penalty = -1e38f,
                          .seed = 5};
          Sampler sampler(options);
          sampler.accept(0);
          auto copy = logits;
          const Token token = sampler.pick(copy);
          EXPECT_TRUE(token >= 0 && std::size_t(token) < logits.size());
          Only only({Token(logits.size() - 1)});
          copy = logits;
          EXPECT_EQ(sampler.pick(copy, &only), Token(logits.size() - 1));
        }
  std::vector<float> mixed = {nan, 1, nan};
  EXPECT_EQ(Sampler(plain()).pick(mixed), 1);
}

TEST(Sampler, ConstraintGivesTheDistributionOfMaskingFirst) {
  const std::vector<float> logits = {2, 1.5f, 1, 0.5f, 0, -0.5f, 3, -1};
  const std::set<Token> allowed = {1, 2, 4, 5, 7};
  auto masked = logits;
  Only(allowed).mask(masked);
  Options options = plain();
  for (int filter = 0; filter < 6; ++filter) {
    options = plain();
    if (filter == 1) options.top_k = 3;
    if (filter == 2) options.top_p = 0.8f;
    if (filter == 3) options.min_p = 0.3f;
    if (filter == 4) options.typical_p = 0.7f;
    if (filter == 5) options = {.seed = 9};
    Only only(allowed);
    // Masked logits without a constraint would be finite again; a ban by bias is the same distribution.
    Options banned = options;
    for (Token token : {0, 3, 6}) banned.logit_bias[token] = -infinity;
    expect_near(frequencies(options, logits, &only), frequencies(banned, logits));
  }
}

TEST(Sampler, ConstraintIsNotMaskedWhereCandidatesAreAllowed) {
  auto logits = random_logits(5000, 8);
  std::set<Token> most;
  for (Token token = 0; token < 5000; ++token)
    if (token % 10 != 3) most.insert(token);
  Only only(most);
  Options options;
  options.seed = 4;
  Sampler sampler(options);
  for (int i = 0; i < 50; ++i) {
    auto copy = logits;
    EXPECT_NE(sampler.pick(copy, &only) % 10, 3);
  }
  EXPECT_EQ(only.masks, 0);
  Only rare({4321});
  EXPECT_EQ(sampler.pick(logits, &rare), 4321);
  EXPECT_EQ(rare.masks, 1);
}

TEST(Sampler, GreedyUnderAConstraintIsTheBestAllowed) {
  Options options = plain();
  options.temperature = 0;
  Sampler sampler(options);
  for (unsigned seed = 0; seed < 50; ++seed) {
    auto logits = random_logits(2000, seed);
    std::mt19937 random(seed);
    std::set<Token> allowed;
    for (unsigned i = 0; i < 1 + seed * 10; ++i) allowed.insert(Token(random() % 2000));
    Token best = *allowed.begin();
    for (Token token : allowed)
      if (logits[token] > logits[best]) best = token;
    Only only(allowed);
    EXPECT_EQ(sampler.pick(logits, &only), best);
  }
}

TEST(Sampler, SeedReproduces) {
  std::vector<float> logits(500);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = float(i * 7919 % 500) / 50;
  const auto draws = [&](std::uint64_t seed) {
    Options options;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<Token> tokens;
    for (int i = 0; i < 8; ++i) {
      auto copy = logits;
      tokens.push_back(sampler.pick(copy));
      sampler.accept(tokens.back());
    }
    return tokens;
  };
  EXPECT_EQ(draws(42), (std::vector<Token>{25, 420, 25, 284, 93, 463, 278, 31}));
  EXPECT_NE(draws(42), draws(43));
  EXPECT_NE(Sampler(Options{}).seed(), Sampler(Options{}).seed());
}

void expect_refused(const Options& options, const std::string& message) {
  try {
    options.check();
    FAIL() << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_EQ(std::string(error.what()), message);
  }
}

TEST(Options, NonsenseIsNamed) {
  Options{}.check();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused({.temperature = -1}, "temperature -1 makes no sense, give 0 (greedy) or more");
  expect_refused({.temperature = nan}, "temperature nan makes no sense, give 0 (greedy) or more");
  expect_refused({.top_k = -3}, "top-k -3 makes no sense, give 0 (all) or more");
  expect_refused({.top_p = 1.5f}, "top-p 1.5 makes no sense, give a share from 0 to 1");
  expect_refused({.min_p = nan}, "min-p nan makes no sense, give a share from 0 to 1");
  expect_refused({.typical_p = -0.1f}, "typical-p -0.1 makes no sense, give a share from 0 to 1");
  expect_refused({.repeat_penalty = 0}, "repeat penalty 0 makes no sense, give more than 0; 1 is none");
  expect_refused({.frequency_penalty = infinity}, "frequency penalty inf makes no sense, give a number; 0 is none");
  expect_refused({.presence_penalty = nan}, "presence penalty nan makes no sense, give a number; 0 is none");
  expect_refused({.penalty_window = -2}, "penalty window -2 makes no sense, give a number of tokens, or -1 for all");
  expect_refused({.logit_bias = {{-4, 1.0f}}}, "logit bias for token -4 makes no sense, token ids start at 0");
  expect_refused({.logit_bias = {{4, nan}}},
                 "logit bias of token 4: nan makes no sense, give a number, or -infinity to ban the token");
}

}  // namespace
}  // namespace hearth::sample
