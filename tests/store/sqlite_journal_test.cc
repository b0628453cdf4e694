// SqliteJournal and its data directory: whose they are, and what a full or failing disk does.
#include "server/store/sqlite_journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crypto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/fault_vfs.h"
#include "tests/store/journal_files.h"
#include "tests/store/sample_events.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Ne;

// Events that need many pages.
std::vector<Event> LargeEvents(int count) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    events.emplace_back(AttemptFailed{.study = 1,
                                      .trial = i,
                                      .attempt = 1,
                                      .reason = std::string(10'000, static_cast<char>('a' + i))});
  }
  return events;
}

// ---- the data directory

TEST(DataDirectoryTest, IsMadeForNobodyElseToRead) {
  const TempDir parent;
  const std::string path = parent.File("a/b");
  ASSERT_THAT(DataDirectory::Lock(path), IsOk());
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
}

TEST(DataDirectoryTest, ThatWasThereKeepsItsPermissions) {
  const TempDir directory;
  const auto open_to_all = std::filesystem::perms::owner_all | std::filesystem::perms::others_read;
  std::filesystem::permissions(directory.path(), open_to_all);
  ASSERT_THAT(DataDirectory::Lock(directory.path()), IsOk());
  EXPECT_EQ(std::filesystem::status(directory.path()).permissions(), open_to_all);
}

TEST(DataDirectoryTest, ASecondLockIsRefusedAndNamesTheFirstOnesPid) {
  const TempDir directory;
  const absl::StatusOr<DataDirectory> first = DataDirectory::Lock(directory.path());
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(
      DataDirectory::Lock(directory.path()).status(),
      StatusIs(StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(directory.path()), HasSubstr(absl::StrCat("pid ", getpid(), ";")),
                     HasSubstr("--data-dir"))));
}

TEST(DataDirectoryTest, ItsLockGoesWithItsHolder) {
  const TempDir directory;
  { ASSERT_THAT(DataDirectory::Lock(directory.path()), IsOk()); }
  EXPECT_THAT(DataDirectory::Lock(directory.path()), IsOk());
}

TEST(DataDirectoryTest, ItsLockMovesWithIt) {
  const TempDir directory;
  absl::StatusOr<DataDirectory> first = DataDirectory::Lock(directory.path());
  ASSERT_THAT(first, IsOk());
  const DataDirectory moved = *std::move(first);
  first = absl::UnknownError("moved away");
  EXPECT_THAT(DataDirectory::Lock(directory.path()).status(),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST(DataDirectoryTest, AFullDiskDoesNotKeepItFromBeingLocked) {
  const TempDir directory;
  const FileSizeLimit no_room(0);
  EXPECT_THAT(DataDirectory::Lock(directory.path()), IsOk());
}

TEST(DataDirectoryTest, UnderAFileIsRefusedNamingIt) {
  const TempDir parent;
  WriteTestFile(parent.File("file"), "");
  EXPECT_THAT(DataDirectory::Lock(parent.File("file/data")).status(),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr(parent.File("file/data"))));
}

TEST(DataDirectoryTest, ThatCannotBeWrittenIsRefusedNamingIt) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere; run this as another user";
  const TempDir directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_read);
  EXPECT_THAT(DataDirectory::Lock(directory.path()).status(),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr(directory.path())));
  std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_all);
}

// ---- whose journal it is

TEST(SqliteJournalTest, HoldsTheLockWhileItIsOpen) {
  const TempDir directory;
  OpenedJournal journal = MustOpen(directory.path());
  EXPECT_THAT(OpenJournal(directory.path()).status(), StatusIs(StatusCode::kFailedPrecondition));
  journal.reset();
  EXPECT_THAT(OpenJournal(directory.path()), IsOk());
}

TEST(SqliteJournalTest, EachHasASecretOfItsOwn) {
  const TempDir one;
  const TempDir other;
  EXPECT_THAT(MustOpen(one.path())->secret(), Ne(MustOpen(other.path())->secret()));
}

TEST(SqliteJournalTest, OfANewerVersionIsRefusedAndLeftAsItIs) {
  const TempDir directory;
  MustOpen(directory.path());
  RunSql(directory.File("journal.db"), "PRAGMA user_version = 9");
  const std::string before = ReadTestFile(directory.File("journal.db"));
  EXPECT_THAT(OpenJournal(directory.path()).status(),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory.File("journal.db")), HasSubstr("version 9"),
                             HasSubstr("reads up to 2"), HasSubstr("Start the newer one"))));
  EXPECT_EQ(ReadTestFile(directory.File("journal.db")), before);
}

TEST(SqliteJournalTest, AForeignDatabaseIsRefusedAndLeftAsItIs) {
  const TempDir directory;
  RunSql(directory.File("journal.db"), "CREATE TABLE notes (text)");
  const std::string before = ReadTestFile(directory.File("journal.db"));
  EXPECT_THAT(OpenJournal(directory.path()).status(),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory.File("journal.db")), HasSubstr("no journal of"),
                             HasSubstr("--data-dir"))));
  EXPECT_EQ(ReadTestFile(directory.File("journal.db")), before);
}

TEST(SqliteJournalTest, AFileThatIsNoDatabaseIsRefusedAndLeftAsItIs) {
  const TempDir directory;
  const std::string text(5000, 'x');
  WriteTestFile(directory.File("journal.db"), text);
  EXPECT_THAT(OpenJournal(directory.path()).status(),
              StatusIs(StatusCode::kDataLoss, HasSubstr(directory.File("journal.db"))));
  EXPECT_EQ(ReadTestFile(directory.File("journal.db")), text);
}

TEST(SqliteJournalTest, WithoutItsSecretIsRefused) {
  const TempDir directory;
  MustOpen(directory.path());
  RunSql(directory.File("journal.db"), "DELETE FROM meta");
  EXPECT_THAT(OpenJournal(directory.path()).status(),
              StatusIs(StatusCode::kDataLoss, HasSubstr("secret")));
}

TEST(SqliteJournalTest, AnEventOfALaterVersionIsRefusedNamingFileAndNumber) {
  const TempDir directory;
  const std::string secret = MustOpen(directory.path())->secret();
  const std::string data("\x9a\x06\x00", 3);  // Field 99, an empty message.
  const std::string hash = Sha256(secret + std::string("\1\0\0\0\0\0\0\0", 8) + data);
  RunSql(directory.File("journal.db"),
         absl::StrCat("INSERT INTO events VALUES (1, x'", absl::BytesToHexString(data), "', x'",
                      absl::BytesToHexString(hash.substr(0, 16)), "')"));
  EXPECT_THAT(OpenAndReplay(directory.path()),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr(directory.File("journal.db")), HasSubstr("event 1"),
                             HasSubstr("this version does not know"))));
}

// ---- kills and stops

TEST(SqliteJournalTest, AfterAKillHoldsAllThatWasAcknowledged) {
  const TempDir directory;
  const TempDir after_kill;
  const OpenedJournal journal = MustOpen(directory.path());
  for (int i = 0; i < 30; ++i) {
    ASSERT_THAT(journal->Append(SmallEvents(3 * i, 3)), IsOk());
    CopyJournal(directory.path(), after_kill.path());
    EXPECT_THAT(OpenAndReplay(after_kill.path()),
                IsOkAndHolds(testing::Eq(SmallEvents(0, 3 * i + 3))));
  }
}

TEST(SqliteJournalTest, AfterAKillInTheFirstMomentIsAnEmptyJournal) {
  const TempDir directory;
  const TempDir after_kill;
  const OpenedJournal journal = MustOpen(directory.path());
  CopyJournal(directory.path(), after_kill.path());
  EXPECT_EQ(MustOpen(after_kill.path())->secret(), journal->secret());
}

TEST(SqliteJournalTest, ACleanStopLeavesNoWal) {
  const TempDir directory;
  OpenedJournal journal = MustOpen(directory.path());
  ASSERT_THAT(journal->Append(SmallEvents(0, 3)), IsOk());
  ASSERT_TRUE(std::filesystem::exists(directory.File("journal.db-wal")));
  journal.reset();
  EXPECT_FALSE(std::filesystem::exists(directory.File("journal.db-wal")));
}

TEST(SqliteJournalTest, ItsWalDoesNotGrowForEver) {
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  for (int i = 0; i < 100; ++i) ASSERT_THAT(journal->Append(LargeEvents(10)), IsOk());
  constexpr uintmax_t kWritten = 100 * 10 * 10'000;
  EXPECT_LT(std::filesystem::file_size(directory.File("journal.db-wal")), kWritten / 2);
  EXPECT_GT(std::filesystem::file_size(directory.File("journal.db")), kWritten / 2);
}

// ---- a disk that is full or fails

// What holds after an append found no room, whichever way the system said so.
void ExpectNothingWrittenAndRetryCounts(const std::string& path, SqliteJournal& journal,
                                        const std::vector<Event>& before,
                                        const std::vector<Event>& refused) {
  EXPECT_THAT(ReplayAll(journal), IsOkAndHolds(testing::Eq(before)));
  const TempDir after_kill;
  CopyJournal(path, after_kill.path());
  EXPECT_THAT(OpenAndReplay(after_kill.path()), IsOkAndHolds(testing::Eq(before)));

  ASSERT_THAT(journal.Append(refused), IsOk());
  std::vector<Event> all = before;
  all.insert(all.end(), refused.begin(), refused.end());
  EXPECT_THAT(ReplayAll(journal), IsOkAndHolds(testing::Eq(all)));
  CopyJournal(path, after_kill.path());
  EXPECT_THAT(OpenAndReplay(after_kill.path()), IsOkAndHolds(testing::Eq(all)));
}

TEST(SqliteJournalTest, AFileSizeLimitIsAFullDisk) {
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  ASSERT_THAT(journal->Append(SmallEvents(0, 3)), IsOk());
  {
    const FileSizeLimit small(std::filesystem::file_size(directory.File("journal.db-wal")) + 9000);
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(
          journal->Append(LargeEvents(10)),
          StatusIs(StatusCode::kResourceExhausted,
                   AllOf(HasSubstr(directory.File("journal.db")), HasSubstr("File too large"))));
    }
  }
  ExpectNothingWrittenAndRetryCounts(directory.path(), *journal, SmallEvents(0, 3),
                                     LargeEvents(10));
}

class NoRoomTest : public testing::TestWithParam<int> {};

TEST_P(NoRoomTest, IsAFullDiskAtEveryWrite) {
  FaultVfs disk;
  for (int writes = 0; writes < 12; ++writes) {
    SCOPED_TRACE(absl::StrCat("fails after ", writes, " writes"));
    const TempDir directory;
    const OpenedJournal journal = MustOpen(directory.path());
    ASSERT_THAT(journal->Append(SmallEvents(0, 3)), IsOk());
    disk.FailWrites(GetParam(), writes);
    ASSERT_THAT(journal->Append(LargeEvents(5)), StatusIs(StatusCode::kResourceExhausted));
    disk.Repair();
    ExpectNothingWrittenAndRetryCounts(directory.path(), *journal, SmallEvents(0, 3),
                                       LargeEvents(5));
  }
}

INSTANTIATE_TEST_SUITE_P(, NoRoomTest, testing::Values(ENOSPC, EDQUOT, EFBIG),
                         [](const auto& info) {
                           return info.param == ENOSPC   ? "Disk"
                                  : info.param == EDQUOT ? "Quota"
                                                         : "FileSize";
                         });

TEST(SqliteJournalTest, AKillAfterAFullDiskLeavesNothingThatLooksDamaged) {
  FaultVfs disk;
  const TempDir directory;
  const TempDir after_kill;
  const OpenedJournal journal = MustOpen(directory.path());
  disk.FailWrites(ENOSPC, 20);
  ASSERT_THAT(journal->Append(LargeEvents(10)), StatusIs(StatusCode::kResourceExhausted));
  disk.Repair();
  // Written over the first of the frames that were rolled back; the others still follow it.
  ASSERT_THAT(journal->Append(SmallEvents(0, 1)), IsOk());
  CopyJournal(directory.path(), after_kill.path());
  EXPECT_THAT(OpenAndReplay(after_kill.path()), IsOkAndHolds(testing::Eq(SmallEvents(0, 1))));
}

// A shorter append would else be written over the first frames that the killed process left, and
// the others behind it would look like committed ones behind damage.
TEST(SqliteJournalTest, AppendsNothingUntilWhatAKilledProcessLeftIsFolded) {
  FaultVfs disk;
  const TempDir directory;
  const TempDir after_kill;
  const TempDir after_that;
  {
    const OpenedJournal journal = MustOpen(directory.path());
    ASSERT_THAT(journal->Append(SmallEvents(0, 1)), IsOk());
    disk.FailWrites(ENOSPC, 20);
    ASSERT_THAT(journal->Append(LargeEvents(10)), StatusIs(StatusCode::kResourceExhausted));
    CopyJournal(directory.path(), after_kill.path());
    disk.Repair();
  }
  disk.FailWrites(ENOSPC);
  const absl::StatusOr<OpenedJournal> opened = OpenJournal(after_kill.path());
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(ReplayAll(**opened), IsOkAndHolds(testing::Eq(SmallEvents(0, 1))));
  EXPECT_THAT((*opened)->Append(SmallEvents(1, 1)), StatusIs(StatusCode::kResourceExhausted));
  disk.Repair();
  EXPECT_THAT((*opened)->Append(SmallEvents(1, 1)), IsOk());
  CopyJournal(after_kill.path(), after_that.path());
  EXPECT_THAT(OpenAndReplay(after_that.path()), IsOkAndHolds(testing::Eq(SmallEvents(0, 2))));
}

TEST(SqliteJournalTest, AfterAKillOnAFullDiskOpensAndCanBeRead) {
  const TempDir directory;
  const TempDir after_kill;
  const OpenedJournal journal = MustOpen(directory.path());
  ASSERT_THAT(journal->Append(LargeEvents(10)), IsOk());
  CopyJournal(directory.path(), after_kill.path());
  const FileSizeLimit no_room(0);
  const absl::StatusOr<OpenedJournal> opened = OpenJournal(after_kill.path());
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(ReplayAll(**opened), IsOkAndHolds(testing::Eq(LargeEvents(10))));
  EXPECT_THAT((*opened)->Append(SmallEvents(0, 1)), StatusIs(StatusCode::kResourceExhausted));
}

TEST(SqliteJournalTest, AFailedSyncIsNoFullDiskWhateverTheSystemSays) {
  for (const int error : {EIO, ENOSPC, EDQUOT}) {
    FaultVfs disk;
    const TempDir directory;
    const OpenedJournal journal = MustOpen(directory.path());
    disk.FailSyncs(error);
    EXPECT_THAT(journal->Append(SmallEvents(0, 1)), StatusIs(StatusCode::kInternal)) << error;
    disk.Repair();
  }
}

TEST(SqliteJournalTest, AFailedWriteIsNoFullDisk) {
  FaultVfs disk;
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  disk.FailWrites(EIO);
  EXPECT_THAT(journal->Append(SmallEvents(0, 1)),
              StatusIs(StatusCode::kInternal, HasSubstr("Input/output error")));
}

TEST(SqliteJournalTest, AFullDiskOfLongAgoDoesNotColourTheNextError) {
  FaultVfs disk;
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  disk.FailWrites(EDQUOT);
  ASSERT_THAT(journal->Append(SmallEvents(0, 1)), StatusIs(StatusCode::kResourceExhausted));
  disk.Repair();
  disk.FailSyncs(EIO);
  EXPECT_THAT(journal->Append(SmallEvents(0, 1)), StatusIs(StatusCode::kInternal));
}

// SQLite's own checkpoints, at each thousand pages, keep such an error to themselves.
TEST(SqliteJournalTest, ASyncThatFailsWhileTheWalIsFoldedAwayIsTold) {
  FaultVfs disk;
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  ASSERT_THAT(journal->Append(SmallEvents(0, 1)), IsOk());
  disk.FailWrites(ENOSPC, 20);  // So that the next append folds.
  ASSERT_THAT(journal->Append(LargeEvents(10)), StatusIs(StatusCode::kResourceExhausted));
  disk.Repair();
  disk.FailSyncs(EIO, /*after_syncs=*/1);  // The first one is the commit's.
  EXPECT_THAT(journal->Append(LargeEvents(10)),
              StatusIs(StatusCode::kInternal, HasSubstr("folding")));
}

}  // namespace
}  // namespace halving
