#include "base/whole_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "temporary.h"

namespace hearth {
namespace {

Code fault(const std::filesystem::path& path, std::size_t limit = 1000) {
  try {
    read_file(path, limit);
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find(path.string()), std::string_view::npos) << error.what();
    return error.code();
  }
  return Code::internal;
}

TEST(WholeFile, IsReadAsItWasWritten) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "text";
  const std::string bytes("a\0\r\n\xff", 5), many(200'000, 'x');
  for (const std::string& text : {many, bytes, std::string()}) {
    write_file(path, text);
    EXPECT_EQ(read_file(path), text);
  }
}

TEST(WholeFile, SaysWhatIsWrong) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "text";
  EXPECT_EQ(fault(path), Code::not_found);
  EXPECT_EQ(fault(folder.path()), Code::io);
  write_file(path, "12345");
  EXPECT_EQ(fault(path, 4), Code::too_long);
  EXPECT_EQ(read_file(path, 5), "12345");
  EXPECT_THROW(write_file(folder.path(), "x"), Error);
  EXPECT_THROW(write_file(folder.path() / "nowhere" / "text", "x"), Error);
}

}  // namespace
}  // namespace hearth
