#include "evaluate/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/whole_file.h"
#include "temporary.h"

namespace hearth::evaluate {
namespace {

TEST(Journal, KeepsWholeLinesOfItsOwnSubject) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "items.part";
  {
    Journal journal(path, "model a");
    journal.add(7, {-1.5, -2});
    journal.add(std::uint64_t(-1), {-3});
    journal.flush();
    journal.add(8, {-4});  // not flushed: as if killed here
  }
  std::ofstream(path, std::ios::app) << R"({"row":9,"loglikelihood":[-5)";  // a line cut short
  {
    Journal journal(path, "model a");
    EXPECT_EQ(journal.kept(), 2u);
    ASSERT_NE(journal.find(7, 2), nullptr);
    EXPECT_EQ(*journal.find(7, 2), (std::vector<double>{-1.5, -2}));
    EXPECT_NE(journal.find(std::uint64_t(-1), 1), nullptr);
    EXPECT_EQ(journal.find(7, 3), nullptr);  // of so many choices there is none
    EXPECT_EQ(journal.find(9, 2), nullptr);
    journal.add(9, {-6});
    journal.flush();
  }
  EXPECT_EQ(Journal(path, "model a").kept(), 3u);
  std::ofstream(path, std::ios::app) << "what a crash left\n"
                                     << R"({"row":10,"loglikelihood":[-7]})"
                                     << "\n";
  EXPECT_EQ(Journal(path, "model a").kept(), 4u);
}

// It stays as it is, and the error says which.
void expect_refusal(const std::filesystem::path& path, const std::string& subject, Code code) {
  const std::string before = read_file(path);
  try {
    Journal(path, subject);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_NE(std::string_view(error.what()).find(path.string()), std::string_view::npos) << error.what();
  }
  EXPECT_EQ(read_file(path), before);
}

TEST(Journal, LeavesWhatIsNotItsOwn) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "x.part";
  for (const char* text :
       {"not a journal\n{\"row\": 1}\n", "{\"subject\":\"a\"}\n{\"row\":1,\"loglikelihood\":[-1]}\n", "a word"}) {
    write_file(path, text);
    expect_refusal(path, "b", Code::bad_input);
  }
  for (const char* text : {"", "{\"subj"}) {  // killed before its first line was whole
    write_file(path, text);
    const Journal journal(path, "b");
    EXPECT_EQ(journal.kept(), 0u);
    EXPECT_EQ(read_file(path), "{\"subject\":\"b\"}\n");
  }
}

TEST(Journal, GoesWithoutARow) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "x.part";
  {
    const Journal journal(path, "a");
    expect_refusal(path, "a", Code::io);  // another run's stays, empty as it is
    expect_refusal(path, "b", Code::io);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Journal, IsOneRunsAtATime) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "x.part";
  {
    Journal journal(path, "a");
    journal.add(1, {-1});
    journal.flush();
    expect_refusal(path, "a", Code::io);
  }
  EXPECT_EQ(Journal(path, "a").kept(), 1u);
  {
    const Journal journal(path, "a");
    journal.remove();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(Journal(path, "a").kept(), 0u);  // a file of its own
  }
}

TEST(Journal, NoneAndNowhere) {
  const tests::TemporaryFolder folder;
  Journal none({}, "s");
  none.add(1, {2});
  none.flush();
  ASSERT_NE(none.find(1, 1), nullptr);
  EXPECT_THROW(Journal(folder.path() / "nowhere" / "x.part", "s"), Error);
}

}  // namespace
}  // namespace hearth::evaluate
