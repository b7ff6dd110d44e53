#include "gguf/file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "gguf/image.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::gguf::tests {
namespace {

// Three parts with a tensor each, as llama.cpp's gguf-split makes them.
struct Split {
  hearth::tests::TemporaryFolder folder;
  Image parts[3];

  Split() {
    for (std::uint16_t i = 0; i < 3; ++i) {
      parts[i].entries = {{"split.no", u32(2) + number(i)},
                          {"split.count", u32(2) + number(std::uint16_t{3})},
                          {"split.tensors.count", u32(5) + number(std::int32_t{3})}};
      parts[i].tensors = {{"t" + std::to_string(i), {8}, 0, 0, std::string(32, char('a' + i))}};
    }
    parts[0].entries.push_back({"general.name", u32(8) + text("whole")});
  }

  std::filesystem::path path(int part) const {
    return folder.path() / ("m-0000" + std::to_string(part + 1) + "-of-00003.gguf");
  }
  void save() const {
    for (int i = 0; i < 3; ++i) std::ofstream(path(i), std::ios::binary) << parts[i].bytes();
  }
  std::string fault(const std::filesystem::path& opened, Code code) const {
    try {
      File::open(opened);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      std::string what = error.what();
      const std::string prefix = folder.path().string() + "/";
      for (std::size_t at; (at = what.find(prefix)) != std::string::npos;) what.erase(at, prefix.size());
      return what;
    }
    return "no fault";
  }
};

TEST(File, OpensAllPartsOfASplitFile) {
  Split split;
  split.save();
  const File file = File::open(split.path(0));
  EXPECT_EQ(file.parts(), 3u);
  EXPECT_EQ(file.path(), split.path(0));
  EXPECT_EQ(file.paths(), (std::vector{split.path(0), split.path(1), split.path(2)}));
  EXPECT_EQ(file.whole_metadata().entries().size(), 1u);
  EXPECT_EQ(file.metadata().string("general.name"), "whole");
  EXPECT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.bytes(), std::filesystem::file_size(split.path(0)) + std::filesystem::file_size(split.path(1)) +
                              std::filesystem::file_size(split.path(2)));
  for (const char* name : {"t0", "t1", "t2"}) {
    ASSERT_NE(file.find(name), nullptr) << name;
    EXPECT_EQ(file.find(name)->data[31], std::byte('a' + name[1] - '0'));
  }
  file.read_ahead();
}

TEST(File, NamesTheFirstPartWhereAnotherIsOpened) {
  Split split;
  split.save();
  EXPECT_EQ(split.fault(split.path(2), Code::bad_input),
            "part 3 of 3 of a split file, m-00003-of-00003.gguf, open m-00001-of-00003.gguf");
  std::filesystem::rename(split.path(2), split.folder.path() / "renamed.gguf");
  EXPECT_EQ(split.fault(split.folder.path() / "renamed.gguf", Code::bad_input),
            "part 3 of 3 of a split file, renamed.gguf, open its first part");
  std::filesystem::rename(split.path(0), split.folder.path() / "first.gguf");
  EXPECT_EQ(
      split.fault(split.folder.path() / "first.gguf", Code::bad_input),
      "the first of 3 parts, but not named so, first.gguf, name it NAME-00001-of-00003.gguf, with the other parts "
      "beside it");
}

TEST(File, NamesPartsThatAreMissingOrDisagree) {
  Split split;
  split.save();
  std::filesystem::remove(split.path(1));
  EXPECT_EQ(split.fault(split.path(0), Code::not_found), "part 2 of 3 is missing, m-00002-of-00003.gguf");
  std::filesystem::copy_file(split.path(2), split.path(1));
  EXPECT_EQ(split.fault(split.path(0), Code::bad_input),
            "says it is part 3 of 3, where part 2 of 3 was looked for, m-00002-of-00003.gguf");
  split.parts[2].tensors[0].name = "t1";
  split.save();
  EXPECT_EQ(split.fault(split.path(0), Code::bad_input), "tensor t1 appears twice, m-00001-of-00003.gguf");
  split.parts[2].tensors.clear();
  split.save();
  EXPECT_EQ(split.fault(split.path(0), Code::bad_input),
            "split.tensors.count is 3, but the parts hold 2 tensors, m-00001-of-00003.gguf");
  split.parts[2].entries.clear();
  split.save();
  EXPECT_EQ(split.fault(split.path(0), Code::not_found), "the key split.no is missing, m-00003-of-00003.gguf");
}

TEST(File, NamesAFileThatIsNone) {
  const hearth::tests::TemporaryFolder folder;
  EXPECT_THROW(File::open(folder.path() / "absent.gguf"), Error);
  EXPECT_THROW(File::open(folder.path()), Error);
  std::ofstream(folder.path() / "empty.gguf");
  EXPECT_THROW(File::open(folder.path() / "empty.gguf"), Error);
}

TEST(File, OpensEveryConformanceFile) {
  HEARTH_NEEDS_SHARED();
  std::size_t count = 0;
  for (const char* folder : {"gguf", "vocab"})
    for (const auto& entry : std::filesystem::directory_iterator(hearth::tests::shared() / "conformance" / folder)) {
      if (entry.path().extension() != ".gguf") continue;
      const File file = File::open(entry.path());
      EXPECT_FALSE(file.metadata().string("general.architecture").empty());
      ++count;
    }
  EXPECT_EQ(count, 27u);
}

}  // namespace
}  // namespace hearth::gguf::tests
