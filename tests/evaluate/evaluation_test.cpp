#include "evaluate/evaluation.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/error.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::evaluate {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t rows_of_each = 1;
#else
constexpr std::size_t rows_of_each = 6;  // HEARTH_EVERY_ROW=1: all fifty
#endif

engine::Engine& smol() {
  static const auto engine = engine::Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf");
  return *engine;
}

#define NEEDS_SMOL()     \
  HEARTH_NEEDS_SHARED(); \
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf")

std::filesystem::path data() {
  return tests::shared() / "data/eval";
}

// The first rows of every task against transformers' float32; ours multiplies 8-bit activations.
TEST(Evaluation, AgreesWithTheReference) {
  NEEDS_SMOL();
  const bool all = std::getenv("HEARTH_EVERY_ROW") != nullptr;
  std::map<std::string, Row> reference;
  std::ifstream file(tests::shared() / "conformance/eval_reference_smollm2.jsonl");
  for (std::string line; std::getline(file, line);) {
    const Row row = Row::parse(line);
    reference[row["id"]] = row;
  }
  const auto result = evaluate(smol(), builtin_tasks(), {.data = data(), .limit = all ? 50 : rows_of_each});
  ASSERT_EQ(result.tasks.size(), 7u);
  double ours = 0, theirs = 0, rows = 0, worst = 0;
  for (const TaskResult& task : result.tasks) {
    for (const Item& item : task.items) {
      ASSERT_TRUE(reference.count(item.id)) << item.id;
      const Row& expected = reference[item.id];
      EXPECT_EQ(item.gold, expected["gold"].get<std::size_t>());
      EXPECT_EQ(item.bytes, expected["bytes"].get<std::vector<std::size_t>>()) << item.id;
      const auto logs = expected["loglikelihood"].get<std::vector<double>>();
      ASSERT_EQ(item.loglikelihood.size(), logs.size());
      for (std::size_t i = 0; i < logs.size(); ++i) {
        EXPECT_NEAR(item.loglikelihood[i], logs[i], 0.8) << item.id;
        worst = std::max(worst, std::abs(item.loglikelihood[i] - logs[i]));
      }
      ours += item.acc;
      theirs += expected["acc"].get<bool>();
      ++rows;
    }
  }
  RecordProperty("worst_difference", std::to_string(worst));
  std::printf("[ worst difference %.3f, accuracy %.3f and %.3f, %.1f rows/s ]\n", worst, ours / rows, theirs / rows,
              double(result.rows) / result.seconds);
  if (all) {
    EXPECT_NEAR(ours / rows, theirs / rows, 0.02);
  }
}

TEST(Evaluation, GoesOnWhereItWasStopped) {
  NEEDS_SMOL();
  const tests::TemporaryFolder folder;
  EvaluationOptions options{.data = data(), .tasks = {"openbookqa"}, .limit = 16, .rows_at_once = 2};
  const auto whole = evaluate(smol(), builtin_tasks(), options);
  options.journal = folder.path() / "items.part";
  try {
    evaluate(smol(), builtin_tasks(), options, [](const std::string&, std::size_t, std::size_t) { return false; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
  auto rest = evaluate(smol(), builtin_tasks(), options);
  EXPECT_GE(rest.kept, 2u);  // each thread ends what it is at
  EXPECT_LT(rest.kept, 16u);
  EXPECT_EQ(rest.kept + rest.rows, 16u);
  ASSERT_EQ(rest.tasks[0].items.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      EXPECT_DOUBLE_EQ(rest.tasks[0].items[i].loglikelihood[j], whole.tasks[0].items[i].loglikelihood[j]);
  rest.journal.reset();
  EXPECT_EQ(evaluate(smol(), builtin_tasks(), options).kept, 16u);  // until the caller has its results safe
}

std::string fault(const EvaluationOptions& options) {
  try {
    evaluate(smol(), builtin_tasks(), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(Evaluation, NamesWhatIsWrong) {
  NEEDS_SMOL();
  const tests::TemporaryFolder folder;
  const std::string place = folder.path().string();
  EXPECT_EQ(fault({.data = place}),
            "no task's rows are in the folder, " + place + ", a task's file is TASK.jsonl, such as piqa.jsonl");
  EXPECT_EQ(fault({.data = place, .tasks = {"piqa"}}), "no rows for task piqa, " + place + ", put them in piqa.jsonl");
  EXPECT_NE(fault({.data = place, .tasks = {"pica"}}).find("there is no task \"pica\", known are arc_challenge, "),
            std::string::npos);
  EXPECT_EQ(fault({.data = place + "/x"}), "no such folder of data, " + place + "/x");
  std::ofstream(folder.path() / "piqa.jsonl") << R"({"goal": "g", "choices": ["a", "b"], "gold": 0})"
                                              << "\n"
                                              << R"({"goal": "g", "choices": ["a", "b"], "gold": 9})"
                                              << "\n";
  EXPECT_EQ(fault({.data = place}), "field \"gold\" points at choice 9 of 2, " + place + "/piqa.jsonl row 2");
}

// A context longer than the model holds keeps its end, an empty one starts from BOS; ties go to the first choice.
TEST(Evaluation, EdgesOfTheContext) {
  NEEDS_SMOL();
  const tests::TemporaryFolder folder;
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word ";
  std::ofstream(folder.path() / "piqa.jsonl")
      << Row{{"goal", words}, {"choices", {"a", "a"}}, {"gold", 0}}.dump() << "\n";
  std::ofstream(folder.path() / "openbookqa.jsonl")
      << Row{{"question_stem", ""}, {"choices", {"A cat", "xq zz"}}, {"gold", 0}}.dump() << "\n"
      << Row{{"question_stem", "Trailing spaces  "}, {"choices", {"A cat", "xq zz"}}, {"gold", 0}}.dump() << "\n";
  const auto engine = engine::Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf", {.context = 64});
  const auto result = evaluate(*engine, builtin_tasks(), {.data = folder.path()});
  ASSERT_EQ(result.tasks.size(), 2u);
  for (const TaskResult& task : result.tasks) EXPECT_EQ(task.acc.value(), 1) << task.name;
  const Item& tie = result.tasks[1].items[0];
  EXPECT_EQ(tie.loglikelihood[0], tie.loglikelihood[1]);
}

TEST(Evaluation, LaidOutAsTheHarnessDoes) {
  Evaluation evaluation;
  TaskResult task;
  task.name = "piqa";
  task.reports_acc_norm = true;
  task.available = 10;
  for (const bool right : {true, false, true, true}) {
    task.acc.add(right);
    task.acc_norm.add(!right);
  }
  evaluation.tasks.push_back(task);
  const auto document = to_json(evaluation, {.shots = 2});
  EXPECT_EQ(document["results"]["piqa"]["acc,none"], 0.75);
  EXPECT_NEAR(document["results"]["piqa"]["acc_stderr,none"].get<double>(), std::sqrt(0.75 * 0.25 / 3), 1e-12);
  EXPECT_EQ(document["results"]["piqa"]["acc_norm,none"], 0.25);
  EXPECT_EQ(document["n-shot"]["piqa"], 2);
  EXPECT_EQ(document["n-samples"]["piqa"]["effective"], 4);
  EXPECT_EQ(document["higher_is_better"]["piqa"]["acc_norm"], true);
  EXPECT_EQ(document["average"]["value"], 0.25);
  EXPECT_NE(table(evaluation, {}).find("|acc_norm|     4|0.2500|"), std::string::npos) << table(evaluation, {});
}

}  // namespace
}  // namespace hearth::evaluate
