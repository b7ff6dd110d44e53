#include "engine/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "ops/activation.h"
#include "shared.h"

namespace hearth::engine {
namespace {

using Group = std::vector<Continuation>;

std::shared_ptr<Engine> tiny(const std::string& name, std::size_t threads = 2) {
  return Engine::open(tests::shared() / ("conformance/gguf/" + name + ".gguf"), {.threads = threads, .context = 64});
}

std::vector<Token> tokens(std::size_t length, Token seed) {
  std::vector<Token> tokens(length);
  for (std::size_t i = 0; i < length; ++i) tokens[i] = Token((seed * 31 + Token(i * i) * 7) % 128);
  return tokens;
}
std::vector<Token> operator+(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// All logits of one continuation by itself.
Likelihood by_definition(Engine& engine, const Continuation& one) {
  const std::size_t count = one.tokens.size() - 1, width = engine.model().vocabulary_size();
  const auto cache = engine.model().new_cache(count);
  std::vector<float> logs(count * width);
  const model::Segment segment{
      .cache = cache.get(), .tokens = std::span(one.tokens).first(count), .want = model::Segment::Want::all};
  engine.forward({&segment, 1}, {logs.data(), count, width}, {.care = ops::Care::outliers});
  engine.with_threads([&](ThreadPool& pool) { ops::log_softmax(pool, {logs.data(), count, width}); });
  Likelihood result{.log = 0, .greedy = true};
  for (std::size_t i = one.from; i < one.tokens.size(); ++i) {
    const float* const row = &logs[(i - 1) * width];
    result.log += double(row[one.tokens[i]]);
    result.greedy = result.greedy && std::max_element(row, row + width) == row + one.tokens[i];
  }
  return result;
}

std::vector<Group> groups_of_all_kinds() {
  const auto context = tokens(20, 1);
  std::vector<Group> groups{
      {{context + tokens(1, 2), 20}, {context + tokens(1, 3), 20}},                                // one token each
      {{context + tokens(5, 2), 20}, {context + tokens(9, 3), 20}, {context + tokens(1, 4), 20}},  // a context
      {{context + tokens(5, 2), 20}, {context + tokens(5, 2), 20}},                                // the same twice
      {{tokens(9, 5) + tokens(6, 2), 11}, {tokens(9, 5) + tokens(4, 3), 10}},  // the scored part begins later
      {{tokens(9, 6), 1}, {tokens(7, 7), 1}},                                  // nothing in common
      {{context + tokens(4, 2), 20}, {tokens(9, 8), 5}, {context + tokens(40, 2), 21}},
      {},
      {{tokens(2, 9), 1}},
      // a tree: each begins as another, is another's beginning, or is scored from where others are not
      {{context + tokens(6, 2) + tokens(3, 3), 20},
       {context + tokens(2, 4), 20},
       {context + tokens(6, 2), 20},
       {context + tokens(6, 2) + tokens(3, 4), 24},
       {context + tokens(3, 2) + tokens(5, 5), 20},
       {context + tokens(6, 2) + tokens(2, 4), 20}},
  };
  for (Token i = 0; i < 40; ++i)
    groups.push_back({{tokens(13, i) + tokens(Token(1 + i % 7), 2), 13}, {tokens(13, i) + tokens(3, 5), 13}});
  return groups;
}

TEST(Score, BatchedAsByItself) {
  HEARTH_NEEDS_SHARED();
  for (const char* name :
       {"llama-dense", "gemma2-dense", "granite-dense"}) {  // the second caps its logits, the third scales them
    const auto engine = tiny(name);
    const auto groups = groups_of_all_kinds();
    std::size_t heard = 0;
    const auto results = score(*engine, groups, {.progress = [&](std::size_t done) {
      heard = done;
      return true;
    }});
    EXPECT_EQ(heard, groups.size());
    ASSERT_EQ(results.size(), groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      ASSERT_EQ(results[i].size(), groups[i].size());
      for (std::size_t j = 0; j < groups[i].size(); ++j) {
        const Likelihood expected = by_definition(*engine, groups[i][j]);
        EXPECT_NEAR(results[i][j].log, expected.log, 2e-4 * double(groups[i][j].tokens.size()))
            << name << i << "," << j;
        EXPECT_EQ(results[i][j].greedy, expected.greedy) << name << i << "," << j;
      }
    }
    EXPECT_EQ(results[2][0].log, results[2][1].log);
  }
}

// With enough groups each thread scores some of its own.
TEST(Score, ThreadsAgreeAndTheCallerHears) {
  HEARTH_NEEDS_SHARED();
  std::vector<Group> groups;
  for (Token i = 0; i < 60; ++i) {
    const auto shared = tokens(4 + std::size_t(i) % 9, i);
    groups.push_back({{shared + tokens(3, i + 1), shared.size()}, {shared + tokens(5, i + 2), shared.size()}});
  }
  std::vector<std::vector<Likelihood>> alone;
  for (const std::size_t threads : {1, 2, 3}) {
    const auto engine = tiny("llama-dense", threads);
    const auto caller = std::this_thread::get_id();
    std::size_t heard = 0;
    std::vector<std::vector<Likelihood>> came(groups.size());
    const auto results = score(*engine, groups,
                               {.progress =
                                    [&](std::size_t done) {
                                      EXPECT_EQ(std::this_thread::get_id(), caller);
                                      EXPECT_GE(done, heard);
                                      heard = done;
                                      return true;
                                    },
                                .finished =
                                    [&](std::size_t first, std::span<const std::vector<Likelihood>> some) {
                                      for (std::size_t i = 0; i < some.size(); ++i) {
                                        EXPECT_TRUE(came[first + i].empty());
                                        came[first + i] = some[i];
                                      }
                                    }});
    EXPECT_EQ(heard, groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      ASSERT_EQ(came[i].size(), 2u);
      EXPECT_EQ(came[i][1].log, results[i][1].log);
    }
    if (threads == 1) alone = results;
    for (std::size_t i = 0; i < groups.size(); ++i)
      for (std::size_t j = 0; j < 2; ++j) EXPECT_NEAR(results[i][j].log, alone[i][j].log, 1e-3) << threads << " " << i;
    EXPECT_THROW(score(*engine, groups, {.progress = [](std::size_t) { return false; }}), Error);
    std::vector<Group> wrong = groups;
    wrong.back()[1].tokens.back() = 128;  // beyond the vocabulary, found by whoever scores it
    EXPECT_THROW(score(*engine, wrong), Error);
    EXPECT_NEAR(score(*engine, groups)[59][1].log, alone[59][1].log, 1e-3);
  }
}

// The caller, who tells how far it went on, is the first to take groups: the wrong one is another's, but for chance.
TEST(Score, NobodyGoesOnWhereAnotherHasFailed) {
  HEARTH_NEEDS_SHARED();
  std::vector<Group> groups(2000, {{tokens(12, 1), 8}, {tokens(12, 2), 8}});
  groups[100][0].tokens.back() = 128;  // beyond the vocabulary
  const auto engine = tiny("llama-dense");
  std::size_t farthest = 0;
  for (int i = 0; i < 8; ++i)
    EXPECT_THROW(score(*engine, groups,
                       {.progress = [&](std::size_t done) { return farthest = std::max(farthest, done), true; }}),
                 Error);
  EXPECT_LT(farthest, groups.size() / 2);
}

// What the model itself would say next is the likeliest.
TEST(Score, GreedyWhereItIs) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny("llama-dense");
  const auto prompt = tokens(12, 3);
  Request request;
  request.prompt = prompt;
  request.max_tokens = 6;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  const auto answer = Session(engine).generate(std::move(request)).tokens;
  ASSERT_EQ(answer.size(), 6u);
  const std::vector<Group> groups{{{prompt + answer, 12}, {prompt + tokens(6, 2), 12}}};
  const auto results = score(*engine, groups);
  EXPECT_TRUE(results[0][0].greedy);
  EXPECT_FALSE(results[0][1].greedy);
}

TEST(Score, NamesWhatCannotBeScored) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny("llama-dense");
  const auto code = [&](const Continuation& one) {
    const std::vector<Group> groups{{one}};
    try {
      score(*engine, groups);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(code({tokens(5, 1), 5}), Code::usage);
  EXPECT_EQ(code({tokens(5, 1), 0}), Code::usage);
  EXPECT_EQ(code({{}, 0}), Code::usage);
  EXPECT_EQ(code({tokens(66, 1), 4}), Code::too_long);
  EXPECT_EQ(code({{1, 2, 128}, 2}), Code::bad_input);
  EXPECT_EQ(code({{1, -1, 2}, 2}), Code::bad_input);
  const std::vector<Group> fine{{{tokens(65, 1), 4}}};
  EXPECT_EQ(score(*engine, fine).size(), 1u);
  EXPECT_THROW(score(*engine, fine, {.progress = [](std::size_t) { return false; }}), Error);
}

}  // namespace
}  // namespace hearth::engine
