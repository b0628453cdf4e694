// Checkpoints whose bytes lie on the server: which of them are kept, and how long.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/core/checkpoint_id.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr absl::Duration kLease = absl::Seconds(60);

// SchedulerFixture with the files that a server would hold.
class Files : public SchedulerFixture {
 public:
  using SchedulerFixture::SchedulerFixture;

  absl::StatusOr<Answer> TryUpload(const Assignment& a, int64_t epoch, char content = 'x') {
    return Execute(StoreCheckpoint{
        .lease = a.lease, .epoch = epoch, .bytes = 100, .sha256 = std::string(32, content)});
  }
  std::string Upload(const Assignment& a, int64_t epoch, char content = 'x') {
    const absl::StatusOr<Answer> answer = TryUpload(a, epoch, content);
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? answer->checkpoint_id : "";
  }
  // With a checkpoint at its end.
  std::string Finish(const Assignment& a, double error) {
    const std::string id = Upload(a, a.to_epoch);
    Do(halving::Report{.lease = a.lease,
                       .outcome = Completed{.error = error, .checkpoint_id = id}});
    return id;
  }
  // Trials 1 to 8 have reported at the first rung, and 1 to 4 are promoted.
  void FinishFirstRung() {
    for (const Assignment& a : TakeMany(8)) Finish(a, static_cast<double>(a.lease.trial));
  }
  // Trial 1 has come to the third rung, 4 to 8 epochs, and is held by w1.
  Assignment AtTheThirdRung() {
    FinishFirstRung();
    for (const Assignment& a : TakeMany(4)) Finish(a, static_cast<double>(a.lease.trial));
    return Take("w1");
  }
  // "<trial>@<epoch>" of each that is kept.
  std::vector<std::string> Kept() const {
    std::vector<std::string> kept;
    for (const std::string& id : scheduler().NeededCheckpoints()) {
      const auto name = ParseStoredCheckpointId(id);
      kept.push_back(absl::StrCat(name->lease.trial, "@", name->epoch));
    }
    return kept;
  }
};

TEST(StoredCheckpointId, IsTheSameForTheSameBytesAndIsReadBack) {
  const LeaseKey lease = {.study = 3, .trial = 17, .attempt = 2};
  const std::string sha(32, '\xab');
  const std::string id = StoredCheckpointId(lease, 4, sha);
  EXPECT_EQ(id, "3.17.2.4.abababababababababababababababab");
  EXPECT_EQ(StoredCheckpointId(lease, 4, sha), id);
  const auto name = ParseStoredCheckpointId(id);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->lease, lease);
  EXPECT_EQ(name->epoch, 4);
}

TEST(StoredCheckpointId, NothingElseIsOne) {
  const std::string hash(32, 'a');
  for (const std::string& id :
       {std::string(), std::string("x"), "1.2.3." + hash, "1.2.3.4." + hash + "a",
        "1.2.3.4.5." + hash, "-1.2.3.4." + hash, "01.2.3.4." + hash, "1.2.3.4/." + hash,
        "1.2.3.4." + std::string(32, 'A'), "../.2.3.4." + hash, "1.2.99999999999.4." + hash,
        std::string("lenet.3.4.0123456789abcdef.ckpt")}) {
    EXPECT_FALSE(IsStoredCheckpointId(id)) << id;
  }
}

TEST(StoredCheckpoints, NobodyGoesOnFromOneThatNoReportHasNamed) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  f.Upload(a, 1);
  f.AdvanceAndTick(kLease);
  const Assignment again = f.Take("w2");
  EXPECT_EQ(again.lease.trial, a.lease.trial);
  EXPECT_EQ(again.from_epoch, 0) << "its curve is not known up to there";
  EXPECT_THAT(f.Kept(), IsEmpty()) << "the attempt that could name it is over";
}

TEST(StoredCheckpoints, ANamedOneIsGoneOnFromWithItsCurve) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  const std::string id = f.Upload(a, 1);
  f.Progressed(a, {.points = {{1, 0.5}}, .checkpoint_id = id, .checkpoint_epoch = 1});
  f.Restart();
  f.AdvanceAndTick(kLease);
  const Assignment again = f.Take("w2");
  EXPECT_EQ(again.from_epoch, 1);
  EXPECT_EQ(again.checkpoint_id, id);
}

TEST(StoredCheckpoints, AnUploadAgainGetsTheSameIdAndChangesNothing) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  const std::string id = f.Upload(a, 1);
  EXPECT_EQ(f.Upload(a, 1), id);
  EXPECT_THAT(f.Last<CheckpointStored>(), IsEmpty());
  EXPECT_NE(f.Upload(a, 1, 'y'), id) << "other bytes";
}

TEST(StoredCheckpoints, AnOlderOneThanWhatHasComeIsRefused) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.AtTheThirdRung();
  const std::string at6 = f.Upload(a, 6);
  EXPECT_THAT(f.TryUpload(a, 5), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("has a checkpoint of epoch 6 already")));
  f.Progressed(a, {.checkpoint_id = at6, .checkpoint_epoch = 6});
  EXPECT_THAT(f.TryUpload(a, 6, 'y'), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(f.Upload(a, 6), at6) << "the same one again";
}

TEST(StoredCheckpoints, AFencedOffWorkerCannotReplaceANewerOne) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment old = f.Take("w1");
  const std::string of_old = f.Upload(old, 1);
  f.AdvanceAndTick(kLease);
  const Assignment now = f.Take("w2");
  EXPECT_THAT(f.TryUpload(old, 1), StatusIs(absl::StatusCode::kFailedPrecondition,
                                            HasSubstr("handed out again as attempt 2")));
  EXPECT_THAT(f.Report(now, Progress{.checkpoint_id = of_old, .checkpoint_epoch = 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("which was not uploaded under this lease")));
  EXPECT_THAT(f.Report(now, Completed{.error = 1, .checkpoint_id = of_old}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(of_old)));
}

TEST(StoredCheckpoints, OneBehindTheRungOrAtAnotherEpochThanItWasUploadedForIsRefused) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");  // 0 to 2.
  for (const int64_t epoch : {0, 3, -1}) {
    EXPECT_THAT(f.TryUpload(a, epoch), StatusIs(absl::StatusCode::kInvalidArgument,
                                                HasSubstr(absl::StrCat("epoch is ", epoch))));
  }
  const std::string id = f.Upload(a, 1);
  EXPECT_THAT(f.Report(a, Progress{.checkpoint_id = id, .checkpoint_epoch = 2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one of epoch 1")));
  EXPECT_THAT(f.Report(a, Completed{.error = 1, .checkpoint_id = id}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one of epoch 1")));
}

TEST(StoredCheckpoints, AnEndedStudyTakesNone) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  f.Do(StopStudy{.name = "s"});
  EXPECT_THAT(f.TryUpload(a, 1), StatusIs(absl::StatusCode::kFailedPrecondition));
  f.Do(DeleteStudy{.name = "s"});
  EXPECT_THAT(f.TryUpload(a, 1), StatusIs(absl::StatusCode::kNotFound));
}

TEST(StoredCheckpoints, SupersededOnesGoAtOnce) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.AtTheThirdRung();
  ASSERT_EQ(a.lease.trial, 1);
  ASSERT_THAT(f.Kept(), UnorderedElementsAre("1@4", "2@4", "3@4"));
  for (const int64_t epoch : {5, 6}) {
    f.Progressed(a, {.checkpoint_id = f.Upload(a, epoch), .checkpoint_epoch = epoch});
  }
  EXPECT_THAT(f.Kept(), UnorderedElementsAre("1@4", "1@6", "2@4", "3@4"))
      << "the newest, and where the rung began in case it cannot be read";
  f.Finish(a, 0.5);
  EXPECT_THAT(f.Kept(), UnorderedElementsAre("1@8", "2@4", "3@4"));
}

TEST(StoredCheckpoints, AnUnnamedOneGoesWithAResultThatNamesAnother) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  f.Upload(a, 1);
  const std::string id = f.Upload(a, 2);
  f.Do(Report{.lease = a.lease, .outcome = Completed{.error = 1, .checkpoint_id = id}});
  EXPECT_THAT(f.Kept(), ElementsAre("1@2"));
}

TEST(StoredCheckpoints, AReportOfOneThatWasReplacedMeanwhileCounts) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.AtTheThirdRung();
  const std::string at5 = f.Upload(a, 5);
  f.Progressed(a, {.checkpoint_id = f.Upload(a, 6), .checkpoint_epoch = 6});
  f.Progressed(a, {.points = {{5, 0.5}}, .checkpoint_id = at5, .checkpoint_epoch = 5});
  EXPECT_EQ(f.trial(1).curve.back().epoch, 5);
  EXPECT_EQ(f.trial(1).NewestCheckpoint()->epoch, 6);
}

TEST(StoredCheckpoints, AReportOfOneThatWasDroppedUnnamedMakesItNoResumePoint) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.AtTheThirdRung();
  const std::string at5 = f.Upload(a, 5);
  f.Upload(a, 6);
  f.Upload(a, 7);  // The oldest of three unnamed ones goes.
  ASSERT_FALSE(f.scheduler().IsNeeded(at5));
  f.Progressed(a, {.points = {{5, 0.5}}, .checkpoint_id = at5, .checkpoint_epoch = 5});
  f.Fail(a);
  EXPECT_EQ(f.Take("w2").from_epoch, 4);
}

TEST(StoredCheckpoints, EliminatedTrialsKeepNoneUnlessTheyAreAmongTheBest) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.keep_checkpoints = 1;
  Files f(spec);
  f.FinishFirstRung();
  EXPECT_THAT(f.Kept(), UnorderedElementsAre("1@2", "2@2", "3@2", "4@2"));
}

TEST(StoredCheckpoints, AnUnusableOneIsRemovedAndTheOneBeforeServes) {
  Files f(SmallSpec({.max_evaluations = 30}));
  f.FinishFirstRung();
  const Assignment a = f.Take("w1");
  const std::string inside = f.Upload(a, 3);
  f.Progressed(a, {.checkpoint_id = inside, .checkpoint_epoch = 3});
  f.Fail(a);
  const Assignment again = f.Take("w1");
  ASSERT_EQ(again.checkpoint_id, inside);
  f.Return(again, inside);
  EXPECT_EQ(f.Take("w2").from_epoch, 2);
  EXPECT_FALSE(f.scheduler().IsNeeded(inside));
}

// Runs a study to its end with a checkpoint at each rung.
void RunToTheEnd(Files& f) {
  while (std::optional<Assignment> a = f.AskFor("w1")) {
    f.Finish(*a, 1.0 / static_cast<double>(a->lease.trial));
  }
  EXPECT_TRUE(f.study().ended());
}

TEST(StoredCheckpoints, AtTheEndOfAStudyOnlyTheBestKeepTheirs) {
  for (const int32_t keep : {1, 3, 1000}) {
    StudySpec spec = SmallSpec({.max_evaluations = 30});
    spec.keep_checkpoints = keep;
    Files f(spec);
    RunToTheEnd(f);
    const std::vector<TrialId> best = f.study().BestTrials();
    EXPECT_EQ(best.front(), f.study().Best()->id);
    std::vector<std::string> expected;
    for (const TrialId id : best) {
      const Checkpoint* newest = f.trial(id).NewestCheckpoint();
      if (newest != nullptr) expected.push_back(absl::StrCat(id, "@", newest->epoch));
    }
    EXPECT_THAT(f.Kept(), testing::UnorderedElementsAreArray(expected));
    if (keep < 4) {
      EXPECT_EQ(static_cast<int32_t>(expected.size()), keep);
    }
  }
}

TEST(StoredCheckpoints, AStoppedStudyKeepsThoseOfTheBestOnly) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.keep_checkpoints = 2;
  Files f(spec);
  for (const Assignment& a : f.TakeMany(5)) f.Finish(a, static_cast<double>(a.lease.trial));
  const Assignment running = f.Take("w1");
  f.Upload(running, 1);
  f.Do(StopStudy{.name = "s"});
  EXPECT_THAT(f.Kept(), UnorderedElementsAre("1@2", "2@2"));
}

TEST(StoredCheckpoints, AfterDeleteStudyNoneIsLeft) {
  Files f(SmallSpec({.max_evaluations = 30}));
  RunToTheEnd(f);
  ASSERT_FALSE(f.Kept().empty());
  f.Do(DeleteStudy{.name = "s"});
  EXPECT_THAT(f.Kept(), IsEmpty());
}

TEST(StoredCheckpoints, AnExtendedStudyGoesOnFromScratchWhereTheyAreGone) {
  StudySpec spec = SmallSpec({.target_error = 0.5});
  spec.keep_checkpoints = 1;
  Files f(spec);
  f.FinishFirstRung();
  f.Finish(f.Take("w1"), 0.4);
  ASSERT_TRUE(f.study().ended());
  EXPECT_THAT(f.Kept(), ElementsAre("1@4"));
  f.Do(ExtendStudy{.name = "s", .limits = {.target_error = 0.1}});
  const Assignment a = f.Take("w1");
  EXPECT_EQ(a.lease.trial, 2);
  EXPECT_EQ(a.from_epoch, 0);
  EXPECT_EQ(a.to_epoch, 4);
}

TEST(StoredCheckpoints, WhatADivergedTrialLeftIsRemovedWhenItIsOver) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.keep_checkpoints = 1;
  Files f(spec);
  for (const Assignment& a : f.TakeMany(8)) {
    f.Finish(a, a.lease.trial < 8 ? NAN : 1.0);
  }
  EXPECT_THAT(f.Kept(), ElementsAre("8@2"));
}

TEST(StoredCheckpoints, OneWhoseBytesAreGoneIsForgottenAndTheOneBeforeServes) {
  Files f(SmallSpec({.max_evaluations = 30}));
  f.FinishFirstRung();
  const Assignment a = f.Take("w1");
  const std::string inside = f.Upload(a, 3);
  f.Progressed(a, {.checkpoint_id = inside, .checkpoint_epoch = 3});
  f.Fail(a);
  f.Do(LoseCheckpoint{.checkpoint_id = inside});
  EXPECT_EQ(f.Take("w1").from_epoch, 2);
  f.Do(LoseCheckpoint{.checkpoint_id = inside});
  EXPECT_THAT(f.Last<CheckpointLost>(), IsEmpty()) << "it is not known any more";
  f.Do(LoseCheckpoint{.checkpoint_id = "nonsense"});
}

TEST(StoredCheckpoints, AQueuedTrialWhoseCheckpointIsLostCostsMore) {
  Files f(SmallSpec({.max_total_epochs = 1000}));
  f.FinishFirstRung();
  for (const std::string& id : f.scheduler().NeededCheckpoints()) {
    f.Do(LoseCheckpoint{.checkpoint_id = id});  // The fixture checks the sum of the charges.
  }
  EXPECT_EQ(f.Take("w1").from_epoch, 0);
}

TEST(StoredCheckpoints, OutOfMemoryIsTriedOnceMoreAndThenItIsFinal) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.max_attempts = 5;
  Files f(spec);
  const Failed oom = {.reason = "CUDA out of memory", .retryable = true, .out_of_memory = true};
  const Assignment a = f.Take("w1");
  ASSERT_THAT(f.Report(a, oom), IsOk());
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  const Assignment again = f.Take("w2");
  ASSERT_EQ(again.lease.trial, 1);
  f.Fail(again);  // For another reason.
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  const Assignment third = f.Take("w2");
  ASSERT_THAT(f.Report(third, oom), IsOk());
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed) << "twice at one rung";
}

TEST(StoredCheckpoints, OutOfMemoryIsRetryableOnceEvenIfTheTrainerSaysOtherwise) {
  Files f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  ASSERT_THAT(f.Report(a, Failed{.reason = "oom", .out_of_memory = true}), IsOk());
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
}

}  // namespace
}  // namespace halving
