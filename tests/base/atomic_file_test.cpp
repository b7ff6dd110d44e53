#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <random>

#include "base/error.h"
#include "temporary.h"

namespace hearth {
namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(AtomicFile, AppearsWholeAtCommit) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "a.txt";
  std::ofstream(path) << "old";
  {
    AtomicFile file(path);
    file.write("new ");
    file.write("text");
    EXPECT_EQ(file.position(), 8u);
    file.write_at(0, std::as_bytes(std::span("N", 1)));
    EXPECT_EQ(file.position(), 8u);
    EXPECT_EQ(content(path), "old");
    file.commit();
  }
  EXPECT_EQ(content(path), "New text");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::owner_all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

// Pieces of two megabytes are written at once; what replaces bytes may lie before, behind or across such a border.
TEST(AtomicFile, LargeFilesInPiecesOfAnySize) {
  const tests::TemporaryFolder folder;
  std::mt19937 random(1);
  std::string expected;
  AtomicFile file(folder.path() / "large");
  for (const std::size_t size : {1u, 4096u, 3'000'000u, 2'097'151u, 7u, 5'000'000u, 0u}) {
    std::string piece(size, '\0');
    for (char& c : piece) c = static_cast<char>(random());
    file.write(piece);
    expected += piece;
    EXPECT_EQ(file.position(), expected.size());
  }
  for (const std::size_t at : {std::size_t{0}, std::size_t{4'194'304 - 100}, expected.size() - 200}) {
    const std::string piece(200, 'x');
    file.write_at(at, std::as_bytes(std::span(piece)));
    expected.replace(at, piece.size(), piece);
  }
  file.write("end");
  file.commit();
  EXPECT_TRUE(content(folder.path() / "large") == expected + "end");
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const tests::TemporaryFolder folder;
  { AtomicFile(folder.path() / "a.txt").write("half"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(AtomicFile, NeverTakesThePlaceOfWhatIsNoFile) {
  const tests::TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(AtomicFile{pipe}, Error);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_THROW(AtomicFile{folder.path()}, Error);
}

TEST(AtomicFile, WritesThroughLinks) {
  const tests::TemporaryFolder folder;
  const auto link = folder.path() / "link", file = folder.path() / "elsewhere" / "file";
  std::filesystem::create_directory(file.parent_path());
  std::ofstream(file) << "old";
  std::filesystem::create_symlink("elsewhere/file", link);
  AtomicFile atomic(link);
  atomic.write("new");
  atomic.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(content(file), "new");
}

TEST(AtomicFile, MakesWhatALinkPointsTo) {
  const tests::TemporaryFolder folder;
  const auto path = [&](const char* name) { return folder.path() / name; };
  std::filesystem::create_directory(path("elsewhere"));
  std::filesystem::create_symlink("elsewhere/first", path("link"));
  std::filesystem::create_symlink("second", path("elsewhere/first"));
  AtomicFile atomic(path("link"));
  atomic.write("new");
  atomic.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("elsewhere/first")));
  EXPECT_EQ(content(path("elsewhere/second")), "new");
  std::filesystem::create_symlink("circle", path("circle"));
  EXPECT_THROW(AtomicFile{path("circle")}, Error);
}

TEST(AtomicFile, NamesAFolderThatIsMissing) {
  const tests::TemporaryFolder folder;
  try {
    AtomicFile file(folder.path() / "none" / "a.txt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::io);
    EXPECT_NE(std::string_view(error.what()).find("none/a.txt"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace hearth
