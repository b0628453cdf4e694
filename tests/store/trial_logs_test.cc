// What is kept of the lines that trainers print.
#include "server/store/trial_logs.h"

#include <sqlite3.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/fault_vfs.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);

PrintedLines Printed(TrialId trial, int32_t attempt, int64_t first_line,
                     std::vector<std::string> lines, StudyUid study = 1) {
  return {.lease = {.study = study, .trial = trial, .attempt = attempt},
          .worker = "w",
          .first_line = first_line,
          .lines = std::move(lines),
          .time = kTime};
}

// So many lines of a KiB each, of which each begins with its number.
PrintedLines Kibibytes(TrialId trial, int32_t attempt, int64_t first_line, int count) {
  PrintedLines printed = Printed(trial, attempt, first_line, {});
  for (int64_t number = first_line; number < first_line + count; ++number) {
    std::string line = absl::StrCat(number, " ");
    line.resize(1024, '.');
    printed.lines.push_back(std::move(line));
  }
  return printed;
}

// "attempt 1 by w from 3: [a][b]"
std::vector<std::string> Show(const std::vector<KeptLines>& log) {
  std::vector<std::string> shown;
  for (const KeptLines& kept : log) {
    std::string text = absl::StrCat("attempt ", kept.attempt, " by ", kept.worker, " from ",
                                    kept.first_line, ": ");
    for (const std::string& line : kept.lines) absl::StrAppend(&text, "[", line, "]");
    shown.push_back(std::move(text));
  }
  return shown;
}

int64_t BytesOf(const std::vector<KeptLines>& log) {
  int64_t bytes = 0;
  for (const KeptLines& kept : log) {
    for (const std::string& line : kept.lines) bytes += static_cast<int64_t>(line.size());
  }
  return bytes;
}

class TrialLogsTest : public testing::Test {
 protected:
  std::unique_ptr<TrialLogs> Open(int64_t max_bytes = 256 << 20,
                                  const std::string& owner = "owner") {
    return std::make_unique<TrialLogs>(
        file_, TrialLogs::Options{.table = {.owner = owner, .max_bytes = max_bytes},
                                  .warn = [this](const std::string& what) {
                                    MutexLock lock(&mu_);
                                    warnings_.push_back(what);
                                  }});
  }
  std::vector<std::string> warnings() {
    MutexLock lock(&mu_);
    return warnings_;
  }
  // Over the file's bytes from `at` on.
  void Overwrite(int64_t at, const std::string& bytes) {
    std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file << bytes;
  }
  static std::string ContentOf(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
  }

  TempDir dir_;
  const std::string file_ = dir_.path() + "/logs.db";

 private:
  Mutex mu_;
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mu_);
};

TEST_F(TrialLogsTest, LinesAreReadInOrderOfAttemptsWhetherTheyAreWrittenOrNot) {
  const auto logs = Open();
  EXPECT_THAT(logs->Read(1, 7), IsEmpty());
  logs->Append(Printed(7, 2, 1, {"second attempt"}));
  logs->Append(Printed(7, 1, 1, {"a", "", "c\nd"}));
  logs->Flush();
  logs->Append(Printed(7, 1, 4, {"e"}));
  logs->Append(Printed(8, 1, 1, {"of another trial"}));
  const std::vector<KeptLines> kept = logs->Read(1, 7);
  EXPECT_THAT(Show(kept), ElementsAre("attempt 1 by w from 1: [a][][c\nd][e]",
                                      "attempt 2 by w from 1: [second attempt]"));
  EXPECT_EQ(kept[0].update_time, kTime);
  EXPECT_THAT(logs->Read(2, 7), IsEmpty()) << "another study's";
}

TEST_F(TrialLogsTest, KnownNumbersAreIgnored) {
  const auto logs = Open();
  logs->Append(Printed(1, 1, 1, {"a", "b"}));
  logs->Append(Printed(1, 1, 1, {"a", "b"}));
  logs->Flush();
  logs->Append(Printed(1, 1, 1, {"a", "b", "c"}));
  logs->Append(Printed(1, 1, 2, {"b"}));
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 1: [a][b][c]"));
}

TEST_F(TrialLogsTest, AGapInTheNumbersStays) {
  const auto logs = Open();
  logs->Append(Printed(1, 1, 1, {"a"}));
  logs->Append(Printed(1, 1, 10, {"j", "k"}));
  EXPECT_THAT(Show(logs->Read(1, 1)),
              ElementsAre("attempt 1 by w from 1: [a]", "attempt 1 by w from 10: [j][k]"));
}

TEST_F(TrialLogsTest, NumbersThatCannotBeAreIgnored) {
  const auto logs = Open();
  logs->Append(Printed(1, 1, 0, {"a"}));
  logs->Append(Printed(1, 1, -5, {"a"}));
  logs->Append(Printed(1, 1, INT64_MAX, {"a", "b"}));
  logs->Append(Printed(1, 1, 1, {}));
  EXPECT_THAT(logs->Read(1, 1), IsEmpty());
}

TEST_F(TrialLogsTest, AWorkerThatIsKnownIsNotForgottenByAReportThatDoesNotNameIt) {
  const auto logs = Open();
  PrintedLines nameless = Printed(1, 1, 1, {"a"});
  nameless.worker = "";
  logs->Append(nameless);
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by  from 1: [a]"));
  logs->Append(Printed(1, 1, 2, {"b"}));
  nameless.first_line = 3;
  logs->Append(nameless);
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 1: [a][b][a]"));
}

TEST_F(TrialLogsTest, OfATrialTheNewest64KiBAreKept) {
  const auto logs = Open();
  for (int64_t first = 1; first <= 200; first += 10) {
    logs->Append(Kibibytes(1, first <= 100 ? 1 : 2, first, 10));
    if (first == 51) logs->Flush();
  }
  logs->Append(Printed(2, 1, 1, {"of another trial"}));
  const std::vector<KeptLines> kept = logs->Read(1, 1);
  ASSERT_THAT(kept, SizeIs(1)) << "nothing is left of the first attempt";
  EXPECT_EQ(kept[0].attempt, 2);
  EXPECT_EQ(kept[0].first_line + static_cast<int64_t>(kept[0].lines.size()), 201);
  EXPECT_GE(BytesOf(kept), 63 << 10);
  EXPECT_LE(BytesOf(kept), (64 + 17) << 10);
  EXPECT_THAT(logs->Read(1, 2), SizeIs(1));
}

TEST_F(TrialLogsTest, OneLargeReportIsTrimmedToo) {
  const auto logs = Open();
  logs->Append(Kibibytes(1, 1, 1, 1000));
  const std::vector<KeptLines> kept = logs->Read(1, 1);
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].first_line + static_cast<int64_t>(kept[0].lines.size()), 1001);
  EXPECT_LE(BytesOf(kept), (64 + 17) << 10);
}

TEST_F(TrialLogsTest, WhatWasDroppedIsNotTakenUpAgain) {
  const auto logs = Open();
  logs->Append(Kibibytes(1, 1, 1, 10));
  logs->Append(Kibibytes(1, 2, 1, 200));
  logs->Append(Kibibytes(1, 1, 1, 10));
  for (const KeptLines& kept : logs->Read(1, 1)) EXPECT_EQ(kept.attempt, 2);
}

TEST_F(TrialLogsTest, OfAllTrialsTheOldestGoFirst) {
  const auto logs = Open(/*max_bytes=*/1 << 20);
  for (TrialId trial = 1; trial <= 100; ++trial) {
    logs->Append(Kibibytes(trial, 1, 1, 30));
    if (trial % 10 == 0) logs->Flush();
  }
  int64_t bytes = 0;
  for (TrialId trial = 1; trial <= 100; ++trial) {
    const std::vector<KeptLines> kept = logs->Read(1, trial);
    bytes += BytesOf(kept);
    if (trial <= 65) {
      EXPECT_THAT(kept, IsEmpty()) << trial;
    } else if (trial > 70) {
      EXPECT_EQ(BytesOf(kept), 30 << 10) << trial;
    }
  }
  EXPECT_LE(bytes, 1 << 20);
  EXPECT_GT(bytes, (1 << 20) - (40 << 10));
  EXPECT_LT(std::filesystem::file_size(file_), 3 << 20) << "room is used again";
}

TEST_F(TrialLogsTest, MoreThanTheMemoryForItHoldsIsDropped) {
  const auto logs = Open();
  for (TrialId trial = 1; trial <= 1000; ++trial) logs->Append(Kibibytes(trial, 1, 1, 60));
  logs->Append(Kibibytes(2000, 1, 1, 20'000));  // More than fits at any time.
  EXPECT_THAT(logs->Read(1, 2000), IsEmpty());
  logs->Append(Printed(2001, 1, 1, {"later"}));
  EXPECT_THAT(logs->Read(1, 2001), SizeIs(1));
}

TEST_F(TrialLogsTest, ACleanStopKeepsAllAndLeavesOneFile) {
  Open()->Append(Printed(1, 1, 1, {"a", "b"}));
  EXPECT_FALSE(std::filesystem::exists(file_ + "-wal"));
  const auto logs = Open();
  logs->Append(Printed(1, 1, 2, {"b", "c"}));
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 1: [a][b][c]"));
  EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(TrialLogsTest, TheBoundOfAllTrialsHoldsAcrossARestart) {
  for (TrialId trial = 1; trial <= 10; ++trial) Open(256 << 10)->Append(Kibibytes(trial, 1, 1, 60));
  const auto logs = Open(256 << 10);
  EXPECT_THAT(logs->Read(1, 1), IsEmpty());
  EXPECT_EQ(BytesOf(logs->Read(1, 10)), 60 << 10);
}

TEST_F(TrialLogsTest, LinesAreWrittenWithoutBeingAskedFor) {
  const auto logs = Open();
  logs->Append(Kibibytes(1, 1, 1, 60));
  const absl::Time deadline = Clock::Real()->Now() + absl::Minutes(1);
  // What was not folded into the file yet lies beside it.
  while (!absl::StrContains(ContentOf(file_) + ContentOf(file_ + "-wal"), "60 ....")) {
    ASSERT_LT(Clock::Real()->Now(), deadline);
  }
}

TEST_F(TrialLogsTest, TheLogsOfADeletedStudyGo) {
  const auto logs = Open();
  logs->Append(Printed(1, 1, 1, {"written"}, 1));
  logs->Append(Printed(1, 1, 1, {"of another"}, 2));
  logs->Flush();
  logs->Append(Printed(2, 1, 1, {"waiting"}, 1));
  logs->Forget(1);
  EXPECT_THAT(logs->Read(1, 1), IsEmpty());
  EXPECT_THAT(logs->Read(1, 2), IsEmpty());
  EXPECT_THAT(logs->Read(2, 1), SizeIs(1));
}

TEST_F(TrialLogsTest, WhatWasNotForgottenInTimeGoesAtTheNextStart) {
  {
    const auto logs = Open();
    for (const StudyUid study : {1, 2, 3}) logs->Append(Printed(1, 1, 1, {"a"}, study));
  }
  const auto logs = Open();
  logs->ForgetAllBut({2, 9});
  EXPECT_THAT(logs->Read(1, 1), IsEmpty());
  EXPECT_THAT(logs->Read(2, 1), SizeIs(1));
  EXPECT_THAT(logs->Read(3, 1), IsEmpty());
}

TEST_F(TrialLogsTest, AFileThatIsNoDatabaseIsSetAside) {
  std::ofstream(file_) << std::string(10'000, 'x');
  const auto logs = Open();
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr(file_ + ".aside")));
  EXPECT_EQ(std::filesystem::file_size(file_ + ".aside"), 10'000U);
  logs->Append(Printed(1, 1, 1, {"a"}));
  EXPECT_THAT(logs->Read(1, 1), SizeIs(1));
}

TEST_F(TrialLogsTest, ADatabaseOfSomebodyElseIsSetAside) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "CREATE TABLE chunks (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const auto logs = Open();
  EXPECT_THAT(warnings(), SizeIs(1));
  logs->Append(Printed(1, 1, 1, {"a"}));
  EXPECT_THAT(logs->Read(1, 1), SizeIs(1));
}

// As after a backup was restored beside it: attempts are counted from where they stood then.
TEST_F(TrialLogsTest, TheLogsOfAnotherJournalAreSetAside) {
  Open()->Append(Printed(1, 1, 1, {"a", "b"}));
  const auto logs = Open(256 << 20, "another");
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("belongs to another")));
  logs->Append(Printed(1, 1, 1, {"c"}));
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 1: [c]"));
}

TEST_F(TrialLogsTest, AFolderInItsPlaceIsSetAsideAndNotEmptied) {
  std::filesystem::create_directory(file_);
  std::ofstream(file_ + "/precious") << "x";
  const auto logs = Open();
  logs->Append(Printed(1, 1, 1, {"a"}));
  EXPECT_THAT(logs->Read(1, 1), SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(file_ + ".aside/precious"));
}

TEST_F(TrialLogsTest, DamageThatIsFoundLaterSetsItAsideToo) {
  for (TrialId trial = 1; trial <= 20; ++trial) Open()->Append(Kibibytes(trial, 1, 1, 60));
  const auto logs = Open();  // Has read what it needs to begin with.
  EXPECT_THAT(warnings(), IsEmpty());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(file_));
  Overwrite(4096, std::string(size - 4096, '\xA5'));
  logs->Append(Printed(1, 1, 100, {"new"}));
  logs->Read(1, 1);
  logs->Append(Printed(2, 1, 100, {"newer"}));
  EXPECT_THAT(Show(logs->Read(1, 2)), ElementsAre("attempt 1 by w from 100: [newer]"));
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("begin anew")));
}

TEST_F(TrialLogsTest, DamageIsFoundAtTheStart) {
  for (TrialId trial = 1; trial <= 20; ++trial) Open()->Append(Kibibytes(trial, 1, 1, 60));
  const auto size = static_cast<int64_t>(std::filesystem::file_size(file_));
  Overwrite(4096, std::string(size - 4096, '\xA5'));
  const auto logs = Open();
  logs->Append(Printed(1, 1, 100, {"new"}));
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 100: [new]"));
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("begin anew")));
}

TEST_F(TrialLogsTest, OnAFullDiskLinesAreDroppedAndOneWarningSaysSo) {
  FaultVfs disk;
  const auto logs = Open();
  logs->Append(Printed(1, 1, 1, {"a"}, 1));
  logs->Append(Printed(1, 1, 1, {"a"}, 2));
  logs->Flush();
  disk.FailWrites(ENOSPC);
  logs->Append(Printed(1, 1, 2, {"b"}, 1));
  EXPECT_THAT(Show(logs->Read(1, 1)), ElementsAre("attempt 1 by w from 1: [a]"));
  logs->Append(Printed(1, 1, 3, {"c"}, 1));
  logs->Forget(2);
  logs->Flush();
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("dropped")));
  disk.Repair();
  logs->Append(Printed(1, 1, 4, {"d"}, 1));
  EXPECT_THAT(Show(logs->Read(1, 1)),
              ElementsAre("attempt 1 by w from 1: [a]", "attempt 1 by w from 4: [d]"));
  EXPECT_THAT(logs->Read(2, 1), IsEmpty()) << "what is to be forgotten is not dropped";
  EXPECT_THAT(warnings(), SizeIs(1));
}

TEST_F(TrialLogsTest, AFlippedBitCostsItsChunk) {
  Open()->Append(Kibibytes(1, 1, 1, 40));
  const size_t at = ContentOf(file_).find("20 ....");
  ASSERT_NE(at, std::string::npos);
  Overwrite(static_cast<int64_t>(at), "\xFF");
  const std::vector<KeptLines> kept = Open()->Read(1, 1);
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].first_line, 1);
  EXPECT_EQ(kept[1].first_line + static_cast<int64_t>(kept[1].lines.size()), 41);
  for (const KeptLines& run : kept) {
    for (size_t i = 0; i < run.lines.size(); ++i) {
      EXPECT_THAT(run.lines[i], testing::StartsWith(absl::StrCat(run.first_line + i, " ")));
    }
  }
}

TEST_F(TrialLogsTest, ADirectoryThatCannotBeUsedIsNoReasonToFail) {
  TrialLogs logs(dir_.path() + "/no/such/logs.db", {});
  logs.Append(Printed(1, 1, 1, {"a"}));
  logs.Forget(1);
  EXPECT_THAT(logs.Read(1, 1), IsEmpty());
  std::filesystem::create_directories(dir_.path() + "/no/such");
  logs.Append(Printed(1, 1, 1, {"a"}, 2));
  EXPECT_THAT(logs.Read(2, 1), SizeIs(1)) << "it is tried again";
}

}  // namespace
}  // namespace halving
