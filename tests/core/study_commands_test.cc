// What people ask for: create, delete, and the names that there are.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(CreateStudy, StartsToHandOutAtOnce) {
  SchedulerFixture f;
  EXPECT_EQ(f.Do(CreateStudy{.spec = SmallSpec({.max_evaluations = 30})}).study, 1);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  EXPECT_EQ(f.study().create_time(), f.now());
  EXPECT_EQ(f.study().spec().max_attempts, 3) << "defaults are filled in";
  EXPECT_TRUE(f.AskFor("w1").has_value());
}

TEST(CreateStudy, RetriedWithAnEqualSpecReturnsTheStudyThatExists) {
  SchedulerFixture f;
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.seed = 0;
  f.Do(CreateStudy{.spec = spec, .fallback_seed = 5});
  EXPECT_EQ(f.Do(CreateStudy{.spec = spec, .fallback_seed = 6}).study, 1);
  spec.seed = 5;  // As it was stored.
  EXPECT_EQ(f.Do(CreateStudy{.spec = spec, .fallback_seed = 7}).study, 1);
  spec.max_attempts = 3;  // The default, said.
  spec.lease = absl::Seconds(60);
  EXPECT_EQ(f.Do(CreateStudy{.spec = spec}).study, 1);
  EXPECT_THAT(f.All<StudyCreated>(), SizeIs(1));
}

TEST(CreateStudy, UnderAUsedNameWithAnotherSpecAlreadyExists) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  StudySpec other = SmallSpec({.max_evaluations = 31});
  EXPECT_THAT(f.Execute(CreateStudy{.spec = other}),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       testing::AllOf(HasSubstr("\"s\""), HasSubstr("RUNNING"))));
  other = SmallSpec({.max_evaluations = 30});
  other.seed = 2;
  EXPECT_THAT(f.Execute(CreateStudy{.spec = other}), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(CreateStudy, RetriedAfterAnExtensionIsStillTheSameRequest) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 60}});
  f.Restart();
  f.Create(SmallSpec({.max_evaluations = 30}));
  f.Create(SmallSpec({.max_evaluations = 60}));
  EXPECT_THAT(f.All<StudyCreated>(), SizeIs(1));
  EXPECT_EQ(f.study().spec().limits.max_evaluations, 60);
}

TEST(CreateStudy, ARefusedSpecChangesNothing) {
  SchedulerFixture f;
  EXPECT_THAT(f.Execute(CreateStudy{.spec = SmallSpec({})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limits has none set")));
  EXPECT_THAT(f.scheduler().studies(), IsEmpty());
  EXPECT_THAT(f.All<StudyCreated>(), IsEmpty());
}

TEST(StudyCommands, OfAnUnknownNameAreNotFound) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const Limits more = {.max_evaluations = 60};
  for (const Command& command : std::initializer_list<Command>{
           PauseStudy{.name = "x"}, ResumeStudy{.name = "x"}, StopStudy{.name = "x"},
           ExtendStudy{.name = "x", .limits = more}, DeleteStudy{.name = "x"}}) {
    EXPECT_THAT(f.Execute(command),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("no study \"x\"")));
  }
}

TEST(DeleteStudy, NeedsAStudyThatEnded) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  EXPECT_THAT(f.Execute(DeleteStudy{.name = "s"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::AllOf(HasSubstr("is RUNNING"), HasSubstr("stop it"))));
  f.Do(PauseStudy{.name = "s"});
  EXPECT_THAT(f.Execute(DeleteStudy{.name = "s"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is PAUSED")));
  f.Do(StopStudy{.name = "s"});
  EXPECT_EQ(f.Do(DeleteStudy{.name = "s"}).study, 1);
  EXPECT_EQ(f.scheduler().FindStudy("s"), nullptr);
  EXPECT_THAT(f.Execute(DeleteStudy{.name = "s"}), StatusIs(absl::StatusCode::kNotFound));
}

TEST(DeleteStudy, LeavesTheOthersAloneAndItsUidIsNeverUsedAgain) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  StudySpec other = SmallSpec({.max_evaluations = 30});
  other.name = "other";
  f.Create(other);
  f.Do(StopStudy{.name = "other"});
  f.Do(DeleteStudy{.name = "other"});
  f.Restart();
  EXPECT_EQ(f.Do(CreateStudy{.spec = other}).study, 3);
  other.name = "third";
  EXPECT_EQ(f.Do(CreateStudy{.spec = other}).study, 4);
  EXPECT_NE(f.scheduler().FindStudy("s"), nullptr);
}

TEST(Workers, AreIdleFromWhenTheirStudyEnded) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Take("w1");
  f.Advance(absl::Seconds(30));
  f.Do(StopStudy{.name = "s"});
  const WorkerInfo* worker = f.scheduler().workers().Find("w1");
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(worker->idle_since, f.now());
  EXPECT_EQ(worker->last_seen, f.now() - absl::Seconds(30)) << "it has not been heard of since";
}

TEST(Workers, CountWhatTheyFinishedAndLost) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.AskWith({.worker = "w1", .objectives = {"lenet"}, .host = "box", .device = "cpu"});
  f.AdvanceAndTick(absl::Seconds(60));
  f.Complete(f.Take("w2"), 0.5);
  const WorkerTable& workers = f.scheduler().workers();
  EXPECT_EQ(workers.Find("w1")->leases_lost, 1);
  EXPECT_EQ(workers.Find("w1")->host, "box");
  EXPECT_EQ(workers.Find("w1")->device, "cpu");
  EXPECT_THAT(workers.Find("w1")->objectives, testing::ElementsAre("lenet"));
  EXPECT_EQ(workers.Find("w2")->trials_finished, 1);
  EXPECT_EQ(workers.Find("w2")->leases_lost, 0);
}

TEST(NextDue, IsTheNextLeaseToEndOrTheNextSecondWhileAStudyRuns) {
  SchedulerFixture f;
  EXPECT_EQ(f.scheduler().NextDue(), absl::InfiniteFuture()) << "nothing to do at all";
  f.Create(SmallSpec({.max_evaluations = 30}));
  EXPECT_EQ(f.scheduler().NextDue(), f.now() + absl::Seconds(1));
}

}  // namespace
}  // namespace halving
