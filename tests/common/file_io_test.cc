#include "common/file_io.h"

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "common/crypto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::HasSubstr;

TEST(FileErrorTest, SaysWhatWasDoneToWhatAndWhyNot) {
  const absl::Status status = FileError(ENOENT, "open", "/a/b");
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound,
                       testing::AllOf(HasSubstr("cannot open /a/b"), HasSubstr("No such"))));
  EXPECT_THAT(FileError(ENOSPC, "write", "x"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(FileError(EACCES, "open", "x"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(FileError(EIO, "sync", "x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(DigestOfFileTest, IsThatOfItsContent) {
  const TempDir dir;
  const std::string content(3'000'001, 'z');
  WriteTestFile(dir.File("a"), content);
  const absl::StatusOr<FileDigest> digest = DigestOfFile(dir.File("a"));
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(digest->bytes, 3'000'001);
  EXPECT_EQ(digest->sha256, Sha256(content));
  EXPECT_THAT(DigestOfFile(dir.File("b")), StatusIs(absl::StatusCode::kNotFound));
}

// On a file system with a disk its beginning is no longer in memory then; on any, it is all there.
TEST(PassThroughTest, LeavesTheFileAsItWasWritten) {
  const TempDir dir;
  const UniqueFd fd(open(dir.File("a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  PassThrough memory(0);
  std::string content;
  for (char chunk = 'a'; chunk <= 'z'; ++chunk) {
    const std::string bytes(1'000'000, chunk);
    ASSERT_THAT(WriteAt(fd.get(), bytes, static_cast<int64_t>(content.size()), "a"), IsOk());
    content += bytes;
    memory.Passed(fd.get(), static_cast<int64_t>(content.size()));
  }
  EXPECT_EQ(Sha256(ReadTestFile(dir.File("a"))), Sha256(content));
}

TEST(RenameDurablyTest, MovesAFileOrSaysWhyNot) {
  const TempDir dir;
  WriteTestFile(dir.File("a"), "x");
  EXPECT_THAT(RenameDurably(dir.File("a"), dir.File("b")), IsOk());
  EXPECT_FALSE(std::filesystem::exists(dir.File("a")));
  EXPECT_THAT(RenameDurably(dir.File("a"), dir.File("c")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(WholeFileTest, HasItsNameOnlyOnceItIsWhole) {
  const TempDir dir;
  const std::string path = dir.File("model");
  {
    WholeFile file(path);
    ASSERT_THAT(file.Open(), IsOk());
    ASSERT_THAT(file.Write("half"), IsOk());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path())) << "nothing is left of one that was not ended";
  WholeFile file(path);
  ASSERT_THAT(file.Open(), IsOk());
  ASSERT_THAT(file.Write("wrong"), IsOk());
  ASSERT_THAT(file.Restart(), IsOk());
  ASSERT_THAT(file.Write("right"), IsOk());
  EXPECT_EQ(file.bytes(), 5);
  ASSERT_THAT(file.Finish(), IsOk());
  EXPECT_THAT(DigestOfFile(path)->sha256, Sha256("right"));
}

TEST(WholeFileTest, ReplacesNothingUntilItIsWhole) {
  const TempDir dir;
  WriteTestFile(dir.File("model"), "old");
  WholeFile file(dir.File("model"));
  ASSERT_THAT(file.Open(), IsOk());
  ASSERT_THAT(file.Write("new"), IsOk());
  EXPECT_EQ(DigestOfFile(dir.File("model"))->sha256, Sha256("old"));
  ASSERT_THAT(file.Finish(), IsOk());
  EXPECT_EQ(DigestOfFile(dir.File("model"))->sha256, Sha256("new"));
}

TEST(WholeFileTest, AFolderThatIsNotThereIsAnErrorThatSaysSo) {
  const TempDir dir;
  WholeFile file(dir.File("no/such/model"));
  EXPECT_THAT(file.Open(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such/model")));
}

}  // namespace
}  // namespace halving
