#include "common/build_info.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(VersionTextTest, TheFirstLineIsTheProgramsOwnAndTheRestSaysWhatItIsMadeOf) {
  EXPECT_EQ(VersionText("p 1.2", {{"A", "3"}, {"B", "4.5"}}),
            "p 1.2\ncommit " + std::string(BuildCommit()) + "\nA 3\nB 4.5");
}

TEST(BuildCommitTest, IsAHashPerhapsDirtyOrUnknownOrWhatTheBuilderSaid) {
  EXPECT_THAT(std::string(BuildCommit()), testing::MatchesRegex("[-0-9A-Za-z._]+"));
}

TEST(BaseVersionsTest, NumbersAreNumbers) {
  for (const LibraryVersion& library : BaseVersions()) {
    EXPECT_THAT(library.version, testing::MatchesRegex("[0-9][0-9.]*|of no release"))
        << library.name;
  }
}

}  // namespace
}  // namespace halving
