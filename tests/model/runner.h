// Runs models for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "model/model.h"

namespace hearth::tests {

inline nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}

// Sum of squared differences over sum of squares.
inline double normalised_error(std::span<const float> got, std::span<const float> expected) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(expected[i]);
    error += difference * difference;
    power += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return error / power;
}

struct Runner {
  std::shared_ptr<const model::Model> model;
  ThreadPool pool{2};
  std::shared_ptr<model::Model::Scratch> scratch = model::Model::new_scratch();

  explicit Runner(std::shared_ptr<const model::Model> m) : model(std::move(m)) {}

  std::size_t width() const { return model->is_encoder() ? model->width() : model->vocabulary_size(); }

  // Feeds `tokens` at the positions after what `cache` holds; logits (or hidden states) of all, or of the last.
  std::vector<float> feed(model::KvCache* cache, std::span<const Token> tokens,
                          model::Segment::Want want = model::Segment::Want::all,
                          const model::ForwardOptions& options = {}) {
    const std::size_t rows = want == model::Segment::Want::all ? tokens.size() : want == model::Segment::Want::last;
    std::vector<float> out(rows * width());
    const model::Segment segment{.cache = cache, .tokens = tokens, .want = want};
    model->forward(pool, {&segment, 1}, *scratch, {out.data(), rows, width()}, options);
    return out;
  }
};

// `case_` holds tokens, and expected rows by position under `key`.
inline void expect_rows(const nlohmann::json& rows, std::span<const float> got, std::size_t width, double most) {
  for (const auto& [position, values] : rows.items()) {
    const auto expected = values.get<std::vector<float>>();
    ASSERT_EQ(expected.size(), width);
    EXPECT_LT(normalised_error(got.subspan(std::stoul(position) * width, width), expected), most)
        << "position " << position;
  }
}

}  // namespace hearth::tests
