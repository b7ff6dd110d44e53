#include "evaluate/data_set.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "temporary.h"

namespace hearth::evaluate {
namespace {

namespace fs = std::filesystem;

class DataSetTest : public testing::Test {
 protected:
  void put(const fs::path& name, const std::string& text = "{}\n") {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  // The file that counts, below the folder.
  std::string found(bool only = false) const {
    const auto files = scored_files(task_, folder_, only);
    return files.empty() ? "" : fs::relative(files[0], folder_).string();
  }
  tests::TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
  Task task_ = Task::parse(R"({"task": "wino", "folders": ["wino/xl", "wino"], "splits": ["validation"],
      "fields": ["a"], "context": "c", "choices": "a", "gold": "g"})",
                           "t");
};

TEST_F(DataSetTest, WhereATasksRowsStand) {
  EXPECT_EQ(found(), "");
  put("winogrande_validation.jsonl");  // another task's
  put("other/validation.jsonl");
  EXPECT_EQ(found(), "");
  put("wino/data/dev-00001-of-00002.jsonl");
  put("wino/data/dev-00000-of-00002.jsonl");
  put("wino/data/train-00000-of-00001.jsonl");
  EXPECT_EQ(found(), "wino/data/dev-00000-of-00002.jsonl");
  EXPECT_EQ(scored_files(task_, folder_, false).size(), 2u);
  EXPECT_EQ(training_files(task_, folder_, false).size(), 1u);
  put("xl/validation.jsonl");
  put("wino/xl/validation.json");
  EXPECT_EQ(found(), "wino/xl/validation.json");
  put("wino_valid.jsonl");
  EXPECT_EQ(found(), "wino_valid.jsonl");
  put("wino.jsonl");
  EXPECT_EQ(found(), "wino.jsonl");
}

TEST_F(DataSetTest, TheFolderItselfForOneTask) {
  put("validation.jsonl");
  EXPECT_EQ(found(), "");
  EXPECT_EQ(found(true), "validation.jsonl");
}

TEST_F(DataSetTest, ParquetIsForThePythonPackage) {
  put("wino/xl/validation-00000-of-00001.parquet");
  try {
    found();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(
        std::string(error.what()).find("validation-00000-of-00001.parquet, turn them into JSON lines with the Python"),
        std::string::npos)
        << error.what();
  }
}

TEST_F(DataSetTest, RowsAndTheirNumbers) {
  put("a.jsonl", "{\"x\": 1}\n\n{\"x\": 2}\r\n");
  const auto rows = read_rows({folder_ / "a.jsonl"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].row["x"], 2);
  EXPECT_EQ(rows[1].number, 3u);
  put("b.jsonl", "{\"x\": 1}\n{\"x\": \n");
  put("c.jsonl", "\n");
  for (const auto& [file, says] : {std::pair{"b.jsonl", "a row is not JSON, "}, {"c.jsonl", "there are no rows, "}})
    try {
      read_rows({folder_ / file});
      FAIL() << file;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(says + (folder_ / file).string(), 0), 0u) << error.what();
    }
  EXPECT_THROW(scored_files(task_, folder_ / "nowhere", false), Error);
}

}  // namespace
}  // namespace hearth::evaluate
