#include "worker/agent/checkpoint_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/agent/test_util.h"

namespace halving {
namespace {

using testing::HasSubstr;

class CheckpointDirTest : public testing::Test {
 protected:
  std::unique_ptr<CheckpointDir> Open() {
    absl::StatusOr<std::unique_ptr<CheckpointDir>> dir =
        CheckpointDir::Open(temp_.File("ckpt"), "tag");
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

TEST_F(CheckpointDirTest, WhatATrainerWroteBecomesACopyOfWhatTheServerHas) {
  const auto dir = Open();
  const std::string temporary = dir->NewTemporary();
  WriteFile(temporary, "weights");
  const absl::StatusOr<std::string> taken = dir->TakeAway(temporary);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_FALSE(std::filesystem::exists(temporary)) << "or a trainer could overwrite it";
  EXPECT_TRUE(dir->Copies().empty()) << "the server does not have it yet";
  dir->Keep(*taken, "1.2.3.4.feed");
  const absl::StatusOr<std::string> path = dir->Find("1.2.3.4.feed");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_TRUE(std::filesystem::path(*path).is_absolute());
  EXPECT_EQ(ReadFile(*path), "weights");
  EXPECT_THAT(dir->Copies(), testing::ElementsAre("1.2.3.4.feed"));
  dir->RemoveCopy("1.2.3.4.feed");
  EXPECT_TRUE(absl::IsNotFound(dir->Find("1.2.3.4.feed").status()));
}

TEST_F(CheckpointDirTest, ACopyOfAnotherServersIsNotOurs) {
  const auto ours = Open();
  auto theirs = CheckpointDir::Open(temp_.File("ckpt"), "other");
  ASSERT_TRUE(theirs.ok()) << theirs.status();
  const std::string file = ours->NewTemporary();
  WriteFile(file, "weights");
  ours->Keep(file, "1.2.3.4.feed");
  EXPECT_TRUE((*theirs)->Copies().empty());
  (*theirs)->RemoveCopy("1.2.3.4.feed");
  EXPECT_TRUE(ours->Find("1.2.3.4.feed").ok());
  EXPECT_FALSE((*theirs)->Find("1.2.3.4.feed").ok());
}

TEST_F(CheckpointDirTest, APrivateNameStaysWhenTheCopyIsRemoved) {
  const auto dir = Open();
  const std::string file = dir->NewTemporary();
  WriteFile(file, "weights");
  dir->Keep(file, "1.2.3.4.feed");
  const absl::StatusOr<std::string> own = dir->PrivateName("1.2.3.4.feed");
  ASSERT_TRUE(own.ok()) << own.status();
  dir->RemoveCopy("1.2.3.4.feed");
  EXPECT_EQ(ReadFile(*own), "weights");
  EXPECT_FALSE(dir->PrivateName("1.2.3.4.feed").ok());
}

TEST_F(CheckpointDirTest, WhatATrainerMadeBesideItsFileGoesWithIt) {
  const auto dir = Open();
  const std::string first = dir->NewTemporary();
  const std::string second = dir->NewTemporary();
  for (const std::string end : {"", ".part", ".tmp-1234"}) WriteFile(first + end, "x");
  WriteFile(second, "x");
  dir->RemoveAllOf(first);
  EXPECT_EQ(Files().size(), 2U) << "the lock, and the other file";
  EXPECT_TRUE(std::filesystem::exists(second));
}

TEST_F(CheckpointDirTest, AFolderThatWasCleanedAwayIsMadeAgain) {
  const auto dir = Open();
  std::filesystem::remove_all(temp_.File("ckpt"));
  WriteFile(dir->NewTemporary(), "x");
  EXPECT_EQ(Files().size(), 1U);
}

TEST_F(CheckpointDirTest, NothingToTakeAway) {
  const auto dir = Open();
  EXPECT_TRUE(absl::IsNotFound(dir->TakeAway(dir->NewTemporary()).status()));
}

TEST_F(CheckpointDirTest, AnIdThatIsAPathIsNoNameForACopy) {
  const auto dir = Open();
  const std::string file = dir->NewTemporary();
  WriteFile(file, "x");
  dir->Keep(file, "../outside");
  EXPECT_FALSE(std::filesystem::exists(temp_.File("outside")));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CheckpointDirTest, InTheServersOwnFolderTheCheckpointsAreTheServers) {
  const auto dir = Open();
  EXPECT_FALSE(dir->IsServers());
  WriteFile(temp_.File("ckpt/.halving-server"), "its mark");
  WriteFile(temp_.File("ckpt/1.2.3.4.feed"), "the server's");
  EXPECT_TRUE(dir->IsServers());
  EXPECT_TRUE(dir->Copies().empty());
  dir->RemoveCopy("1.2.3.4.feed");
  EXPECT_TRUE(dir->Find("1.2.3.4.feed").ok());
  const std::string file = dir->NewTemporary();
  WriteFile(file, "the same bytes");
  dir->Keep(file, "1.2.3.4.feed");
  EXPECT_EQ(ReadFile(temp_.File("ckpt/1.2.3.4.feed")), "the server's");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CheckpointDirTest, IdsAreOnlyPlainNames) {
  const auto dir = Open();
  WriteFile(temp_.File("outside"), "secret");
  for (const std::string id : {"", ".", "..", "../outside", "/etc/passwd", "a/b", ".hidden"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(dir->Find(id).status())) << id;
    dir->RemoveCopy(id);
  }
  EXPECT_EQ(ReadFile(temp_.File("outside")), "secret");
  std::filesystem::create_directory(temp_.File("ckpt/folder"));
  EXPECT_TRUE(absl::IsNotFound(dir->Find("folder").status()));
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
    dir->Keep(temporary, "1.2.3.4.feed");
  }
  EXPECT_THAT(Files(), testing::ElementsAre("1.2.3.4.feed@tag"));
}

TEST_F(CheckpointDirTest, FolderThatCannotBe) {
  WriteFile(temp_.File("file"), "x");
  const auto dir = CheckpointDir::Open(temp_.File("file/ckpt"), "tag");
  ASSERT_TRUE(absl::IsFailedPrecondition(dir.status())) << dir.status();
  EXPECT_THAT(dir.status().ToString(), HasSubstr("--checkpoint-dir"));
}

}  // namespace
}  // namespace halving
