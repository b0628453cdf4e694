// Backups of a running engine: between batches, one at a time, with all that was answered.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/offline.h"
#include "server/store/sqlite_journal.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// An engine on a real journal, batch by batch.
class BackupTest : public testing::Test {
 protected:
  using Taken = std::shared_ptr<std::optional<absl::StatusOr<Engine::Backup>>>;

  void SetUp() override {
    absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(directory_.path());
    ASSERT_THAT(directory, IsOk());
    absl::StatusOr<std::unique_ptr<SqliteJournal>> journal =
        SqliteJournal::Open(*std::move(directory));
    ASSERT_THAT(journal, IsOk());
    journal_ = *std::move(journal);
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(journal_.get(), &clock_);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  Taken StartBackup(Engine::Gone gone = nullptr) {
    auto taken = std::make_shared<std::optional<absl::StatusOr<Engine::Backup>>>();
    engine_->PostBackup(std::move(gone), [taken](absl::StatusOr<Engine::Backup> backup) {
      ASSERT_FALSE(taken->has_value()) << "answered twice";
      *taken = std::move(backup);
    });
    return taken;
  }
  // Batches until it is answered.
  void Finish(const Taken& taken) {
    for (int i = 0; i < 10'000 && !taken->has_value(); ++i) engine_->RunOnce();
    ASSERT_TRUE(taken->has_value());
  }
  // A study, acknowledged.
  void Create(const std::string& name) {
    absl::Status status = absl::UnknownError("not answered");
    CreateStudy command = Flat(name, 5);
    // Large, so that a copy takes many steps.
    command.spec.objective_options_json = "{\"x\":\"" + std::string(900'000, 'x') + "\"}";
    engine_->Post(std::move(command), [&status](const absl::StatusOr<Engine::Reply>& reply,
                                                const Engine::View&) { status = reply.status(); });
    engine_->RunOnce();
    ASSERT_THAT(status, IsOk());
  }

  FakeClock clock_;
  TempDir directory_;
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(BackupTest, HoldsAllThatWasAnsweredBefore) {
  Create("a");
  Create("b");
  const Taken taken = StartBackup();
  Finish(taken);
  ASSERT_THAT(**taken, IsOk());
  const absl::StatusOr<JournalReport> report = VerifyJournal((***taken)->file());
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->studies, 2);
}

TEST_F(BackupTest, CommandsAreAnsweredBetweenItsSlices) {
  for (const char* name : {"a", "b", "c", "d"}) Create(name);
  const Taken taken = StartBackup();
  engine_->RunOnce();
  ASSERT_FALSE(taken->has_value()) << "one slice was enough; make the journal larger";
  EXPECT_LE(engine_->NextWake(), clock_.Now()) << "the next slice is due at once";
  Create("between");
  ASSERT_FALSE(taken->has_value());
  Finish(taken);
  ASSERT_THAT(**taken, IsOk());
  EXPECT_EQ(VerifyJournal((***taken)->file())->studies, 5);
}

TEST_F(BackupTest, OneIsMadeAtATimeAndFourAreKeptUntilTheyAreFetched) {
  std::vector<Taken> kept;
  for (int i = 0; i < 4; ++i) {
    kept.push_back(StartBackup());
    const Taken meanwhile = StartBackup();
    Finish(kept.back());
    ASSERT_THAT(**kept.back(), IsOk());
    EXPECT_THAT(**meanwhile,
                StatusIs(StatusCode::kResourceExhausted, HasSubstr("1 is being made")));
  }
  const Taken fifth = StartBackup();
  Finish(fifth);
  EXPECT_THAT(**fifth, StatusIs(StatusCode::kResourceExhausted, HasSubstr("4 backups")));
  kept.pop_back();
  const Taken sixth = StartBackup();
  Finish(sixth);
  EXPECT_THAT(**sixth, IsOk());
}

TEST_F(BackupTest, OfACallerWhoWentAwayIsDroppedInTheMiddle) {
  for (const char* name : {"a", "b", "c", "d"}) Create(name);
  const Engine::Gone gone = Engine::NewGone();
  const Taken taken = StartBackup(gone);
  engine_->RunOnce();
  ASSERT_FALSE(taken->has_value());
  gone->store(true);
  engine_->RunOnce();
  ASSERT_TRUE(taken->has_value());
  EXPECT_THAT(**taken, StatusIs(StatusCode::kCancelled));
  EXPECT_GT(engine_->NextWake(), clock_.Now());
  const Taken next = StartBackup();
  Finish(next);
  EXPECT_THAT(**next, IsOk());
}

TEST_F(BackupTest, IsRefusedWhenTheServerGoesDown) {
  for (const char* name : {"a", "b", "c", "d"}) Create(name);
  const Taken taken = StartBackup();
  engine_->RunOnce();
  ASSERT_FALSE(taken->has_value());
  engine_->Drain();
  engine_->RunOnce();
  ASSERT_TRUE(taken->has_value());
  EXPECT_THAT(**taken, StatusIs(StatusCode::kUnavailable));
}

TEST_F(BackupTest, OfAnEngineThatStopsIsAnswered) {
  for (const char* name : {"a", "b", "c", "d"}) Create(name);
  engine_->Start();
  const Taken taken = StartBackup();
  engine_->Stop();
  EXPECT_TRUE(taken->has_value());
}

}  // namespace
}  // namespace halving
