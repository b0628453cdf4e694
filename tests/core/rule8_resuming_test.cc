// Rule 8: a trial goes on from its newest checkpoint, and the count of epochs is honest about it.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kLease = absl::Seconds(60);

// Trial 1 stands at the second rung, held by w9, with the checkpoint "t1e2".
Assignment AtTheSecondRung(SchedulerFixture& f) {
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial);
  return f.Take("w9");
}

TEST(Rule8Resuming, ATrialStartsFromScratch) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = f.Take("w1");
  EXPECT_EQ(a.from_epoch, 0);
  EXPECT_EQ(a.to_epoch, 2);
  EXPECT_EQ(a.checkpoint_id, "");
}

TEST(Rule8Resuming, APromotedTrialGoesOnFromItsCheckpointOnWhicheverWorkerAsks) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);
  EXPECT_EQ(a.lease.trial, 1);
  EXPECT_EQ(a.from_epoch, 2);
  EXPECT_EQ(a.to_epoch, 4);
  EXPECT_EQ(a.checkpoint_id, "t1e2");
}

TEST(Rule8Resuming, WithoutACheckpointAPromotedTrialStartsFromScratchAndTheCountSaysSo) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  for (const Assignment& a : f.TakeMany(8)) f.CompleteWithout(a, a.lease.trial);
  const Assignment a = f.Take("w1");
  EXPECT_EQ(a.from_epoch, 0);
  EXPECT_EQ(a.to_epoch, 4);
  EXPECT_EQ(a.checkpoint_id, "");
  f.CompleteWithout(a, 0.5);
  EXPECT_EQ(f.study().epochs_trained(), 8 * 2 + 4);
  EXPECT_EQ(f.study().epochs_lost(), 2);
  EXPECT_EQ(f.trial(1).results[1].from_epoch, 0);
}

TEST(Rule8Resuming, AfterACrashInTheMiddleOfARungItGoesOnFromTheCheckpointInside) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);
  f.Progressed(a, {.points = {{3, 0.4}}, .checkpoint_id = "inside", .checkpoint_epoch = 3});
  f.AdvanceAndTick(kLease);
  const Assignment again = f.Take("w2");
  EXPECT_EQ(again.lease.trial, 1);
  EXPECT_EQ(again.from_epoch, 3);
  EXPECT_EQ(again.to_epoch, 4);
  EXPECT_EQ(again.checkpoint_id, "inside");
  f.Complete(again, 0.3);
  EXPECT_EQ(f.study().epochs_lost(), 0);
  EXPECT_EQ(f.study().epochs_trained(), 8 * 2 + 2);
}

TEST(Rule8Resuming, AfterACrashWithoutOneTheEpochsOfTheRungAreLost) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);
  f.Progressed(a, {.points = {{3, 0.4}}});
  f.Fail(a);
  const Assignment again = f.Take("w2");
  EXPECT_EQ(again.from_epoch, 2);
  EXPECT_EQ(f.study().epochs_lost(), 0) << "not trained again yet";
  f.Progressed(again, {.points = {{3, 0.4}}});
  EXPECT_EQ(f.study().epochs_lost(), 1);
  f.Complete(again, 0.3);
  EXPECT_EQ(f.study().epochs_lost(), 1);
  EXPECT_EQ(f.study().epochs_trained(), 8 * 2 + 3);
}

TEST(Rule8Resuming, AResultWithoutACheckpointLeavesTheOneInsideTheRungAsTheNewest) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(8);
  f.Progressed(held[0], {.checkpoint_id = "inside", .checkpoint_epoch = 1});
  f.CompleteWithout(held[0], 0);
  for (int i = 1; i < 8; ++i) f.Complete(held[i], i);
  const Assignment a = f.Take("w1");
  EXPECT_EQ(a.lease.trial, 1);
  EXPECT_EQ(a.from_epoch, 1);
  EXPECT_EQ(a.checkpoint_id, "inside");
}

TEST(Rule8Resuming, ACheckpointSentAgainOrAnOlderOneChangesNothing) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial);
  for (const Assignment& a : f.TakeMany(4)) f.Complete(a, a.lease.trial);
  const Assignment a = f.Take("w1");  // From 4 to 8.
  const Progress at6 = {.checkpoint_id = "at6", .checkpoint_epoch = 6};
  f.Progressed(a, at6);
  f.Advance(absl::Seconds(1));
  f.Progressed(a, at6);
  EXPECT_THAT(f.Last<TrialProgressed>(), IsEmpty()) << "only renewed";
  EXPECT_THAT(f.Last<LeaseRenewed>(), SizeIs(1));
  f.Progressed(a, {.checkpoint_id = "at5", .checkpoint_epoch = 5});
  f.Fail(a);
  EXPECT_EQ(f.Take("w1").checkpoint_id, "at6");
}

TEST(Rule8Resuming, ACheckpointAtTheEndOfTheRungIsNotResumedFromUntilTheNextRung) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);  // From 2 to 4.
  f.Progressed(a, {.checkpoint_id = "at3", .checkpoint_epoch = 3});
  f.Progressed(a, {.checkpoint_id = "at4", .checkpoint_epoch = 4});
  f.Fail(a);  // After the last checkpoint and before the result.
  const Assignment again = f.Take("w1");
  EXPECT_EQ(again.lease.trial, 1);
  EXPECT_EQ(again.from_epoch, 3) << "there must be something left to train";
  EXPECT_EQ(again.checkpoint_id, "at3");
  f.Progressed(again, {.points = {{4, 0.5}}});
  f.CompleteWithout(again, 0.5);
  for (const Assignment& other : f.TakeMany(3)) f.Complete(other, 1);
  const Assignment next = f.Take("w1");
  EXPECT_EQ(next.lease.trial, 1);
  EXPECT_EQ(next.from_epoch, 4);
  EXPECT_EQ(next.checkpoint_id, "at4");
}

TEST(Rule8Resuming, CheckpointsOfALaterAttemptCountThoughAnEarlierOneWentFurther) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment first = AtTheSecondRung(f);
  f.Progressed(first, {.checkpoint_id = "first", .checkpoint_epoch = 4});
  f.Fail(first);
  const Assignment second = f.Take("w1");
  ASSERT_EQ(second.from_epoch, 2);
  f.Progressed(second, {.checkpoint_id = "second", .checkpoint_epoch = 3});
  f.Fail(second);
  EXPECT_EQ(f.Take("w1").checkpoint_id, "second");
}

TEST(Rule8Resuming, OneIdForEveryCheckpointOfATrialIsTheNewestOfThem) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial);
  for (const Assignment& a : f.TakeMany(4)) f.Complete(a, a.lease.trial);
  const Assignment a = f.Take("w1");  // From 4 to 8.
  f.Progressed(a, {.checkpoint_id = "file", .checkpoint_epoch = 5});
  f.Progressed(a, {.checkpoint_id = "file", .checkpoint_epoch = 7});
  f.Fail(a);
  const Assignment again = f.Take("w1");
  EXPECT_EQ(again.from_epoch, 7);
  f.Return(again, "file");
  EXPECT_EQ(f.Take("w1").from_epoch, 4) << "it is forgotten altogether";
}

TEST(Rule8Resuming, AnUnusableCheckpointFallsBackToTheOlderOneAndThenToScratch) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment first = AtTheSecondRung(f);
  f.Progressed(first, {.checkpoint_id = "inside", .checkpoint_epoch = 3});
  f.Fail(first);
  const Assignment second = f.Take("w1");
  ASSERT_EQ(second.checkpoint_id, "inside");
  f.Return(second, "inside");
  EXPECT_EQ(f.trial(1).failures, 1) << "no failure of the trial";
  const Assignment third = f.Take("w1");
  EXPECT_EQ(third.checkpoint_id, "t1e2");
  EXPECT_EQ(third.from_epoch, 2);
  f.Return(third, "t1e2");
  const Assignment fourth = f.Take("w1");
  EXPECT_EQ(fourth.checkpoint_id, "");
  EXPECT_EQ(fourth.from_epoch, 0);
  f.Complete(fourth, 0.5);
  EXPECT_EQ(f.study().epochs_lost(), 3) << "one to three were trained again, the fourth was new";
  EXPECT_EQ(f.study().epochs_trained(), 8 * 2 + 1 + 4);
}

TEST(Rule8Resuming, AnUnusableCheckpointIsForgottenAlsoWhenTheWorkerSaysSoTooLate) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);
  f.AdvanceAndTick(kLease);
  f.Return(a, "t1e2");
  EXPECT_EQ(f.Take("w1").from_epoch, 0);
}

TEST(Rule8Resuming, AnUnknownUnusableCheckpointIsNoMatter) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Return(AtTheSecondRung(f), "no such");
  EXPECT_EQ(f.Take("w1").checkpoint_id, "t1e2");
}

TEST(Rule8Resuming, EpochsFromScratchAreChargedToTheLimit) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 58}));  // A round, always from scratch.
  while (std::optional<Assignment> next = f.AskFor("w1")) {
    f.CompleteWithout(*next, next->lease.trial);
  }
  EXPECT_THAT(f.Results(), testing::ElementsAre(8, 4, 2, 1));
  EXPECT_EQ(f.study().epochs_trained(), 58);
  EXPECT_EQ(f.study().epochs_lost(), 4 * 2 + 2 * 4 + 1 * 8);
}

TEST(Rule8Resuming, TheSeedIsTheSameOnEveryAttempt) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment first = f.Take("w1");
  f.Return(first);
  const Assignment second = f.Take("w2");
  EXPECT_EQ(first.seed, second.seed);
  EXPECT_NE(f.Take("w3").seed, first.seed);
}

TEST(Rule8Resuming, PointsAndCheckpointsOutsideTheAttemptAreRefused) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Assignment a = AtTheSecondRung(f);  // From 2 to 4.
  for (const int64_t epoch : {-1, 0, 2, 5}) {
    EXPECT_THAT(
        f.Report(a, Progress{.points = {{3, 0.5}, {epoch, 0.5}}}),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 testing::AllOf(testing::HasSubstr(absl::StrCat("points[1].epoch is ", epoch)),
                                testing::HasSubstr("3 to 4"))));
    EXPECT_THAT(f.Report(a, Completed{.error = 0.5, .points = {{epoch, 0.5}}}),
                StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("points[0]")));
    EXPECT_THAT(f.Report(a, Progress{.checkpoint_id = "c", .checkpoint_epoch = epoch}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr(absl::StrCat("checkpoint_epoch is ", epoch))));
  }
  EXPECT_THAT(f.trial(1).curve, SizeIs(1)) << "a refused report changes nothing";
}

}  // namespace
}  // namespace halving
