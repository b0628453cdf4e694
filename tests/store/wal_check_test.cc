// CheckWal: what is damage in a write-ahead log, and what a kill may leave.
#include "server/store/wal_check.h"

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/journal_files.h"
#include "tests/store/sample_events.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kHeaderBytes = 32;
constexpr uint64_t kFrameBytes = 24 + 4096;

// A directory as a kill left it: `frames` appends, a frame each.
class KilledJournal {
 public:
  explicit KilledJournal(int frames) {
    const TempDir running;
    const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(running.path());
    HV_CHECK(journal.ok()) << journal.status();
    for (int i = 0; i < frames; ++i) {
      const absl::Status appended = (*journal)->Append(SmallEvents(i, 1));
      HV_CHECK(appended.ok()) << appended;
    }
    CopyJournal(running.path(), path());
    HV_CHECK(std::filesystem::file_size(wal()) == kHeaderBytes + frames * kFrameBytes)
        << "not one frame for each append";
  }

  std::string path() const { return directory_.path(); }
  std::string wal() const { return directory_.File("journal.db-wal"); }

 private:
  const TempDir directory_;
};

TEST(CheckWalTest, NoFileIsOk) {
  const TempDir directory;
  EXPECT_THAT(CheckWal(directory.File("none")), IsOk());
}

TEST(CheckWalTest, AWholeLogIsOk) { EXPECT_THAT(CheckWal(KilledJournal(5).wal()), IsOk()); }

TEST(CheckWalTest, ATornLogIsOkWhereverItWasTorn) {
  const KilledJournal journal(4);
  for (uint64_t size = kHeaderBytes + 4 * kFrameBytes; size > 0; size -= std::min(size, 777UL)) {
    std::filesystem::resize_file(journal.wal(), size);
    EXPECT_THAT(CheckWal(journal.wal()), IsOk()) << size << " bytes";
  }
  std::filesystem::resize_file(journal.wal(), 0);
  EXPECT_THAT(CheckWal(journal.wal()), IsOk());
}

TEST(CheckWalTest, AFlippedBitBeforeAGoodFrameIsDamage) {
  constexpr int kFrames = 5;
  const KilledJournal journal(kFrames);
  // The last two are left out: a wrong checksum in the last but one spoils the last one too.
  for (uint64_t byte = 0; byte < kHeaderBytes + (kFrames - 2) * kFrameBytes; byte += 7) {
    const int bit = static_cast<int>(byte % 8);
    FlipBit(journal.wal(), byte, bit);
    EXPECT_THAT(CheckWal(journal.wal()),
                StatusIs(StatusCode::kDataLoss,
                         AllOf(HasSubstr(journal.wal()), HasSubstr("restore a backup"))))
        << "byte " << byte << " bit " << bit;
    FlipBit(journal.wal(), byte, bit);
  }
  EXPECT_THAT(CheckWal(journal.wal()), IsOk());
}

TEST(CheckWalTest, ADamagedLastFrameLooksLikeATornOne) {
  const KilledJournal journal(3);
  FlipBit(journal.wal(), kHeaderBytes + 2 * kFrameBytes + 100, 3);
  EXPECT_THAT(CheckWal(journal.wal()), IsOk());
  EXPECT_THAT(OpenAndReplay(journal.path()), IsOkAndHolds(testing::Eq(SmallEvents(0, 2))));
}

TEST(CheckWalTest, SaysWhichFrameIsBadAndWhichOneIsGood) {
  const KilledJournal journal(5);
  FlipBit(journal.wal(), kHeaderBytes + kFrameBytes + 100, 3);
  EXPECT_THAT(CheckWal(journal.wal()),
              StatusIs(StatusCode::kDataLoss, AllOf(HasSubstr("frame 2 has a wrong checksum"),
                                                    HasSubstr("frame 3 behind it is good"))));
}

// SQLite does not read such a log at all. Its header has the right checksum.
TEST(CheckWalTest, APageSizeThatCannotBeTakesNoMemory) {
  const TempDir directory;
  WriteTestFile(directory.File("wal"), absl::HexStringToBytes("377f0682002de218fffffff800000000"
                                                              "0000000100000002c7c703117a9edab5"));
  EXPECT_THAT(CheckWal(directory.File("wal")), IsOk());
}

// SQLite starts over at the front of the file, and what was there before stays behind.
TEST(CheckWalTest, FramesOfAnEarlierRoundAreNoDamage) {
  const TempDir directory;
  const TempDir after_kill;
  const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenJournal(directory.path());
  ASSERT_THAT(journal, IsOk());
  const std::vector<Event> large = {
      AttemptFailed{.study = 1, .trial = 1, .reason = std::string(1'000'000, 'x')}};
  std::vector<Event> all;
  uintmax_t largest = 0;
  bool started_over = false;
  while (!started_over) {
    ASSERT_LT(all.size(), 100u) << "never started over";
    ASSERT_THAT((*journal)->Append(large), IsOk());
    ASSERT_THAT((*journal)->Append(SmallEvents(0, 1)), IsOk());
    all.push_back(large[0]);
    all.push_back(SmallEvents(0, 1)[0]);
    const uintmax_t size = std::filesystem::file_size(directory.File("journal.db-wal"));
    started_over = size == largest;
    largest = size;
  }
  CopyJournal(directory.path(), after_kill.path());
  EXPECT_THAT(OpenAndReplay(after_kill.path()), IsOkAndHolds(testing::Eq(all)));
}

}  // namespace
}  // namespace halving
