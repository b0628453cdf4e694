// Verifying a journal, and restoring a backup of it.
#include "server/engine/offline.h"

#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/sqlite_journal.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

// The journal of a study of four trials: one reported, one running, two not handed out.
class OfflineTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::unique_ptr<SqliteJournal> journal = Open(from_.path());
    FakeClock clock;
    Scheduler scheduler;
    std::vector<Event> events;
    const auto execute = [&](const Command& command) {
      absl::StatusOr<Answer> answer = scheduler.Execute(command, clock.Now(), &events);
      HV_CHECK(answer.ok()) << answer.status();
      return *std::move(answer);
    };
    execute(Flat("s", 4));
    const Answer first = execute(Ask{.worker = "a", .request_id = "1"});
    execute(Report{.lease = first.assignment->lease, .outcome = Completed{.error = 0.5}});
    lease_ = execute(Ask{.worker = "a", .request_id = "2"}).assignment->lease;
    std::erase_if(events, [](const Event& event) { return !IsDurable(event); });
    ASSERT_THAT(journal->Append(events), IsOk());
    secret_ = journal->secret();
  }

  static std::unique_ptr<SqliteJournal> Open(const std::string& path) {
    absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(path);
    HV_CHECK(directory.ok()) << directory.status();
    absl::StatusOr<std::unique_ptr<SqliteJournal>> journal =
        SqliteJournal::Open(*std::move(directory));
    HV_CHECK(journal.ok()) << journal.status();
    return *std::move(journal);
  }

  absl::StatusOr<JournalReport> Restore() {
    const absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(to_.path());
    HV_CHECK(directory.ok()) << directory.status();
    return RestoreJournal(from_.File("journal.db"), *directory, &clock_);
  }

  TempDir from_;
  TempDir to_;
  FakeClock clock_;
  LeaseKey lease_;
  std::string secret_;
};

TEST_F(OfflineTest, VerifyCountsWhatThereIs) {
  const absl::StatusOr<JournalReport> report = VerifyJournal(from_.File("journal.db"));
  ASSERT_THAT(report, IsOk());
  EXPECT_GT(report->events, 4);
  EXPECT_EQ(report->studies, 1);
  EXPECT_EQ(report->trials, 2);
  EXPECT_EQ(report->results, 1);
  EXPECT_EQ(report->running, 1);
}

TEST_F(OfflineTest, VerifyOfWhatIsNotThereSaysSo) {
  EXPECT_THAT(VerifyJournal(from_.File("other.db")),
              StatusIs(StatusCode::kNotFound, HasSubstr("other.db")));
}

TEST_F(OfflineTest, ARestoredJournalHoldsTheResultsAndGivesRunningTrialsBackWithoutAFailure) {
  ASSERT_THAT(Restore(), IsOk());
  const std::unique_ptr<SqliteJournal> journal = Open(to_.path());
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(journal.get(), &clock_);
  ASSERT_THAT(engine, IsOk());
  bool looked = false;
  (*engine)->PostRead([&](const absl::Status&, const Engine::View& view) {
    looked = true;
    const Study& study = *view.scheduler.FindStudy("s");
    EXPECT_EQ(study.evaluations(), 1);
    EXPECT_EQ(study.Best()->results.back().error, 0.5);
    EXPECT_TRUE(study.running().empty());
    const Trial& trial = *study.FindTrial(lease_.trial);
    EXPECT_EQ(study.ShownState(trial), TrialState::kQueued);
    EXPECT_EQ(trial.failures, 0);
  });
  (*engine)->RunOnce();
  EXPECT_TRUE(looked);
}

TEST_F(OfflineTest, LeasesGivenOutSinceTheBackupAreNotGivenOutAgain) {
  ASSERT_THAT(Restore(), IsOk());
  EXPECT_NE(Open(to_.path())->secret(), secret_);
  EXPECT_EQ(Open(from_.path())->secret(), secret_);
}

TEST_F(OfflineTest, WhatAKilledServerLeftCanBeRestoredWithItsWal) {
  const std::unique_ptr<SqliteJournal> open = Open(from_.path());
  ASSERT_THAT(open->Append({StudyPaused{.study = 1}}), IsOk());
  const TempDir killed;
  for (const char* name : {"journal.db", "journal.db-wal"}) {
    std::filesystem::copy_file(from_.File(name), killed.File(name));
  }
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(to_.path());
  ASSERT_THAT(directory, IsOk());
  const absl::StatusOr<JournalReport> before = VerifyJournal(killed.File("journal.db"));
  ASSERT_THAT(before, IsOk());
  const auto restored = RestoreJournal(killed.File("journal.db"), *directory, &clock_);
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(restored->events, before->events);
  const auto now = VerifyJournal(to_.File("journal.db"));
  ASSERT_THAT(now, IsOk());
  EXPECT_GT(now->events, before->events) << "the running trial was given back";
  EXPECT_FALSE(std::filesystem::exists(to_.File("journal.db-wal")));
}

TEST_F(OfflineTest, ABackupReplacesNoJournal) {
  WriteTestFile(to_.File("journal.db"), "precious");
  EXPECT_THAT(Restore(), StatusIs(StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr(to_.File("journal.db")), HasSubstr("together"))));
  EXPECT_EQ(ReadTestFile(to_.File("journal.db")), "precious");
}

// SQLite would lay it over the backup.
TEST_F(OfflineTest, ABackupIsNotPutBesideTheWalOfAnotherJournal) {
  WriteTestFile(to_.File("journal.db-wal"), "of another");
  EXPECT_THAT(Restore(),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr(to_.File("journal.db-wal"))));
  EXPECT_FALSE(std::filesystem::exists(to_.File("journal.db")));
}

TEST_F(OfflineTest, WhatAKilledRestoreLeftIsNoHindrance) {
  WriteTestFile(to_.File("journal.db.restoring"), "half");
  WriteTestFile(to_.File("journal.db.restoring-wal"), "half");
  EXPECT_THAT(Restore(), IsOk());
  EXPECT_FALSE(std::filesystem::exists(to_.File("journal.db.restoring-wal")));
}

TEST_F(OfflineTest, WhatAKilledRestoreLeftIsNotTakenForABackup) {
  std::filesystem::copy_file(from_.File("journal.db"), to_.File("journal.db.restoring"));
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(to_.path());
  ASSERT_THAT(directory, IsOk());
  EXPECT_THAT(RestoreJournal(to_.File("journal.db.restoring"), *directory, &clock_),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("name the backup")));
  EXPECT_TRUE(std::filesystem::exists(to_.File("journal.db.restoring")));
}

TEST_F(OfflineTest, ADamagedBackupIsRefusedAndLeavesNothing) {
  const std::string file = from_.File("journal.db");
  std::string bytes = ReadTestFile(file);
  const size_t at = bytes.find("lenet");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'L';
  WriteTestFile(file, bytes);
  EXPECT_THAT(VerifyJournal(file), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(Restore(), StatusIs(StatusCode::kDataLoss));
  for (const auto& entry : std::filesystem::directory_iterator(to_.path())) {
    EXPECT_EQ(entry.path().filename(), "lock");
  }
}

}  // namespace
}  // namespace halving
