#include "evaluate/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
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
  EXPECT_EQ(Journal(path, "model b").kept(), 0u);
}

TEST(Journal, ForeignFilesAndNone) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "x.part";
  std::ofstream(path) << "not a journal\n{\"row\": 1}\n";
  EXPECT_EQ(Journal(path, "s").kept(), 0u);
  Journal none({}, "s");
  none.add(1, {2});
  none.flush();
  ASSERT_NE(none.find(1, 1), nullptr);
  EXPECT_THROW(Journal(folder.path() / "nowhere" / "x.part", "s"), Error);
}

}  // namespace
}  // namespace hearth::evaluate
