// Damage of the files is noticed before anything is built on it.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/event_codec.h"
#include "tests/store/journal_files.h"
#include "tests/store/sample_events.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr int kEvents = 100;

// A journal that was stopped cleanly, with kEvents events.
class JournalDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(directory_.path());
    ASSERT_THAT(journal, IsOk());
    ASSERT_THAT((*journal)->Append(SmallEvents(0, kEvents)), IsOk());
    secret_ = (*journal)->secret();
  }

  std::string file() const { return directory_.File("journal.db"); }
  void Run(const std::string& sql) { RunSql(file(), sql); }
  void ExpectNoticedAt(int event) {
    EXPECT_THAT(OpenAndReplay(directory_.path()),
                StatusIs(StatusCode::kDataLoss,
                         AllOf(HasSubstr(file()), HasSubstr(absl::StrCat("event ", event, " ")),
                               HasSubstr("restore a backup"))));
  }

  TempDir directory_;
  std::string secret_;
};

TEST_F(JournalDamageTest, AJournalThatIsWholeOpens) {
  EXPECT_THAT(OpenAndReplay(directory_.path()), IsOkAndHolds(testing::Eq(SmallEvents(0, kEvents))));
}

TEST_F(JournalDamageTest, ADeletedRowIsNoticed) {
  Run("DELETE FROM events WHERE seq = 50");
  ExpectNoticedAt(50);
}

TEST_F(JournalDamageTest, ADeletedFirstRowIsNoticed) {
  Run("DELETE FROM events WHERE seq = 1");
  ExpectNoticedAt(1);
}

TEST_F(JournalDamageTest, SwappedRowsAreNoticed) {
  Run("UPDATE events SET seq = -1 WHERE seq = 10; UPDATE events SET seq = 10 WHERE seq = 11;"
      "UPDATE events SET seq = 11 WHERE seq = -1");
  ExpectNoticedAt(10);
}

TEST_F(JournalDamageTest, ADuplicatedRowIsNoticed) {
  Run("INSERT INTO events SELECT 101, data, chain FROM events WHERE seq = 100");
  ExpectNoticedAt(101);
}

TEST_F(JournalDamageTest, AChangedEventIsNoticed) {
  Run("UPDATE events SET data = (SELECT data FROM events WHERE seq = 8) WHERE seq = 7");
  ExpectNoticedAt(7);
}

TEST_F(JournalDamageTest, AChangedSecretIsNoticed) {
  Run("UPDATE meta SET value = zeroblob(32)");
  ExpectNoticedAt(1);
}

// The hashes cannot tell, when it is the last one of all.
TEST_F(JournalDamageTest, APageThatNoLongerListsItsLastRowIsNoticed) {
  constexpr size_t kPageBytes = 4096;
  constexpr char kLeafOfATable = 13;
  const std::string original = ReadTestFile(file());
  int leaves = 0;
  for (size_t page = kPageBytes; page < original.size(); page += kPageBytes) {
    if (original[page] != kLeafOfATable) continue;
    ++leaves;
    std::string damaged = original;
    --damaged[page + 4];  // The lower byte of how many rows there are.
    WriteTestFile(file(), damaged);
    EXPECT_THAT(OpenAndReplay(directory_.path()), StatusIs(StatusCode::kDataLoss))
        << "page at " << page;
  }
  EXPECT_GE(leaves, 3) << "two of events, one of what is known of the journal";
}

TEST_F(JournalDamageTest, ATruncatedFileIsNoticed) {
  const uintmax_t size = std::filesystem::file_size(file());
  for (uintmax_t keep = size - 512; keep > 0; keep -= std::min<uintmax_t>(keep, 1536)) {
    std::filesystem::resize_file(file(), keep);
    EXPECT_THAT(OpenAndReplay(directory_.path()), StatusIs(StatusCode::kDataLoss))
        << keep << " of " << size << " bytes";
  }
}

// A bit of every 29th byte, all over the file: in the events, in SQLite's own pages, and in what is
// not in use.
TEST_F(JournalDamageTest, AFlippedBitIsNoticedOrChangesNothing) {
  const std::string original = ReadTestFile(file());
  int noticed = 0;
  constexpr uint64_t kStep = 29;
  for (uint64_t byte = 0; byte < original.size(); byte += kStep) {
    const int bit = static_cast<int>(byte / kStep % 8);
    SCOPED_TRACE(absl::StrCat("byte ", byte, " bit ", bit));
    WriteTestFile(file(), original);
    FlipBit(file(), byte, bit);
    const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(directory_.path());
    if (!journal.ok()) {
      ++noticed;
      continue;
    }
    const absl::StatusOr<std::vector<Event>> events = ReplayAll(**journal);
    if (events.ok()) {
      EXPECT_TRUE(*events == SmallEvents(0, kEvents));
      EXPECT_EQ((*journal)->secret(), secret_);
    } else {
      EXPECT_THAT(events, StatusIs(StatusCode::kDataLoss));
      ++noticed;
    }
  }
  size_t event_bytes = 0;
  for (const Event& event : SmallEvents(0, kEvents)) event_bytes += EncodeEvent(event).size();
  EXPECT_GE(noticed, static_cast<int>(event_bytes / kStep)) << "no flip in an event goes unnoticed";
}

TEST_F(JournalDamageTest, AFlippedBitInTheWalIsNoticed) {
  const TempDir after_kill;
  const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(directory_.path());
  ASSERT_THAT(journal, IsOk());
  for (int i = 0; i < 4; ++i) ASSERT_THAT((*journal)->Append(SmallEvents(kEvents + i, 1)), IsOk());
  CopyJournal(directory_.path(), after_kill.path());
  FlipBit(after_kill.File("journal.db-wal"), 32 + 24 + 1000, 0);
  EXPECT_THAT(OpenAndReplay(after_kill.path()),
              StatusIs(StatusCode::kDataLoss, HasSubstr(after_kill.File("journal.db-wal"))));
}

}  // namespace
}  // namespace halving
