// The engine has its journal compacted, in slices between batches.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/sqlite_journal.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// An engine on a real journal and a clock that stands still.
class EngineCompactionTest : public testing::Test {
 protected:
  EngineCompactionTest() { Restart(); }

  void Restart() {
    engine_ = nullptr;
    journal_ = nullptr;
    absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(folder_.path());
    HV_CHECK(directory.ok()) << directory.status();
    journal_ = *SqliteJournal::Open(*std::move(directory));
    engine_ = *Engine::Create(journal_.get(), &clock_, {.compact_after = absl::Hours(1)});
  }

  absl::Status Do(Command command) {
    absl::Status status = absl::UnknownError("not answered");
    engine_->Post(std::move(command), [&status](const absl::StatusOr<Engine::Reply>& reply,
                                                const Engine::View&) { status = reply.status(); });
    engine_->RunOnce();
    return status;
  }

  // Trains all trials of a flat study, after which it is COMPLETED.
  void Finish(int trials) {
    for (int i = 0; i < trials; ++i) {
      LeaseKey lease;
      engine_->PostAsk({.worker = "w", .request_id = absl::StrCat(++asks_)}, absl::ZeroDuration(),
                       nullptr,
                       [&lease](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
                         lease = reply->assignment->lease;
                       });
      engine_->RunOnce();
      ASSERT_THAT(Do(Report{.lease = lease, .outcome = Completed{.error = 0.5}}), IsOk());
    }
  }

  // Lets time pass, batch by batch, as the engine's thread would.
  void Pass(absl::Duration time) {
    const absl::Time end = clock_.Now() + time;
    while (clock_.Now() < end) {
      clock_.Advance(
          std::max(absl::Milliseconds(1), std::min(engine_->NextWake(), end) - clock_.Now()));
      engine_->RunOnce();
    }
  }

  std::string State() {
    std::string state;
    engine_->PostRead([&state](const absl::Status&, const Engine::View& view) {
      state = view.scheduler.DebugString();
    });
    engine_->RunOnce();
    return state;
  }

  const TempDir folder_;
  FakeClock clock_;
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<Engine> engine_;
  int asks_ = 0;
};

TEST_F(EngineCompactionTest, AStudyIsCompactedAnHourAfterItsEndAndNotBefore) {
  ASSERT_THAT(Do(Flat("s", 20)), IsOk());
  Finish(20);
  Pass(absl::Minutes(50));
  EXPECT_THAT(journal_->CompactedStudies(), IsEmpty());
  Pass(absl::Minutes(20));
  EXPECT_THAT(journal_->CompactedStudies(), ElementsAre(1));
  const std::string state = State();
  Restart();
  EXPECT_EQ(State(), state);
}

TEST_F(EngineCompactionTest, ARunningStudyIsLeftAsItIs) {
  ASSERT_THAT(Do(Flat("s", 20)), IsOk());
  Finish(10);
  Pass(absl::Hours(3));
  EXPECT_THAT(journal_->CompactedStudies(), IsEmpty());
}

TEST_F(EngineCompactionTest, CallsAreServedWhileItIsUnderWay) {
  ASSERT_THAT(Do(Flat("s", 250)), IsOk());
  Finish(250);
  Pass(absl::Hours(1) - absl::Minutes(1));
  ASSERT_THAT(Do(Flat("other", 300)), IsOk());
  // Each hand-out and each report comes with a slice, when one is due.
  for (int i = 0; i < 300; ++i) {
    clock_.Advance(absl::Seconds(3));
    Finish(1);
  }
  EXPECT_THAT(journal_->CompactedStudies(), ElementsAre(1));
  const std::string state = State();
  Restart();
  EXPECT_EQ(State(), state);
}

TEST_F(EngineCompactionTest, AStudyThatWasExtendedIsCompactedAgainAfterItsEnd) {
  ASSERT_THAT(Do(Flat("s", 20)), IsOk());
  Finish(20);
  Pass(absl::Hours(2));
  ASSERT_THAT(journal_->CompactedStudies(), ElementsAre(1));
  ASSERT_THAT(Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 40}}), IsOk());
  Finish(20);
  const std::string state = State();
  Restart();
  EXPECT_EQ(State(), state);
  EXPECT_THAT(journal_->CompactedStudies(), IsEmpty()) << "it went on";
  Pass(absl::Hours(2));
  const std::string later = State();
  Restart();
  EXPECT_EQ(State(), later);
  EXPECT_THAT(journal_->CompactedStudies(), ElementsAre(1)) << "not once more at each start";
}

TEST_F(EngineCompactionTest, AStudyOfWhichACheckpointIsLostMeanwhileIsLeftForTheNextTime) {
  ASSERT_THAT(Do(Flat("s", 600)), IsOk());
  LeaseKey lease;
  engine_->PostAsk({.worker = "w", .request_id = "first"}, absl::ZeroDuration(), nullptr,
                   [&lease](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
                     lease = reply->assignment->lease;
                   });
  engine_->RunOnce();
  std::string id;
  engine_->Post(
      StoreCheckpoint{.lease = lease, .epoch = 1, .bytes = 1, .sha256 = std::string(32, 's')},
      [&id](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
        id = reply->answer.checkpoint_id;
      });
  engine_->RunOnce();
  ASSERT_THAT(Do(Report{.lease = lease, .outcome = Completed{.error = 0.1, .checkpoint_id = id}}),
              IsOk());
  Finish(599);
  Pass(absl::Hours(1));
  // The look at full ten minutes starts it; the first slice follows.
  while (!engine_->compacting()) Pass(absl::Milliseconds(20));
  ASSERT_THAT(Do(LoseCheckpoint{.checkpoint_id = id}), IsOk());
  Pass(absl::Minutes(5));
  EXPECT_THAT(journal_->CompactedStudies(), IsEmpty());
  std::string state = State();
  Restart();
  EXPECT_EQ(State(), state);
  Pass(absl::Hours(1));
  EXPECT_THAT(journal_->CompactedStudies(), ElementsAre(1));
  state = State();
  Restart();
  EXPECT_EQ(State(), state);
}

TEST_F(EngineCompactionTest, ADeletedStudysEventsGo) {
  ASSERT_THAT(Do(Flat("s", 200)), IsOk());
  Finish(200);
  ASSERT_THAT(Do(DeleteStudy{.name = "s"}), IsOk());
  Pass(absl::Minutes(30));
  int events = 0;
  ASSERT_THAT(journal_->Replay([&events](const Event&) { ++events; }), IsOk());
  EXPECT_EQ(events, 1) << "StudyDeleted";
  Restart();
  ASSERT_THAT(Do(Flat("s", 1)), IsOk());
  EXPECT_NE(engine_->scheduler().FindStudy(2), nullptr) << "uid 1 is not given out again";
}

TEST_F(EngineCompactionTest, WhatAKilledServerLeftIsDoneByTheNextOne) {
  ASSERT_THAT(Do(Flat("s", 600)), IsOk());
  Finish(600);
  Pass(absl::Hours(1));
  while (!journal_->CompactionPending()) Pass(absl::Milliseconds(20));
  const std::string state = State();
  Restart();
  EXPECT_EQ(State(), state);
  EXPECT_TRUE(journal_->CompactionPending());
  Pass(absl::Minutes(5));
  EXPECT_FALSE(journal_->CompactionPending());
  const std::string later = State();
  Restart();
  EXPECT_EQ(State(), later);
}

}  // namespace
}  // namespace halving
