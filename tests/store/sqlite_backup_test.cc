// Backups of a journal that goes on being written, and reading one without changing it.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/journal_files.h"
#include "tests/store/sample_events.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// So many events that a copy takes more than one step.
constexpr int kManyEvents = 20'000;

// All files of a directory with what is in them.
std::vector<std::pair<std::string, std::string>> Contents(const std::string& directory) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files.emplace_back(entry.path().string(), ReadTestFile(entry.path().string()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::vector<Event>> ReadAll(const std::string& file) {
  const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = SqliteJournal::OpenToRead(file);
  if (!journal.ok()) return journal.status();
  return ReplayAll(**journal);
}

class SqliteBackupTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(directory_.path());
    ASSERT_THAT(journal, IsOk());
    journal_ = *std::move(journal);
  }

  std::unique_ptr<JournalBackup> Start() {
    absl::StatusOr<std::unique_ptr<JournalBackup>> backup = journal_->StartBackup();
    HV_CHECK(backup.ok()) << backup.status();
    return *std::move(backup);
  }

  TempDir directory_;
  std::unique_ptr<SqliteJournal> journal_;
};

TEST_F(SqliteBackupTest, HoldsAllEventsAlsoThoseAppendedMeanwhile) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, kManyEvents)), IsOk());
  const std::unique_ptr<JournalBackup> backup = Start();
  int events = kManyEvents;
  int steps = 0;
  for (absl::StatusOr<bool> whole = false;; whole = backup->Step()) {
    ASSERT_THAT(whole, IsOk());
    if (*whole) break;
    ++steps;
    ASSERT_THAT(journal_->Append(SmallEvents(events, 3)), IsOk());
    events += 3;
  }
  EXPECT_GE(steps, 2);
  EXPECT_THAT(ReadAll(backup->file()), IsOkAndHolds(testing::Eq(SmallEvents(0, events))));
  EXPECT_THAT(ReplayAll(*journal_), IsOkAndHolds(testing::Eq(SmallEvents(0, events))));
}

TEST_F(SqliteBackupTest, StaysAsItWasOnceItIsWhole) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, 10)), IsOk());
  const std::unique_ptr<JournalBackup> backup = Start();
  EXPECT_THAT(backup->Step(), IsOkAndHolds(true));
  ASSERT_THAT(journal_->Append(SmallEvents(10, 10)), IsOk());
  journal_.reset();
  EXPECT_THAT(ReadAll(backup->file()), IsOkAndHolds(testing::Eq(SmallEvents(0, 10))));
}

TEST_F(SqliteBackupTest, GoesWithItsObjectWholeOrNot) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, kManyEvents)), IsOk());
  for (const int steps : {0, 1, 1000}) {
    std::unique_ptr<JournalBackup> backup = Start();
    absl::StatusOr<bool> whole = false;
    for (int i = 0; i < steps && !*whole; ++i) {
      whole = backup->Step();
      ASSERT_THAT(whole, IsOk());
    }
    const std::string file = backup->file();
    EXPECT_TRUE(std::filesystem::exists(file));
    backup.reset();
    EXPECT_FALSE(std::filesystem::exists(file)) << "after " << steps << " steps";
  }
  EXPECT_THAT(journal_->Append(SmallEvents(kManyEvents, 1)), IsOk());
}

TEST_F(SqliteBackupTest, IsForItsOwnerOnly) {
  const std::unique_ptr<JournalBackup> backup = Start();
  struct stat of_file = {};
  ASSERT_EQ(stat(backup->file().c_str(), &of_file), 0);
  EXPECT_EQ(of_file.st_mode & 0777, 0600U);
}

TEST_F(SqliteBackupTest, ThatAKilledServerLeftIsSweptAtTheNextStart) {
  const std::string left = directory_.File(".halving-copy-7");
  const std::string own = directory_.File("journal.db.backup-monday");
  WriteTestFile(left, "half a copy");
  WriteTestFile(own, "somebody's own");
  journal_.reset();
  ASSERT_THAT(OpenJournal(directory_.path()), IsOk());
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_EQ(ReadTestFile(own), "somebody's own");
}

TEST_F(SqliteBackupTest, ToReadAJournalChangesNothing) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, 10)), IsOk());
  const TempDir copies;
  const std::string killed = copies.File("killed with 100% of a -wal?#");
  CopyJournal(directory_.path(), killed);
  journal_.reset();
  const std::string stopped = copies.File("stopped 50%?#");
  CopyJournal(directory_.path(), stopped);
  ASSERT_TRUE(std::filesystem::exists(killed + "/journal.db-wal"));
  ASSERT_FALSE(std::filesystem::exists(stopped + "/journal.db-wal"));
  for (const std::string& directory : {killed, stopped}) {
    const auto before = Contents(directory);
    EXPECT_THAT(ReadAll(directory + "/journal.db"), IsOkAndHolds(testing::Eq(SmallEvents(0, 10))))
        << directory;
    EXPECT_EQ(Contents(directory), before) << directory;
  }
}

TEST_F(SqliteBackupTest, ToReadWhatIsNotThereIsRefusedAndMakesNothing) {
  const std::string missing = directory_.File("missing.db");
  EXPECT_THAT(SqliteJournal::OpenToRead(missing),
              StatusIs(StatusCode::kNotFound, HasSubstr(missing)));
  EXPECT_FALSE(std::filesystem::exists(missing));
  const std::string empty = directory_.File("empty.db");
  WriteTestFile(empty, "");
  EXPECT_THAT(SqliteJournal::OpenToRead(empty),
              StatusIs(StatusCode::kNotFound, HasSubstr("empty")));
}

TEST_F(SqliteBackupTest, ADamagedOneIsNoticed) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, 100)), IsOk());
  const std::unique_ptr<JournalBackup> backup = Start();
  ASSERT_THAT(backup->Step(), IsOkAndHolds(true));
  RunSql(backup->file(), "UPDATE events SET data = x'00' WHERE seq = 50");
  EXPECT_THAT(ReadAll(backup->file()), StatusIs(StatusCode::kDataLoss, HasSubstr("event 50")));
}

TEST_F(SqliteBackupTest, ARenewedSecretIsAnotherOneAndStays) {
  ASSERT_THAT(journal_->Append(SmallEvents(0, 10)), IsOk());
  const std::string before = journal_->secret();
  ASSERT_THAT(journal_->RenewSecret(), IsOk());
  const std::string renewed = journal_->secret();
  EXPECT_NE(renewed, before);
  EXPECT_EQ(renewed.size(), before.size());
  ASSERT_THAT(journal_->Append(SmallEvents(10, 10)), IsOk());
  journal_.reset();
  const absl::StatusOr<std::unique_ptr<SqliteJournal>> again = OpenJournal(directory_.path());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->secret(), renewed);
  EXPECT_THAT(ReplayAll(**again), IsOkAndHolds(testing::Eq(SmallEvents(0, 20))));
  ASSERT_THAT((*again)->RenewSecret(), IsOk());
  EXPECT_NE((*again)->secret(), renewed);
}

}  // namespace
}  // namespace halving
