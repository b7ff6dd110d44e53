#include "evaluate/task.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace hearth::evaluate {
namespace {

const Task& builtin(const std::string& name) {
  static const auto tasks = builtin_tasks();
  return *std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) { return task.name() == name; });
}

Example example(const std::string& task, const std::string& json) {
  return builtin(task).example(Row::parse(json));
}

std::string fault(const std::string& task, const std::string& json) {
  try {
    example(task, json);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(Task, TheSeven) {
  std::vector<std::string> names;
  for (const Task& task : builtin_tasks()) names.push_back(task.name());
  EXPECT_EQ(names, (std::vector<std::string>{"arc_challenge", "arc_easy", "boolq", "hellaswag", "openbookqa", "piqa",
                                             "winogrande"}));
}

TEST(Task, BoolqInThreeLayouts) {
  for (const char* rest : {R"("choices": ["no", "yes"], "gold": 1)", R"("label": 1)", R"("answer": true)"}) {
    const Example got = example("boolq", std::string(R"({"passage": "P.", "question": "is it so", )") + rest + "}");
    ASSERT_EQ(got.choices.size(), 2u);
    EXPECT_EQ(got.choices[0].context, "P.\nQuestion: is it so?\nAnswer:");
    EXPECT_EQ(got.choices[1].context, got.choices[0].context);
    EXPECT_EQ(got.choices[0].continuation, "no");
    EXPECT_EQ(got.choices[1].continuation, "yes");
    EXPECT_EQ(got.choices[1].bytes, 3u);
    EXPECT_EQ(got.gold, 1u);
  }
}

TEST(Task, Piqa) {
  const Example got = example("piqa", R"({"goal": "Boil", "sol1": "fire", "sol2": "icé", "label": 1})");
  EXPECT_EQ(got.choices[0].context, "Question: Boil\nAnswer:");
  EXPECT_EQ(got.choices[1].continuation, "icé");
  EXPECT_EQ(got.choices[1].bytes, 4u);
  EXPECT_EQ(got.gold, 1u);
}

// As lm-evaluation-harness's process_docs: capitalise ctx_b (and lower its rest), then clean.
TEST(Task, Hellaswag) {
  const Example got = example("hellaswag", R"({"activity_label": "Home", "ctx_a": "A [step] man. [title] How",
      "ctx_b": "he McX", "ctx": "unused", "endings": [" goes [substeps] away.  ", "stays.", "c", "d"], "label": "3"})");
  EXPECT_EQ(got.choices[0].context, "Home: A man.. How He mcx");
  EXPECT_EQ(got.choices[0].continuation, "goes away.");
  EXPECT_EQ(got.gold, 3u);
  const Example joined = example("hellaswag", R"({"activity_label": "Home", "ctx": "A man. he", "endings": ["a", "b"],
      "gold": 0, "id": "x"})");
  EXPECT_EQ(joined.choices[0].context, "Home: A man. he");
}

TEST(Task, WinograndeIsPartial) {
  const Example original = example("winogrande", R"({"sentence": "Sarah beat Maria since _ was_strong . ",
      "option1": "Sarah", "option2": "Maria", "answer": "2"})");
  EXPECT_EQ(original.choices[0].context, "Sarah beat Maria since Sarah");
  EXPECT_EQ(original.choices[1].context, "Sarah beat Maria since Maria");
  EXPECT_EQ(original.choices[1].continuation, "was_strong .");
  EXPECT_EQ(original.gold, 1u);
  const Example ready = example("winogrande", R"({"contexts": ["X", "Y"], "continuation": "won.", "gold": 0})");
  EXPECT_EQ(ready.choices[1].context, "Y");
  EXPECT_EQ(ready.choices[1].bytes, 4u);
}

TEST(Task, ArcAndOpenbookqaInTheirOwnLayout) {
  const Example arc = example("arc_easy", R"({"id": "M", "question": "Why?", "answerKey": "2",
      "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}})");
  EXPECT_EQ(arc.choices[0].context, "Question: Why?\nAnswer:");
  EXPECT_EQ(arc.choices.size(), 3u);
  EXPECT_EQ(arc.gold, 1u);
  const Example book = example("openbookqa", R"({"question_stem": "Cats", "answerKey": " C",
      "choices": {"text": ["a", "b", "purr"], "label": ["A", "B", "C"]}})");
  EXPECT_EQ(book.choices[2].context, "Cats");
  EXPECT_EQ(book.gold, 2u);
}

TEST(Task, NamesWhatIsWrongWithARow) {
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", "b"]})"), "field \"gold\" is missing");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "sol1": "a", "sol2": null, "label": 0})"), "field \"sol2\" is missing");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", "b"], "gold": 2})"),
            "field \"gold\" points at choice 2 of 2");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", "b"], "gold": -1})"),
            "field \"gold\" is -1 and must be the index of a choice");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", "b"], "gold": 0.5})"),
            "field \"gold\" is 0.5 and must be the index of a choice");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": [], "gold": 0})"), "there are no choices");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": "ab", "gold": 0})"), "field \"choices\" is no list");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", 7], "gold": 0})"),
            "field \"choices\" holds something that is no text");
  EXPECT_EQ(fault("piqa", R"({"goal": "g", "choices": ["a", ""], "gold": 0})"), "a choice is empty");
  EXPECT_EQ(fault("piqa", R"([1, 2])"), "a row is a JSON object");
  EXPECT_EQ(fault("arc_easy", R"({"question": "q", "answerKey": "E", "choices": {"text": ["a"], "label": ["A"]}})"),
            "field \"answerKey\" is \"E\" and must be one of A");
  EXPECT_EQ(fault("hellaswag", R"({})").substr(0, 6), "fields");
}

std::string file_fault(const std::string& json) {
  try {
    Task::parse(json, "mine.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(Task, OfOnesOwn) {
  const Task task = Task::parse(R"({"task": "mine", "fields": ["q", "a"], "context": "Q: {{ q | upper }}",
      "choices": ["{{ a[0] }}", "other"], "gold": {"field": "right", "values": ["yes", "no"]}})",
                                "mine.json");
  EXPECT_TRUE(task.reports_acc_norm());
  const Example got = task.example(Row::parse(R"({"q": "x", "a": ["y"], "right": "no"})"));
  EXPECT_EQ(got.choices[0].context, "Q: X");
  EXPECT_EQ(got.choices[0].continuation, "y");
  EXPECT_EQ(got.gold, 1u);

  EXPECT_EQ(file_fault("nonsense"), "a task is a JSON object, mine.json");
  EXPECT_EQ(file_fault("{}"), "\"task\" must be a text, mine.json");
  EXPECT_EQ(file_fault(R"({"task": "a/b"})"), "\"task\" must be a name without spaces, commas and slashes, mine.json");
  EXPECT_EQ(file_fault(R"({"task": "t", "metrics": ["f1"]})"),
            "\"metrics\" must be \"acc\", \"acc_norm\" or both, mine.json");
  EXPECT_EQ(file_fault(R"({"task": "t", "layouts": [{"gold": "g"}]})"),
            "\"fields\" must be a list of texts, mine.json");
  EXPECT_EQ(file_fault(R"({"task": "t", "fields": ["g"], "gold": "g", "choices": "c"})"),
            "\"context\" must be a text, mine.json");
  EXPECT_NE(
      file_fault(R"({"task": "t", "fields": ["g"], "gold": "g", "choices": "c", "context": "{{ x"})").find("context"),
      std::string::npos);
  EXPECT_NE(file_fault(R"({"task": "t", "fields": ["g"], "gold": "g", "clean": [["wash"]]})").find("\"clean\""),
            std::string::npos);
}

}  // namespace
}  // namespace hearth::evaluate
