#include "evaluate/shots.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "evaluate/python_random.h"

namespace hearth::evaluate {
namespace {

Task task(const std::string& splits) {
  return Task::parse(R"({"task": "t", "splits": [)" + splits + R"(], "fields": ["q"], "context": "Q{{ q }}:",
      "choices": ["no", "yes"], "gold": "gold"})",
                     "t");
}

std::vector<DataRow> rows(int from, int to) {
  std::vector<DataRow> rows;
  for (int i = from; i < to; ++i) rows.push_back({Row{{"q", i}, {"gold", i % 2}}, "rows.jsonl", std::size_t(i)});
  return rows;
}

std::vector<std::string> contexts(const Task& of, const std::vector<DataRow>& own, const std::vector<DataRow>& training,
                                  std::size_t shots) {
  std::vector<Example> examples;
  for (const DataRow& row : own) examples.push_back(of.example(row.row));
  add_shots(of, examples, own, training, shots, 1234);
  std::vector<std::string> texts;
  for (const Example& example : examples) texts.push_back(example.choices[0].context);
  return texts;
}

std::string line(std::size_t q) {
  return "Q" + std::to_string(q) + (q % 2 ? ": yes" : ": no") + "\n\n";
}

// A task with a test split draws as many as it needs; one without draws one more, from the same stream.
TEST(Shots, FromTheTrainingRowsInTheHarnessOrder) {
  for (const bool test_split : {true, false}) {
    PythonRandom random(1234);
    std::vector<std::string> expected;
    for (int question = 0; question < 3; ++question) {
      const auto drawn = random.sample(40, test_split ? 2 : 3);
      expected.push_back(line(drawn[0] + 100) + line(drawn[1] + 100) + "Q" + std::to_string(question) + ":");
    }
    EXPECT_EQ(contexts(task(test_split ? "\"test\"" : "\"validation\""), rows(0, 3), rows(100, 140), 2), expected);
  }
}

TEST(Shots, NeverTheQuestionItself) {
  const auto texts = contexts(task("\"test\""), rows(0, 6), {}, 5);  // all the others
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(texts[i].find(line(i)), std::string::npos);
    EXPECT_EQ(std::count(texts[i].begin(), texts[i].end(), 'Q'), 6);
  }
}

TEST(Shots, TooMany) {
  EXPECT_THROW(contexts(task("\"test\""), rows(0, 6), {}, 6), Error);
  EXPECT_THROW(contexts(task("\"test\""), rows(0, 6), rows(6, 9), 4), Error);
}

}  // namespace
}  // namespace hearth::evaluate
