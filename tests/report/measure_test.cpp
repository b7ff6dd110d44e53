#include "report/measure.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/whole_file.h"
#include "model/tiny.h"
#include "temporary.h"

namespace hearth::report {
namespace {

struct Folder {
  tests::TemporaryFolder folder;
  Options options;

  Folder() {
    options.model = folder.path() / "model.gguf";
    options.out = folder.path() / "report";
    options.methods = {"q8_0"};
    options.program = folder.path() / "program";
    options.threads = 1;
    tests::tiny_model({{"family", "llama"}}).write(options.model);
  }
  // What it says as `hearth bench`.
  void says(const std::string& text) const {
    std::ofstream(options.program) << "#!/bin/sh\ncat <<'.'\n" << text << "\n.\n";
    std::filesystem::permissions(options.program, std::filesystem::perms::owner_all);
  }
  std::string failure() const {
    try {
      make_report(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing went wrong";
  }
};

TEST(Report, FindsTheFiguresAmongWhatElseIsTold) {
  const Folder folder;
  folder.says(R"({told} before
{"results": [{"tokens_per_second": 2.5}, {"tokens_per_second": 1.5}],
 "peak_memory_bytes": 7}
and {behind})");
  const Entry entry = make_report(folder.options).report.entries.at(1);
  EXPECT_EQ(entry.prompt_speed, 2.5);
  EXPECT_EQ(entry.generation_speed, 1.5);
  EXPECT_EQ(entry.peak_memory, 7u);
}

TEST(Report, NamesWhatCouldNotMeasure) {
  const Folder folder;
  EXPECT_NE(folder.failure().find(folder.options.program), std::string::npos) << folder.failure();
  for (const char* text : {"", "{", "{}", "{\"results\": []}", "no document"}) {
    folder.says(text);
    EXPECT_NE(folder.failure().find("the speed measurement failed"), std::string::npos) << folder.failure();
  }
}

TEST(Report, MeasuresNothingTwice) {
  Folder folder;
  folder.options.model = tests::tiny_model({{"family", "llama"}}).write_split(folder.folder.path())[0];
  folder.says(R"({"results": [{"tokens_per_second": 2}, {"tokens_per_second": 1}], "peak_memory_bytes": 7})");
  make_report(folder.options);
  folder.says("no document");
  EXPECT_EQ(make_report(folder.options).report.entries.at(0).prompt_speed, 2);
}

TEST(Report, TakesThePlaceOfNothingItReads) {
  const auto refuses = [](const std::filesystem::path& taken, const auto& change) {
    Folder folder;
    std::filesystem::create_directory(folder.options.out);
    const auto path = folder.options.out / taken;
    std::filesystem::copy(folder.options.model, path);
    change(folder.options, path);
    EXPECT_NE(folder.failure().find("the input itself, " + path.string()), std::string::npos) << folder.failure();
    EXPECT_EQ(read_file(path), read_file(folder.options.model));
  };
  refuses("report.md", [](Options& options, const auto& path) { options.text = path; });
  refuses("index.html", [](Options& options, const auto& path) { options.importance = path; });
  refuses("report.json", [](Options& options, const auto& path) { options.calibration = path; });
  refuses("model-q8_0.gguf", [](Options& options, const auto& path) {
    options.methods.push_back(path);
    options.keep = true;
  });
}

}  // namespace
}  // namespace hearth::report
