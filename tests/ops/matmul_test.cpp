#include "ops/matmul.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <utility>

#include "levels.h"
#include "random_weights.h"

namespace hearth {
namespace {

using tensor::Type;

// A weight matrix whose last byte is the last that may be read: AddressSanitizer sees a kernel that reads past it.
struct Weights {
  std::vector<std::byte> bytes;
  tensor::Matrix matrix;

  Weights(Type type, std::size_t rows, std::size_t columns, std::mt19937& random)
      : bytes(tests::random_weights(type, rows * columns, random)), matrix{type, bytes.data(), rows, columns} {}

  std::vector<float> decoded() const {
    std::vector<float> all(matrix.rows * matrix.columns);
    tensor::info(matrix.type).decode(bytes.data(), all.data(), all.size());
    return all;
  }
};

std::vector<float> random_rows(std::size_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

std::vector<double> reference(const Weights& weights, std::span<const float> x, std::size_t tokens) {
  const std::vector<float> w = weights.decoded();
  const std::size_t rows = weights.matrix.rows, columns = weights.matrix.columns;
  std::vector<double> y(tokens * rows);
  for (std::size_t token = 0; token < tokens; ++token)
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t i = 0; i < columns; ++i)
        y[token * rows + row] += double(w[row * columns + i]) * double(x[token * columns + i]);
  return y;
}

bool is_half(Type type) {
  return type == Type::f16 || type == Type::bf16;
}

// What rounding allows, as a share of the result's power: float32 is exact but for its own rounding; halves' prompts
// may take bfloat16, which keeps 8 bits of each factor, or words; int8 rounds activations to 1/127 of the largest of
// 256, and may round weights likewise (AVX2 may to 1/63 where a format has eight bits). Everyone's care keeps 12
// bits of activations (AVX2) or more (AVX-512), a prompt's the weights.
double allowed(Type type, ops::Care care) {
  if (type == Type::f32 || (is_half(type) && ops::is_measured(care))) return 1e-12;
  if (care == ops::Care::everyone) return 3e-6;
  if (care == ops::Care::prompt && !is_half(type)) return 2e-4;
  if (care == ops::Care::rough && (type == Type::q8_0 || type == Type::iq4_nl || type == Type::iq4_xs)) return 1e-3;
  if (is_half(type)) return 2e-5;
  return 3e-4;
}

// As a share of the result's power.
double error_of(std::span<const float> got, std::span<const double> expected) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += (double(got[i]) - expected[i]) * (double(got[i]) - expected[i]);
    power += expected[i] * expected[i];
  }
  return power == 0 && error == 0 ? 0 : error / power;
}

void expect_close(std::span<const float> got, std::span<const double> expected, double most) {
  double power = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    power += expected[i] * expected[i];
    worst = std::max(worst, (double(got[i]) - expected[i]) * (double(got[i]) - expected[i]));
  }
  EXPECT_LE(error_of(got, expected), most);
  EXPECT_LE(worst, 40 * most * power / double(expected.size()));  // no single element may hide in the sum
}

struct Shape {
  std::size_t rows, columns, tokens;
};

void check(ThreadPool& pool, Type type, Shape shape, std::mt19937& random) {
  SCOPED_TRACE(std::string(tensor::info(type).name) + " rows " + std::to_string(shape.rows) + " columns " +
               std::to_string(shape.columns) + " tokens " + std::to_string(shape.tokens));
  const Weights weights(type, shape.rows, shape.columns, random);
  const std::vector<float> x = random_rows(shape.tokens * shape.columns, random);
  const std::vector<double> expected = reference(weights, x, shape.tokens);
  for (const ops::Care care :
       {ops::Care::rough, ops::Care::everyone, ops::Care::outliers, ops::Care::prompt, ops::Care::nobody}) {
    std::vector<float> y(shape.tokens * shape.rows, std::numeric_limits<float>::quiet_NaN());
    const ops::Product product{.weight = weights.matrix, .output = {y.data(), shape.tokens, shape.rows}};
    ops::matmul(pool, {x.data(), shape.tokens, shape.columns}, {&product, 1}, care);
    expect_close(y, expected, allowed(type, care));
  }
}

template <class Body>
void for_each_format(Body body) {
  for (const tensor::TypeInfo& info : tensor::types())
    if (info.type != Type::i32) body(info);
}

TEST(Matmul, EveryFormatOnEveryLevelAgreesWithItsDefinition) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(1);
    for_each_format([&](const tensor::TypeInfo& info) {
      for (const std::size_t tokens : {1, 2, 3, 4, 5, 7, 11, 12, 13, 30, 50, 64, 70}) {
        check(pool, info.type, {37, 512, tokens}, random);
        if (info.block_weights <= 32)
          for (const std::size_t columns : {32, 96, 288, 480, 576})
            check(pool, info.type, {19, columns, tokens}, random);
      }
      if (info.block_weights <= 32) check(pool, info.type, {17, 4128, 20}, random);
      check(pool, info.type, {50, 2048, 33}, random);
    });
  });
}

TEST(Matmul, FloatRowsOfAnyLength) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(2);
    for (const Type type : {Type::f32, Type::f16, Type::bf16})
      for (const std::size_t columns : {1, 7, 16, 33, 1000})
        for (const std::size_t tokens : {1, 3, 20}) check(pool, type, {17, columns, tokens}, random);
  });
}

// Words of 13 and 12 bits; floats where all depends on it, a row is no multiple of 16 long, or the result is measured.
TEST(Matmul, LongPromptsOfHalvesAreWordsWithoutAvx512) {
  tests::on_every_level([] {
    const std::string_view level = kernels::active().name;
    if (level != "avx2" && level != "avx_vnni") return;
    ThreadPool pool(1);
    std::mt19937 random(9);
    for (const Type type : {Type::f16, Type::bf16})
      for (const std::size_t columns : {16, 272, 1000, 2320})
        for (const std::size_t tokens : {8, 9, 64, 65, 70}) {
          const Weights weights(type, 37, columns, random);
          const std::vector<float> x = random_rows(tokens * columns, random);
          const std::vector<double> expected = reference(weights, x, tokens);
          for (const ops::Care care :
               {ops::Care::rough, ops::Care::everyone, ops::Care::outliers, ops::Care::prompt, ops::Care::nobody}) {
            SCOPED_TRACE(fmt::format("{} columns, {} tokens, care {}", columns, tokens, int(care)));
            std::vector<float> y(tokens * 37);
            const ops::Product product{.weight = weights.matrix, .output = {y.data(), tokens, 37}};
            ops::matmul(pool, {x.data(), tokens, columns}, {&product, 1}, care);
            const bool few = care == ops::Care::prompt || tokens <= 8;
            if (few || ops::is_measured(care) || columns % 16 != 0) {
              expect_close(y, expected, 1e-12);
            } else {
              expect_close(y, expected, 5e-7);
              EXPECT_GE(error_of(y, expected), 1e-9) << "are these floats?";
            }
          }
        }
  });
}

// Activations of one sign add up what weights are rounded to one side: errors would have one sign too. (Not so for
// formats whose weights have few values, each with an error of its own, nor for sums of bfloat16.)
TEST(Matmul, WeightsAreRoundedToNoSide) {
  tests::on_every_level([] {
    if (std::string_view(kernels::active().name) == "amx") return;
    ThreadPool pool(1);
    std::mt19937 random(13);
    constexpr std::size_t rows = 64, columns = 4096, tokens = 70;
    for_each_format([&](const tensor::TypeInfo& info) {
      if (info.type == Type::mxfp4 || info.type == Type::iq4_nl) return;
      const Weights weights(info.type, rows, columns, random);
      std::vector<float> x = random_rows(tokens * columns, random), y(tokens * rows);
      for (float& value : x) value = std::abs(value);
      ops::matmul(pool, {x.data(), tokens, columns}, weights.matrix, {y.data(), tokens, rows});
      const std::vector<double> expected = reference(weights, x, tokens);
      double sum = 0, squares = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        sum += double(y[i]) - expected[i];
        squares += (double(y[i]) - expected[i]) * (double(y[i]) - expected[i]);
      }
      EXPECT_LT(std::abs(sum), 0.5 * std::sqrt(squares * double(y.size()))) << info.name;
    });
  });
}

// A row with a rest of 32 columns, and one of 64; or of two blocks.
std::vector<std::size_t> columns_of(const tensor::TypeInfo& info) {
  if (info.block_weights > 32) return {512};
  return {288, 320};
}

// A token's NaN is seen in all its results, and in no other's, whichever form it goes in.
TEST(Matmul, NotANumberStaysOne) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(11);
    for_each_format([&](const tensor::TypeInfo& info) {
      for (const std::size_t columns : columns_of(info))
        for (const std::size_t tokens : {3, 6, 12, 70})
          for (const std::size_t column : {0, 100, 270})
            for (const ops::Care care : {ops::Care::nobody, ops::Care::prompt}) {
              const Weights weights(info.type, 19, columns, random);
              std::vector<float> x = random_rows(tokens * columns, random), y(tokens * 19);
              x[(tokens - 2) * columns + column] = std::numeric_limits<float>::quiet_NaN();
              const ops::Product product{.weight = weights.matrix, .output = {y.data(), tokens, 19}};
              ops::matmul(pool, {x.data(), tokens, columns}, {&product, 1}, care);
              for (std::size_t i = 0; i < y.size(); ++i)
                ASSERT_EQ(std::isnan(y[i]), i / 19 == tokens - 2)
                    << fmt::format("{}: {} of {} tokens, care {}", info.name, i, tokens, int(care));
            }
    });
  });
}

// Nor is one lost that is a block's scale, whichever of its bits are set; from infinity comes nothing finite.
TEST(Matmul, ScalesThatAreNoNumbersAreSeen) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(12);
    constexpr std::size_t rows = 19, row = 5;
    for_each_format([&](const tensor::TypeInfo& info) {
      if (info.block_weights == 1 || info.type == Type::mxfp4) return;
      for (const std::size_t columns : columns_of(info))
        for (const std::uint16_t scale : {std::uint16_t{0xffff}, std::uint16_t{0x7c00}}) {
          Weights weights(info.type, rows, columns, random);
          tests::set_scale(tensor::Formats{}, info.type,
                           weights.bytes.data() + row * weights.matrix.row_bytes() +
                               weights.matrix.row_bytes() / 2 / info.block_bytes * info.block_bytes,
                           scale);
          for (const std::size_t tokens : {3, 6, 12, 50, 70})
            for (const ops::Care care :
                 {ops::Care::rough, ops::Care::everyone, ops::Care::outliers, ops::Care::prompt, ops::Care::nobody}) {
              const std::vector<float> x = random_rows(tokens * columns, random);
              std::vector<float> y(tokens * rows);
              const ops::Product product{.weight = weights.matrix, .output = {y.data(), tokens, rows}};
              ops::matmul(pool, {x.data(), tokens, columns}, {&product, 1}, care);
              for (std::size_t i = 0; i < y.size(); ++i)
                ASSERT_TRUE(i % rows != row   ? std::isfinite(y[i])
                            : scale == 0x7c00 ? !std::isfinite(y[i])
                                              : std::isnan(y[i]))
                    << fmt::format("{} of scale {:x}: {} of {} tokens, care {}", info.name, scale, i, tokens,
                                   int(care));
            }
        }
    });
  });
}

// Rows that hold infinity or NaN give no finite number, whatever stands in the others; magnitudes at the ends of the
// type's range give what they should.
TEST(Matmul, HalvesOfAnyMagnitude) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(10);
    constexpr std::size_t rows = 19, columns = 528, tokens = 70;
    const std::vector<float> x = random_rows(tokens * columns, random);
    struct Case {
      Type type;
      std::uint16_t infinity, nan;
      std::uint16_t least_exponent, exponents;  // of the bits, where products are no less than normal floats
    };
    for (const Case& each :
         {Case{Type::f16, 0x7c00, 0x7e01, 0, 0x7800}, Case{Type::bf16, 0x7f80, 0xffc1, 0x1000, 0x7800}}) {
      SCOPED_TRACE(std::string(tensor::info(each.type).name));
      std::vector<std::uint16_t> bits(rows * columns);
      for (std::size_t row = 0; row < rows; ++row) {
        const auto exponent =
            static_cast<std::uint16_t>(each.least_exponent + (each.exponents - each.least_exponent) * row / rows);
        for (std::size_t i = 0; i < columns; ++i)
          bits[row * columns + i] = static_cast<std::uint16_t>((random() & 0x8000) | (exponent + random() % 256));
      }
      std::fill_n(bits.begin() + 3 * columns + 256, 256, std::uint16_t{0});  // a group of zeros
      const tensor::Matrix matrix{each.type, reinterpret_cast<const std::byte*>(bits.data()), rows, columns};
      const auto products = [&] {
        std::vector<float> y(tokens * rows);
        ops::matmul(pool, {x.data(), tokens, columns}, matrix, {y.data(), tokens, rows});
        return y;
      };
      std::vector<float> w(rows * columns);
      tensor::info(each.type).decode(matrix.data, w.data(), w.size());
      const std::vector<float> finite = products();
      for (std::size_t row = 0; row < rows; ++row) {
        std::vector<float> got(tokens);
        std::vector<double> expected(tokens);
        for (std::size_t token = 0; token < tokens; ++token) {
          got[token] = finite[token * rows + row];
          for (std::size_t i = 0; i < columns; ++i)
            expected[token] += double(w[row * columns + i]) * double(x[token * columns + i]);
        }
        EXPECT_LE(error_of(got, expected), 2e-5) << "row " << row;
      }
      bits[5 * columns + 300] = each.infinity;
      bits[6 * columns + 527] = each.infinity | 0x8000;
      bits[17 * columns] = each.nan;
      const std::vector<float> y = products();
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t row = i % rows;
        if (row == 5 || row == 6 || row == 17)
          EXPECT_FALSE(std::isfinite(y[i])) << "row " << row;
        else
          EXPECT_EQ(y[i], finite[i]) << "row " << row;
      }
    }
  });
}

TEST(Matmul, ManyColumnsAndManyTokens) {
  tests::on_every_level([] {
    ThreadPool pool(2);
    std::mt19937 random(3);
    check(pool, Type::q8_0, {33, 9216, 20}, random);
    check(pool, Type::q4_k, {5, 9216, 20}, random);
    check(pool, Type::f16, {33, 5000, 20}, random);
    check(pool, Type::q4_0, {40, 64, 1100}, random);
  });
}

// Values far above the rest of their token leave that its precision.
TEST(Matmul, OutliersCostTheOthersNothing) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    std::mt19937 random(8);
    constexpr std::size_t rows = 37, columns = 4352, tokens = 71;
    std::vector<float> x = random_rows(tokens * columns, random);
    const std::vector<float> rest = x;
    for (std::size_t i = 0; i < x.size(); i += 251 + i % 7) x[i] *= 30;
    // Most tokens have some in the same columns.
    for (std::size_t i = 0; i < x.size(); ++i)
      if (i % columns % 256 < 2 && random() % 4 != 0) x[i] = 30 * rest[i];
    for_each_format([&](const tensor::TypeInfo& info) {
      SCOPED_TRACE(std::string(info.name));
      const Weights weights(info.type, rows, columns, random);
      const std::vector<double> expected = reference(weights, x, tokens), others = reference(weights, rest, tokens);
      const auto products = [&](std::size_t first, std::size_t count, ops::Care care = ops::Care::outliers) {
        std::vector<float> y(count * rows);
        const ops::Product product{.weight = weights.matrix, .output = {y.data(), count, rows}};
        ops::matmul(pool, {x.data() + first * columns, count, columns}, {&product, 1}, care);
        return y;
      };
      const auto error_of = [&](const std::vector<float>& y) {  // beside the power of what the others give
        double error = 0, power = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
          error += (double(y[i]) - expected[i]) * (double(y[i]) - expected[i]);
          power += others[i] * others[i];
        }
        return error / power;
      };
      const std::vector<float> all = products(0, tokens);
      EXPECT_LE(error_of(all), 2e-4);
      // Prompts and sequences set fewer aside where a scale is for 64 columns; otherwise these have up to 3e-3.
      const std::string_view level = kernels::active().name;
      for (const std::size_t count : {std::size_t{20}, tokens})
        if (level.starts_with("avx512") || level == "avx_vnni") {
          EXPECT_LE(error_of(products(0, count, ops::Care::nobody)), 1e-3) << count;
        }
      // Whoever stands beside a token changes nothing.
      if (info.block_weights == 1) return;  // F32 and halves: no rounding that depends on them
      for (const std::size_t count : {1, 6, 13})
        for (const std::size_t first : {1, 50}) {
          const std::vector<float> some = products(first, count);
          EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + std::ptrdiff_t(first * rows)));
        }
    });
  });
}

TEST(Matmul, ThreadsDoNotChangeABit) {
  tests::on_every_level([] {
    std::mt19937 random(4);
    ThreadPool one(1), two(2), three(3);
    for_each_format([&](const tensor::TypeInfo& info) {
      SCOPED_TRACE(std::string(info.name));
      const std::size_t columns = info.block_weights <= 32 ? 320 : 256;  // with a rest, where there may be one
      const Weights a(info.type, 200, columns, random), b(info.type, 75, columns, random);
      for (const std::size_t tokens : {1, 4, 7, 40, 64, 70}) {
        const std::vector<float> x = random_rows(tokens * columns, random);
        for (const ops::Care care : {ops::Care::nobody, ops::Care::prompt}) {
          std::vector<std::vector<float>> results;
          for (ThreadPool* pool : {&one, &two, &three}) {
            std::vector<float> y(tokens * 275);
            const ops::Product products[] = {{a.matrix, {y.data(), tokens, 200, 275}},
                                             {b.matrix, {y.data() + 200, tokens, 75, 275}}};
            ops::matmul(*pool, {x.data(), tokens, columns}, products, care);
            results.push_back(y);
          }
          EXPECT_EQ(results[0], results[1]);
          EXPECT_EQ(results[0], results[2]);
        }
      }
    });
  });
}

// Whether a token stands in a full tile or in the last one, and its sums where they belong or beside them.
TEST(Matmul, TokensAfterDoNotChangeABit) {
  tests::on_every_level([] {
    constexpr std::size_t rows = 72, most = 96;
    std::mt19937 random(6);
    ThreadPool pool(2);
    for_each_format([&](const tensor::TypeInfo& info) {
      SCOPED_TRACE(std::string(info.name));
      const std::size_t columns = info.block_weights <= 32 ? 2368 : 2304;  // a chunk, and a rest where there may be one
      const std::vector<float> x = random_rows(most * columns, random), before = random_rows(most * rows, random);
      const Weights weights(info.type, rows, columns, random);
      for (const bool accumulate : {false, true})
        for (const ops::Care care : {ops::Care::nobody, ops::Care::prompt}) {
          const auto product = [&](std::size_t tokens) {
            std::vector<float> y(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(tokens * rows));
            const ops::Product one{
                .weight = weights.matrix, .output = {y.data(), tokens, rows}, .accumulate = accumulate};
            ops::matmul(pool, {x.data(), tokens, columns}, {&one, 1}, care);
            return y;
          };
          const auto same = [&](std::size_t few, std::size_t all) {
            std::vector<float> y = product(all);
            y.resize(few * rows);
            EXPECT_EQ(product(few), y) << few << " of " << all;
          };
          same(10, 40);
          same(70, 96);
          // A single token's sums of float weights go in more chains.
          if (care == ops::Care::nobody && !kernels::has_floats(info.type))
            for (std::size_t all = 2; all <= ops::few_tokens(); ++all) same(1, all);
        }
    });
  });
}

TEST(Matmul, SharesActivationsAmongProductsAddsBiasAndAccumulates) {
  tests::on_every_level([] {
    std::mt19937 random(5);
    ThreadPool pool(2);
    const Weights a(Type::q4_k, 48, 512, random), b(Type::f32, 21, 512, random), c(Type::q6_k, 80, 512, random);
    for (const std::size_t tokens : {1, 6, 25}) {
      const std::size_t stride = 530;  // rows of activations need not be dense
      const std::vector<float> dense = random_rows(tokens * 512, random), bias = random_rows(80, random);
      std::vector<float> x(tokens * stride, 1e9f);
      for (std::size_t t = 0; t < tokens; ++t) std::copy_n(dense.data() + t * 512, 512, x.data() + t * stride);
      std::vector<float> ya(tokens * 48), yb(tokens * 21), yc(tokens * 80, 3.5f);
      const ops::Product products[] = {{a.matrix, {ya.data(), tokens, 48}, bias.data()},
                                       {b.matrix, {yb.data(), tokens, 21}},
                                       {c.matrix, {yc.data(), tokens, 80}, bias.data(), true}};
      ops::matmul(pool, {x.data(), tokens, 512, stride}, products, ops::Care::prompt);
      std::vector<double> ra = reference(a, dense, tokens), rb = reference(b, dense, tokens),
                          rc = reference(c, dense, tokens);
      for (std::size_t i = 0; i < ra.size(); ++i) ra[i] += double(bias[i % 48]);
      for (std::size_t i = 0; i < rc.size(); ++i) rc[i] += 3.5 + double(bias[i % 80]);
      expect_close(ya, ra, allowed(Type::q4_k, ops::Care::prompt));
      expect_close(yb, rb, allowed(Type::f32, ops::Care::prompt));
      expect_close(yc, rc, allowed(Type::q6_k, ops::Care::prompt));
    }
  });
}

// Every product of a sum at its largest, and of one sign: what saturates or wraps in few bits would show here.
TEST(Matmul, LargestCodesAndValuesDoNotSaturate) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    constexpr std::size_t rows = 17, columns = 512;
    for_each_format([&](const tensor::TypeInfo& info) {
      if (info.block_weights == 1) return;
      constexpr int extremes[] = {0x00, 0x0f, 0x7f, 0x80, 0xf0, 0xff};
      std::vector<float> weights(columns);
      const auto decoded = [&](int byte) {
        const std::vector<std::byte> bytes = tests::extreme_weights(tensor::Formats{}, info.type, rows * columns, byte);
        info.decode(bytes.data(), weights.data(), columns);
        return bytes;
      };
      // Where codes are brought to one scale of eight bits, its step is that of the format's whole range.
      double range = 0;
      for (const int byte : extremes) {
        decoded(byte);
        for (const float weight : weights) range = std::max(range, std::abs(double(weight)));
      }
      for (const int byte : extremes) {
        SCOPED_TRACE(std::string(info.name) + " of bytes " + std::to_string(byte));
        const std::vector<std::byte> bytes = decoded(byte);
        for (const std::size_t tokens : {1, 3, 8, 21, 65})
          for (const int pattern : {0, 1, 2, 3}) {
            std::vector<float> x(tokens * columns), y(tokens * rows);
            double expected = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
              x[i] = pattern == 0 ? 1.0f : pattern == 1 ? -1.0f : std::copysign(1.0f, weights[i % columns]);
              if (pattern == 3) x[i] *= 0.3f + 0.007f * float(i % columns * 37 % 101);
            }
            for (std::size_t i = 0; i < columns; ++i) expected += double(weights[i]) * double(x[i]);
            ops::matmul(pool, {x.data(), tokens, columns}, {info.type, bytes.data(), rows, columns},
                        {y.data(), tokens, rows});
            // Half a step, all of one sign, of activations (on AVX2 a larger one for Q8_0) and of IQ4's values; a sum
            // that saturates is off by far more.
            const double step = info.name.starts_with("IQ4") || info.type == Type::q8_0 ? 8.2e-3 : 4e-3;
            for (const float value : y)
              ASSERT_NEAR(value, expected, step * range * columns + 1e-5) << tokens << " tokens";
          }
      }
    });
  });
}

TEST(Matmul, ZerosStayZeroAndScalesMayBeZero) {
  tests::on_every_level([] {
    ThreadPool pool(1);
    for_each_format([&](const tensor::TypeInfo& info) {
      SCOPED_TRACE(std::string(info.name));
      for (const std::size_t tokens : {1, 20}) {
        std::mt19937 random(6);
        const Weights some(info.type, 20, 256, random);
        const std::vector<std::byte> none(20 * tensor::row_bytes(info.type, 256));
        const std::vector<float> zeros(tokens * 256), x = random_rows(tokens * 256, random);
        std::vector<float> y(tokens * 20, 1);
        ops::matmul(pool, {zeros.data(), tokens, 256}, some.matrix, {y.data(), tokens, 20});
        for (const float value : y) EXPECT_EQ(value, 0);
        ops::matmul(pool, {x.data(), tokens, 256}, {info.type, none.data(), 20, 256}, {y.data(), tokens, 20});
        for (const float value : y) EXPECT_NEAR(value, 0, 1e-30);
      }
    });
  });
}

TEST(Matmul, NothingToDo) {
  ThreadPool pool(1);
  std::mt19937 random(7);
  const Weights weights(Type::q8_0, 4, 32, random);
  ops::matmul(pool, {nullptr, 0, 32}, weights.matrix, {nullptr, 0, 4});
  const float x[32] = {};
  ops::matmul(pool, {x, 1, 32}, {Type::q8_0, nullptr, 0, 32}, {nullptr, 1, 0});
}

}  // namespace
}  // namespace hearth
