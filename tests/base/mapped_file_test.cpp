#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
#include "temporary.h"

namespace hearth {
namespace {

Code fault(const std::filesystem::path& path) {
  try {
    MappedFile file(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find(path.string()), std::string_view::npos);
    return error.code();
  }
  return Code::internal;
}

TEST(MappedFile, ShowsTheFilesBytesAndMoves) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "a";
  std::ofstream(path) << "hearth";
  MappedFile file(path);
  ASSERT_EQ(file.bytes().size(), 6u);
  EXPECT_EQ(file.bytes()[5], std::byte{'h'});
  file.read_ahead();
  MappedFile moved(std::move(file));
  EXPECT_EQ(moved.path(), path);
  EXPECT_EQ(moved.bytes()[0], std::byte{'h'});
  std::ofstream(folder.path() / "b") << "other";
  MappedFile other(folder.path() / "b");
  other = std::move(moved);
  EXPECT_EQ(other.bytes().size(), 6u);
}

TEST(MappedFile, ReadsAgainWhatWasReleased) {
  const tests::TemporaryFolder folder;
  std::ofstream(folder.path() / "a") << std::string(20000, 'x');
  const MappedFile file(folder.path() / "a");
  EXPECT_EQ(file.bytes()[10000], std::byte{'x'});
  file.release(file.bytes().subspan(1));
  file.release(std::as_bytes(std::span("not in the file")));
  EXPECT_EQ(file.bytes()[10000], std::byte{'x'});
}

TEST(MappedFile, NamesWhatCannotBeMapped) {
  const tests::TemporaryFolder folder;
  EXPECT_EQ(fault(folder.path() / "absent"), Code::not_found);
  EXPECT_EQ(fault(folder.path()), Code::bad_input);
  std::ofstream(folder.path() / "empty");
  EXPECT_EQ(fault(folder.path() / "empty"), Code::bad_input);
  EXPECT_EQ(fault(folder.path() / "empty" / "below"), Code::not_found);
  const auto pipe = folder.path() / "pipe";  // which nobody writes to
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(fault(pipe), Code::bad_input);
}

}  // namespace
}  // namespace hearth
