// Rule 9: which of several studies a worker serves.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

StudySpec Named(const std::string& name, const std::string& objective = "lenet") {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.name = name;
  spec.objective = objective;
  return spec;
}

std::string StudyOfNext(SchedulerFixture& f, const std::vector<std::string>& objectives = {}) {
  const auto assignment = f.AskWith({.worker = "w", .objectives = objectives});
  return assignment.has_value() ? assignment->study : "none";
}

TEST(Rule9SeveralStudies, TheOneWithTheFewestRunningTrialsThenTheOldest) {
  SchedulerFixture f;
  for (const char* name : {"zebra", "ant", "bee"}) f.Create(Named(name));
  std::vector<std::string> served;
  for (int i = 0; i < 7; ++i) served.push_back(StudyOfNext(f));
  EXPECT_THAT(served, testing::ElementsAre("zebra", "ant", "bee", "zebra", "ant", "bee", "zebra"));
}

TEST(Rule9SeveralStudies, AFinishedTrialMakesItsStudyTheNext) {
  SchedulerFixture f;
  f.Create(Named("a"));
  f.Create(Named("b"));
  f.Take("w1");
  const Assignment of_b = f.Take("w2");
  f.Take("w3");
  ASSERT_EQ(of_b.study, "b");
  f.Complete(of_b, 0.5);
  EXPECT_EQ(StudyOfNext(f), "b");
}

TEST(Rule9SeveralStudies, OnlyRunningOnes) {
  SchedulerFixture f;
  for (const char* name : {"paused", "stopped", "running"}) f.Create(Named(name));
  f.Do(PauseStudy{.name = "paused"});
  f.Do(StopStudy{.name = "stopped"});
  EXPECT_EQ(StudyOfNext(f), "running");
  EXPECT_EQ(StudyOfNext(f), "running");
  f.Do(ResumeStudy{.name = "paused"});
  EXPECT_EQ(StudyOfNext(f), "paused");
}

TEST(Rule9SeveralStudies, OnlyThoseWhoseObjectiveTheWorkerServes) {
  SchedulerFixture f;
  f.Create(Named("a", "lenet"));
  f.Create(Named("b", "resnet"));
  EXPECT_EQ(StudyOfNext(f, {"resnet"}), "b");
  EXPECT_EQ(StudyOfNext(f, {"resnet"}), "b");
  EXPECT_EQ(StudyOfNext(f, {"mlp"}), "none");
  EXPECT_EQ(StudyOfNext(f, {"mlp", "lenet"}), "a");
  EXPECT_EQ(StudyOfNext(f), "a") << "no objectives means any";
}

TEST(Rule9SeveralStudies, OneThatHasNothingToHandOutIsPassedOver) {
  SchedulerFixture f;
  StudySpec small = Named("small");
  small.limits = {.max_evaluations = 1};
  f.Create(small);
  f.Create(Named("large"));
  EXPECT_EQ(StudyOfNext(f), "small");
  EXPECT_EQ(StudyOfNext(f), "large");
  EXPECT_EQ(StudyOfNext(f), "large") << "though it has more trials running";
}

TEST(Rule9SeveralStudies, TheOrderSurvivesARestart) {
  SchedulerFixture f;
  f.Create(Named("a"));
  f.Create(Named("b"));
  ASSERT_EQ(StudyOfNext(f), "a");
  f.Restart();
  EXPECT_EQ(StudyOfNext(f), "b");
}

TEST(Rule9SeveralStudies, AWorkerOfAnOwnerServesHisStudiesOnly) {
  SchedulerFixture f;
  f.AskWith({.worker = "vision/w", .scope = "vision"});
  EXPECT_TRUE(f.scheduler().IsServed({.objective = "x", .owner = "vision"}, f.now()));
  EXPECT_FALSE(f.scheduler().IsServed({.objective = "x", .owner = "speech"}, f.now()));
  EXPECT_FALSE(f.scheduler().IsServed({.objective = "x"}, f.now()));
}

TEST(Rule9SeveralStudies, AnObjectiveIsServedWhileAConnectedWorkerServesIt) {
  SchedulerFixture f;
  f.Create(Named("a"));
  EXPECT_FALSE(f.scheduler().IsServed({.objective = "lenet"}, f.now()));
  const Assignment a = *f.AskWith({.worker = "w", .objectives = {"lenet"}});
  EXPECT_TRUE(f.scheduler().IsServed({.objective = "lenet"}, f.now()));
  EXPECT_FALSE(f.scheduler().IsServed({.objective = "resnet"}, f.now()));
  f.Return(a);
  f.AdvanceAndTick(absl::Seconds(61));
  EXPECT_FALSE(f.scheduler().IsServed({.objective = "lenet"}, f.now()));
}

}  // namespace
}  // namespace halving
