#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"
#include "levels.h"

namespace hearth::ops {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::size_t count, unsigned seed, float spread = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  Floats values(count);
  for (float& v : values) v = normal(random);
  return values;
}

// A cache's row as its format defines it, written down once more.
double half(const std::byte* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, 2);
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
  return bits & 0x8000 ? -size : size;
}
double element(KvType type, const std::byte* row, std::size_t i) {
  switch (type) {
    case KvType::f32: {
      float value;
      std::memcpy(&value, row + 4 * i, 4);
      return value;
    }
    case KvType::f16:
      return half(row + 2 * i);
    case KvType::q8_0: {
      const std::byte* block = row + i / 32 * 34;
      return half(block) * static_cast<std::int8_t>(block[2 + i % 32]);
    }
    case KvType::q4_0: {
      const std::byte* block = row + i / 32 * 18;
      const int pair = static_cast<int>(block[2 + i % 16]);
      return half(block) * ((i % 32 < 16 ? pair & 15 : pair >> 4) - 8);
    }
  }
  return 0;
}

struct Case {
  std::size_t heads = 4, heads_kv = 2, key_width = 64, value_width = 64, tokens = 5, first = 0;
  KvType type = KvType::f32;
  float softcap = 0;
  std::size_t window = 0;
  bool causal = true, slopes = false, exact = true;
};

// One sequence with its cache filled through store_kv.
struct Sequence {
  Case c;
  std::vector<std::byte> keys, values;
  Floats queries, key_rows, value_rows, slopes;

  Sequence(ThreadPool& pool, const Case& which, unsigned seed = 1) : c(which) {
    const std::size_t total = c.first + c.tokens;
    keys.resize(c.heads_kv * capacity() * kv_row_bytes(c.type, c.key_width));
    values.resize(c.heads_kv * capacity() * kv_row_bytes(c.type, c.value_width));
    queries = random_floats(c.tokens * c.heads * c.key_width, seed);
    key_rows = random_floats(total * c.heads_kv * c.key_width, seed + 1);
    value_rows = random_floats(total * c.heads_kv * c.value_width, seed + 2);
    for (std::size_t head = 0; head < c.heads; ++head)
      slopes.push_back(std::exp2(-8.0f * float(head + 1) / float(c.heads)));
    const std::size_t some = total / 3;  // in two parts, as a running cache is filled
    for (const auto& [begin, end] : {std::pair{std::size_t{0}, some}, std::pair{some, total}})
      store_kv(pool, view(), begin,
               {key_rows.data() + begin * c.heads_kv * c.key_width, end - begin, c.heads_kv * c.key_width,
                c.heads_kv * c.key_width},
               {value_rows.data() + begin * c.heads_kv * c.value_width, end - begin, c.heads_kv * c.value_width,
                c.heads_kv * c.value_width});
  }
  std::size_t capacity() const { return c.first + c.tokens + 7; }
  KvView view() {
    return {.type = c.type,
            .keys = keys.data(),
            .values = values.data(),
            .heads_kv = c.heads_kv,
            .capacity = capacity(),
            .key_width = c.key_width,
            .value_width = c.value_width};
  }
  AttentionOptions options() const {
    return {.heads = c.heads,
            .scale = 1.3f / std::sqrt(float(c.key_width)),
            .softcap = c.softcap,
            .window = c.window,
            .causal = c.causal,
            .exact = c.exact,
            .slopes = c.slopes ? slopes.data() : nullptr};
  }
  AttentionJob job(Floats& output, std::size_t begin, std::size_t end) {
    return {.queries = {queries.data() + begin * c.heads * c.key_width, end - begin, c.heads * c.key_width,
                        c.heads * c.key_width},
            .output = {output.data() + begin * c.heads * c.value_width, end - begin, c.heads * c.value_width,
                       c.heads * c.value_width},
            .cache = view(),
            .first = c.first + begin};
  }
  Floats output() const { return Floats(c.tokens * c.heads * c.value_width, NAN); }
  Floats run(ThreadPool& pool) {
    Floats out = output();
    const AttentionJob whole = job(out, 0, c.tokens);
    attention(pool, options(), {&whole, 1});
    return out;
  }
  // The definition: every logit, softmax, weighted sum, in double precision over the cache as stored.
  std::vector<double> reference() const {
    std::vector<double> out;
    const std::size_t total = c.first + c.tokens;
    const std::size_t key_bytes = kv_row_bytes(c.type, c.key_width), value_bytes = kv_row_bytes(c.type, c.value_width);
    for (std::size_t token = 0; token < c.tokens; ++token)
      for (std::size_t head = 0; head < c.heads; ++head) {
        const std::size_t head_kv = head / (c.heads / c.heads_kv), position = c.first + token;
        const float* query = queries.data() + (token * c.heads + head) * c.key_width;
        std::vector<double> weights(total);
        double sum = 0, largest = -INFINITY;
        for (std::size_t p = 0; p < total; ++p) {
          weights[p] = -INFINITY;
          if ((c.causal && p > position) || (c.window && p + c.window <= position)) continue;
          const std::byte* key = keys.data() + (head_kv * capacity() + p) * key_bytes;
          double logit = 0;
          for (std::size_t i = 0; i < c.key_width; ++i) logit += query[i] * element(c.type, key, i);
          logit *= options().scale;
          if (c.softcap > 0) logit = c.softcap * std::tanh(logit / c.softcap);
          if (c.slopes) logit += slopes[head] * (double(p) - double(position));
          weights[p] = logit;
          largest = std::max(largest, logit);
        }
        for (double& weight : weights) sum += weight = std::exp(weight - largest);
        for (std::size_t i = 0; i < c.value_width; ++i) {
          double value = 0;
          for (std::size_t p = 0; p < total; ++p)
            value += weights[p] * element(c.type, values.data() + (head_kv * capacity() + p) * value_bytes, i);
          out.push_back(value / sum);
        }
      }
    return out;
  }
};

double normalised_error(const Floats& got, const std::vector<double>& want) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    power += want[i] * want[i];
  }
  return error / power;
}

// A step of 1/2047 of the largest of a row of values, as a share of the result's power.
constexpr double rounded_to_words = 1e-6;

void check(const Case& c) {
  ThreadPool pool(2);
  Sequence sequence(pool, c);
  const auto want = sequence.reference();
  tests::on_every_level([&] {
    sequence.c.exact = true;
    EXPECT_LT(normalised_error(sequence.run(pool), want), 1e-12);
    sequence.c.exact = false;  // a cache in f32 is for those who want it exact
    EXPECT_LT(normalised_error(sequence.run(pool), want), c.type == KvType::f32 ? 1e-12 : rounded_to_words);
  });
}

TEST(Attention, one_token_alone) {
  check({.tokens = 1});
}
TEST(Attention, few_tokens) {
  check({.tokens = 7});
}
TEST(Attention, prompt) {
  check({.tokens = 150});
}
TEST(Attention, prompt_after_a_prefix) {
  check({.tokens = 70, .first = 333});
}
TEST(Attention, generation_over_several_chunks) {
  check({.heads = 9, .heads_kv = 3, .tokens = 1, .first = 1000});
}
TEST(Attention, one_kv_head_for_all) {
  check({.heads = 13, .heads_kv = 1, .tokens = 3, .first = 300});
}
TEST(Attention, a_kv_head_each) {
  check({.heads = 3, .heads_kv = 3, .tokens = 40, .first = 100});
}

TEST(Attention, any_head_width) {
  for (const std::size_t width : {8, 20, 32, 40, 80, 96, 100, 128, 192, 256, 288})
    for (const std::size_t tokens : {2, 30})
      for (const KvType type : {KvType::f32, KvType::f16}) {
        SCOPED_TRACE(testing::Message() << width << " wide, " << tokens << " tokens, type " << int(type));
        check({.heads = 3,
               .heads_kv = 1,
               .key_width = width,
               .value_width = width,
               .tokens = tokens,
               .first = 50,
               .type = type});
      }
}
TEST(Attention, keys_and_values_of_different_width) {
  for (const std::size_t tokens : {1, 64}) check({.key_width = 192, .value_width = 128, .tokens = tokens, .first = 90});
}
TEST(Attention, windows) {
  for (const std::size_t window : {1, 2, 63, 64, 65, 200, 1000})
    for (const std::size_t tokens : {1, 5, 40, 300}) {
      SCOPED_TRACE(testing::Message() << "window " << window << ", " << tokens << " tokens");
      check({.heads = 2,
             .heads_kv = 1,
             .key_width = 32,
             .value_width = 32,
             .tokens = tokens,
             .first = 400,
             .window = window});
    }
}
TEST(Attention, softcap) {
  for (const std::size_t tokens : {3, 50}) check({.tokens = tokens, .first = 100, .softcap = 2});
}
TEST(Attention, slopes) {
  for (const std::size_t tokens : {3, 50})
    check({.heads = 6, .heads_kv = 3, .tokens = tokens, .first = 100, .slopes = true});
}
TEST(Attention, both_ways) {
  for (const std::size_t tokens : {1, 9, 130})
    check({.heads = 12, .heads_kv = 12, .key_width = 32, .value_width = 32, .tokens = tokens, .causal = false});
}
TEST(Attention, cache_types) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::q8_0, KvType::q4_0})
    for (const std::size_t tokens : {1, 20}) {
      SCOPED_TRACE(testing::Message() << "type " << int(type) << ", " << tokens << " tokens");
      check({.tokens = tokens, .first = 270, .type = type});
    }
}

TEST(Attention, stored_rows_are_close_to_what_was_given) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const auto& [type, tolerance] : {std::pair{KvType::f32, 0.0}, std::pair{KvType::f16, 5e-4},
                                          std::pair{KvType::q8_0, 4.1e-3}, std::pair{KvType::q4_0, 6.3e-2}}) {
      Sequence s(pool, {.tokens = 9, .type = type});
      const std::size_t width = s.c.key_width;
      for (std::size_t p = 0; p < 9; ++p)
        for (std::size_t head = 0; head < 2; ++head) {
          const float* given = s.key_rows.data() + (p * 2 + head) * width;
          const std::byte* row = s.keys.data() + (head * s.capacity() + p) * kv_row_bytes(type, width);
          for (std::size_t i = 0; i < width; ++i) {
            double largest = 0;  // of the block: the step of a quantised one
            for (std::size_t k = i / 32 * 32; k < i / 32 * 32 + 32; ++k)
              largest = std::max<double>(largest, std::abs(given[k]));
            EXPECT_NEAR(element(type, row, i), given[i], tolerance * largest * 2);
          }
        }
    }
  });
}

TEST(Attention, large_logits_do_not_overflow) {
  ThreadPool pool(1);
  tests::on_every_level([&] {
    Sequence s(pool, {.tokens = 30, .first = 100});
    for (float& q : s.queries) q *= 1000;
    EXPECT_LT(normalised_error(s.run(pool), s.reference()), 1e-6);
  });
}

TEST(Attention, is_the_same_for_any_number_of_threads) {
  tests::on_every_level([&] {
    for (const Case& c :
         {Case{.heads = 9, .heads_kv = 3, .tokens = 1, .first = 1500, .type = KvType::f16},
          Case{.heads = 9, .heads_kv = 3, .tokens = 300, .first = 77, .type = KvType::f16},
          Case{.heads = 9, .heads_kv = 3, .tokens = 300, .first = 77, .type = KvType::f16, .exact = false}}) {
      ThreadPool one(1);
      Sequence s(one, c);
      const Floats want = s.run(one);
      for (const std::size_t threads : {2, 3, 8}) {
        ThreadPool pool(threads);
        EXPECT_EQ(s.run(pool), want) << threads;
      }
    }
  });
}

TEST(Attention, a_token_does_not_depend_on_those_generated_beside_it) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const std::size_t window : {0, 100}) {
      Sequence s(pool, {.heads = 9, .heads_kv = 3, .tokens = 9, .first = 508, .type = KvType::f16, .window = window});
      const Floats together = s.run(pool);
      Floats alone = s.output();
      for (std::size_t t = 0; t < 9; ++t) {
        const AttentionJob job = s.job(alone, t, t + 1);
        attention(pool, s.options(), {&job, 1});
      }
      EXPECT_EQ(together, alone);
    }
  });
}

TEST(Attention, a_prompt_may_come_in_parts) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const bool exact : {true, false}) {
      Sequence s(pool, {.heads = 9, .heads_kv = 3, .tokens = 200, .first = 30, .type = KvType::f16, .exact = exact});
      const Floats whole = s.run(pool);
      Floats parts = s.output();
      for (const auto& [begin, end] :
           {std::pair{std::size_t{0}, std::size_t{90}}, std::pair{std::size_t{90}, std::size_t{200}}}) {
        const AttentionJob job = s.job(parts, begin, end);
        attention(pool, s.options(), {&job, 1});
      }
      EXPECT_EQ(whole, parts);
    }
  });
}

TEST(Attention, jobs_of_one_batch_do_not_meet) {
  ThreadPool pool(3);
  tests::on_every_level([&] {
    std::vector<Sequence> sequences;
    for (const auto& [tokens, first] :
         {std::pair{1, 0}, std::pair{1, 900}, std::pair{40, 10}, std::pair{5, 300}, std::pair{0, 60}})
      sequences.emplace_back(pool,
                             Case{.tokens = std::size_t(tokens), .first = std::size_t(first), .type = KvType::f16},
                             7 * unsigned(sequences.size()));
    std::vector<Floats> outputs;
    for (const Sequence& s : sequences) outputs.push_back(s.output());
    std::vector<AttentionJob> jobs;
    for (std::size_t i = 0; i < sequences.size(); ++i)
      jobs.push_back(sequences[i].job(outputs[i], 0, sequences[i].c.tokens));
    attention(pool, sequences[0].options(), jobs);
    for (std::size_t i = 0; i < sequences.size(); ++i) EXPECT_EQ(outputs[i], sequences[i].run(pool)) << i;
  });
}

TEST(Attention, nothing_to_do) {
  ThreadPool pool(2);
  attention(pool, {.heads = 4}, {});
}

TEST(Attention, refuses_quantised_rows_that_are_not_whole_blocks) {
  EXPECT_EQ(kv_row_bytes(KvType::q8_0, 64), 68u);
  EXPECT_EQ(kv_row_bytes(KvType::q4_0, 64), 36u);
  EXPECT_EQ(kv_row_bytes(KvType::f16, 40), 80u);
  try {
    kv_row_bytes(KvType::q8_0, 40);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_STREQ(error.what(), "a quantised KV cache for heads 40 wide, blocks hold 32 values: use f16 or f32");
  }
}

}  // namespace
}  // namespace hearth::ops
