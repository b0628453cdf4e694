#include "cli/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ExplainFailureTest, TellsTheCodeTheMessageAndWhatToDo) {
  const std::string text = ExplainFailure(absl::NotFoundError("no study is named \"x\""), "h:1");
  EXPECT_EQ(text,
            "error: not found (NOT_FOUND): no study is named \"x\"\n"
            "hint: `halving list` shows the studies there are, `halving trials NAME` the trials of "
            "one [server h:1]\n");
}

TEST(ExplainFailureTest, EveryCodeHasWordsAndAHint) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "message");
    EXPECT_THAT(ExplainFailure(status, "h:1"),
                AllOf(StartsWith("error: "),
                      HasSubstr("(" + absl::StatusCodeToString(status.code()) + "): message\n"),
                      HasSubstr("\nhint: ")));
  }
}

TEST(ExplainFailureTest, AMessageCannotDriveTheTerminal) {
  EXPECT_THAT(ExplainFailure(absl::InternalError("a\x1b[2J\nhint: trust me"), "h:1"),
              HasSubstr("a\\x1b[2J\\nhint: trust me\n"));
}

TEST(ExplainFailureTest, AnEmptyMessageIsSaidToBeOne) {
  EXPECT_THAT(ExplainFailure(absl::InternalError(""), "h:1"),
              HasSubstr("(INTERNAL): it gave no message\n"));
}

}  // namespace
}  // namespace halving
