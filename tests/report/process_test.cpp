#include "report/process.h"

#include <gtest/gtest.h>

namespace hearth::report {
namespace {

TEST(Process, WhatItPrintsAndHowItEnds) {
  const auto echo = run({"sh", "-c", "printf a; printf ' b' >&2; exit 3"});
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->out, "a b");
  EXPECT_EQ(echo->status, 3);
  EXPECT_EQ(run({"sh", "-c", "kill -9 $$"})->status, 128 + 9);
  EXPECT_FALSE(run({"no-such-program-here"}));
  EXPECT_EQ(run({"sh", "-c", "head -c 300000 /dev/zero"})->out.size(), 300000u);
}

}  // namespace
}  // namespace hearth::report
