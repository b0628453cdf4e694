#include "cli/bar.h"

#include <limits>

#include "cli/text.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

std::string Bar(int64_t done, int64_t running, int64_t queued, int64_t total) {
  return RenderBar({{done, Fill::kDone}, {running, Fill::kRunning}, {queued, Fill::kQueued}}, total,
                   10, {});
}

TEST(RenderBarTest, PartsStandSideBySide) {
  EXPECT_EQ(Bar(5, 2, 1, 10), "[#####==+--]");
  EXPECT_EQ(Bar(0, 0, 0, 10), "[----------]");
  EXPECT_EQ(Bar(10, 0, 0, 10), "[##########]");
}

TEST(RenderBarTest, WhatIsThereIsSeen) {
  EXPECT_EQ(Bar(1, 1, 1, 1000), "[#=+-------]");
  EXPECT_EQ(Bar(1000, 1, 0, 1001), "[#########=]");
}

TEST(RenderBarTest, WhatPassesTheTotalIsCutOff) {
  EXPECT_EQ(Bar(8, 5, 5, 10), "[########==]");
  EXPECT_EQ(Bar(20, 5, 5, 10), "[##########]");
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max() / 4;
  EXPECT_EQ(Bar(kMax, kMax, 0, 2 * kMax), "[#####=====]");
}

TEST(RenderBarTest, NoTotalIsAnEmptyBar) {
  EXPECT_EQ(Bar(3, 0, 0, 0), "[----------]");
  EXPECT_EQ(Bar(-3, 0, 0, -7), "[----------]");
}

TEST(RenderBarTest, TheWidthIsThatAskedForWhateverTheGlyphs) {
  const RenderOptions unicode{.color = true, .unicode = true};
  const std::string bar = RenderBar({{3, Fill::kDone}, {2, Fill::kQueued}}, 10, 16, unicode);
  EXPECT_EQ(DisplayWidth(bar), 16);
  EXPECT_EQ(bar, "\x1b[32m████\x1b[0m\x1b[33m▒▒▒▒\x1b[0m\x1b[2m░░░░░░░░\x1b[0m");
}

}  // namespace
}  // namespace halving
