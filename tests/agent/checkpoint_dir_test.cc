#include "worker/agent/checkpoint_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/test_util.h"

namespace halving {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class CheckpointDirTest : public testing::Test {
 protected:
  std::unique_ptr<CheckpointDir> Open() {
    absl::StatusOr<std::unique_ptr<CheckpointDir>> dir = CheckpointDir::Open(temp_.File("ckpt"));
    if (!dir.ok()) ADD_FAILURE() << dir.status();
    return *std::move(dir);
  }

  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(temp_.File("ckpt"))) {
      files.insert(entry.path().filename().string());
    }
    return files;
  }

  TempDir temp_;
};

TEST_F(CheckpointDirTest, PublishedFileIsFoundByItsId) {
  const auto dir = Open();
  const std::string temporary = dir->NewTemporary();
  WriteFile(temporary, "weights");
  const absl::StatusOr<std::string> id = dir->Publish(temporary, "lenet", 7, 4);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_THAT(*id, ContainsRegex("^lenet\\.7\\.4\\.[0-9a-f]+\\.ckpt$"));
  const absl::StatusOr<std::string> path = dir->Find(*id);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_TRUE(std::filesystem::path(*path).is_absolute());
  EXPECT_EQ(ReadFile(*path), "weights");
  EXPECT_FALSE(std::filesystem::exists(temporary)) << "or a trainer could overwrite it";
  dir->Remove(*id);
  EXPECT_TRUE(absl::IsNotFound(dir->Find(*id).status()));
}

TEST_F(CheckpointDirTest, NothingToPublish) {
  const auto dir = Open();
  EXPECT_TRUE(absl::IsNotFound(dir->Publish(dir->NewTemporary(), "lenet", 7, 4).status()));
}

TEST_F(CheckpointDirTest, TwoOfOneEpochDiffer) {
  const auto dir = Open();
  std::set<std::string> ids;
  for (int i = 0; i < 2; ++i) {
    const std::string temporary = dir->NewTemporary();
    WriteFile(temporary, "x");
    ids.insert(*dir->Publish(temporary, "lenet", 7, 4));
  }
  EXPECT_EQ(ids.size(), 2U);
}

TEST_F(CheckpointDirTest, StudyNameCannotLeaveTheFolder) {
  const auto dir = Open();
  const std::string temporary = dir->NewTemporary();
  WriteFile(temporary, "x");
  const absl::StatusOr<std::string> id = dir->Publish(temporary, "../../etc", 1, 1);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_TRUE(absl::StartsWith(*id, "______etc.1.1.")) << *id;
}

TEST_F(CheckpointDirTest, IdsAreOnlyPlainNames) {
  const auto dir = Open();
  WriteFile(temp_.File("outside"), "secret");
  for (const std::string id : {"", ".", "..", "../outside", "/etc/passwd", "a/b", ".hidden"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(dir->Find(id).status())) << id;
    dir->Remove(id);
  }
  EXPECT_EQ(ReadFile(temp_.File("outside")), "secret");
  std::filesystem::create_directory(temp_.File("ckpt/folder"));
  EXPECT_TRUE(absl::IsNotFound(dir->Find("folder").status()));
}

TEST_F(CheckpointDirTest, RelabelMovesTheFile) {
  const auto dir = Open();
  const std::string temporary = dir->NewTemporary();
  WriteFile(temporary, "x");
  const std::string first = *dir->Publish(temporary, "lenet", 7, 3);
  const absl::StatusOr<std::string> second = dir->Relabel(first, "lenet", 7, 4);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(absl::StartsWith(*second, "lenet.7.4."));
  EXPECT_TRUE(dir->Find(*second).ok());
  EXPECT_FALSE(dir->Find(first).ok());
}

TEST_F(CheckpointDirTest, FilesOfTheDeadGoThoseOfTheLivingStay) {
  const auto living = Open();
  const std::string live = living->NewTemporary();
  WriteFile(live, "x");
  const std::string dead = ".worker-0123456789abcdef";
  for (const std::string end : {".lock", ".1.tmp", ".2.tmp.partial"}) {
    WriteFile(temp_.File(absl::StrCat("ckpt/", dead, end)), "x");
  }
  WriteFile(temp_.File("ckpt/.worker-fedcba9876543210.1.tmp"), "without even a lock");
  WriteFile(temp_.File("ckpt/lenet.1.2.0123456789abcdef.ckpt"), "x");
  WriteFile(temp_.File("ckpt/.someone-elses"), "x");
  const auto newcomer = Open();
  const std::set<std::string> files = Files();
  EXPECT_EQ(files.size(), 5U) << "two locks, a temporary, a checkpoint, a stranger";
  EXPECT_EQ(files.count(std::filesystem::path(live).filename().string()), 1U);
  EXPECT_EQ(files.count("lenet.1.2.0123456789abcdef.ckpt"), 1U);
  EXPECT_EQ(files.count(".someone-elses"), 1U);
}

TEST_F(CheckpointDirTest, LeavesNothingButCheckpoints) {
  {
    const auto dir = Open();
    WriteFile(dir->NewTemporary(), "x");
    const std::string temporary = dir->NewTemporary();
    WriteFile(temporary, "x");
    ASSERT_TRUE(dir->Publish(temporary, "lenet", 7, 4).ok());
  }
  ASSERT_EQ(Files().size(), 1U);
  EXPECT_TRUE(absl::StartsWith(*Files().begin(), "lenet.7.4."));
}

TEST_F(CheckpointDirTest, FolderThatCannotBe) {
  WriteFile(temp_.File("file"), "x");
  const auto dir = CheckpointDir::Open(temp_.File("file/ckpt"));
  ASSERT_TRUE(absl::IsFailedPrecondition(dir.status())) << dir.status();
  EXPECT_THAT(dir.status().ToString(), HasSubstr("--checkpoint-dir"));
}

}  // namespace
}  // namespace halving
