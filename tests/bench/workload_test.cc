#include "bench/simulate/workload.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Ladder 1, 3, 9 with 9, 3, 1 trials: 13 results, 9 + 3 * 2 + 6 = 21 epochs in each round.
WorkloadOptions SmallWorkload(PolicyKind policy = PolicyKind::kHalving) {
  return {.spec = {.parameters = {{"x", FloatRange{0, 1}}},
                   .halving = {.min_epochs = 1, .max_epochs = 9, .eta = 3},
                   .policy = policy,
                   .limits = {.max_rounds = 1},
                   .seed = 7},
          .error = [](const Config& config, int64_t, uint64_t) { return config[0]; }};
}

WorkloadResult RunToEnd(const WorkloadOptions& options) {
  absl::StatusOr<WorkloadResult> result = RunWorkload(options);
  EXPECT_THAT(result, IsOk());
  return result.ok() ? *std::move(result) : WorkloadResult{};
}

// (time, trial, epochs) of each result.
using Line = std::tuple<double, TrialId, int64_t>;
std::vector<Line> Lines(const WorkloadResult& result) {
  std::vector<Line> lines;
  for (const Evaluation& e : result.evaluations) lines.emplace_back(e.time, e.trial, e.epochs);
  return lines;
}

TEST(WorkloadTest, OneWorkerTakesAsLongAsTheEpochsOfARound) {
  const WorkloadResult result = RunToEnd(SmallWorkload());
  EXPECT_EQ(result.evaluations.size(), 13U);
  EXPECT_DOUBLE_EQ(result.end_time, 21);
  EXPECT_DOUBLE_EQ(result.busy_share, 1);
  EXPECT_EQ(result.epochs_spent, 21);
  EXPECT_EQ(result.trained_fully, 1);
  EXPECT_EQ(result.lost_jobs, 0);
  EXPECT_EQ(result.evaluations.back().epochs, 9);
  EXPECT_EQ(result.evaluations.back().rung, 2);
  EXPECT_EQ(result.evaluations.back().epochs_spent, 21);
}

TEST(WorkloadTest, WithoutCheckpointsTrialsTrainFromScratch) {
  WorkloadOptions options = SmallWorkload();
  options.checkpoints = false;
  const WorkloadResult result = RunToEnd(options);
  EXPECT_DOUBLE_EQ(result.end_time, 9 * 1 + 3 * 3 + 1 * 9);
  EXPECT_EQ(result.epochs_spent, 27);
  EXPECT_EQ(result.most_checkpoints, 0);
}

TEST(WorkloadTest, CountsTheCheckpointsThatAreHeldAtOnce) {
  // Of the first rung all nine; a rung that closes keeps the promoted and the best three.
  EXPECT_EQ(RunToEnd(SmallWorkload()).most_checkpoints, 9);
}

TEST(WorkloadTest, TheBestOfARungGoOn) {
  const WorkloadResult result = RunToEnd(SmallWorkload());
  double least = 1;
  for (const Evaluation& evaluation : result.evaluations) {
    if (evaluation.rung == 0) least = std::min(least, evaluation.error);
  }
  EXPECT_EQ(result.evaluations.back().error, least);
}

TEST(WorkloadTest, EqualOptionsGiveEqualRuns) {
  WorkloadOptions options = SmallWorkload();
  options.spec.limits = {};
  options.workers = 5;
  options.time_noise = 0.5;
  options.loss = 0.02;
  options.max_time = 300;
  const WorkloadResult first = RunToEnd(options);
  EXPECT_GT(first.evaluations.size(), 100U);
  EXPECT_EQ(Lines(RunToEnd(options)), Lines(first));
  options.spec.seed = 8;
  EXPECT_NE(Lines(RunToEnd(options)), Lines(first));
}

TEST(WorkloadTest, AStrictRoundMakesWorkersWait) {
  WorkloadOptions options = SmallWorkload(PolicyKind::kHalvingPerRound);
  options.workers = 3;
  options.spec.limits = {.max_rounds = 2};
  options.strict = true;
  const WorkloadResult result = RunToEnd(options);
  // A round: nine jobs of 1 in 3 turns, three of 2 at once, and one of 6 while two workers wait.
  EXPECT_DOUBLE_EQ(result.end_time, 2 * (3 + 2 + 6));
  EXPECT_DOUBLE_EQ(result.busy_share, 2 * 21 / (3 * result.end_time));
}

TEST(WorkloadTest, NoOtherPolicyMakesWorkersWait) {
  for (const PolicyKind policy : {PolicyKind::kHalving, PolicyKind::kHalvingPerRound}) {
    WorkloadOptions options = SmallWorkload(policy);
    options.workers = 3;
    options.spec.limits = {};
    options.max_time = 100.5;
    const WorkloadResult result = RunToEnd(options);
    EXPECT_DOUBLE_EQ(result.busy_share, 1);
    EXPECT_DOUBLE_EQ(result.end_time, 100.5);
    EXPECT_GE(result.trained_fully, 12);  // 301 epochs are 14 rounds, of which some are under way.
  }
}

TEST(WorkloadTest, WorkersThatFindNothingAtALimitAreWokenByTheNextResult) {
  WorkloadOptions options = SmallWorkload();
  options.workers = 20;
  // Nine jobs at once, then three, then one.
  EXPECT_DOUBLE_EQ(RunToEnd(options).end_time, 1 + 2 + 6);
}

TEST(WorkloadTest, TheTimeOfAJobIsItsOwnWhateverElseRuns) {
  WorkloadOptions options = SmallWorkload();
  options.time_noise = 0.5;
  std::map<std::pair<TrialId, int>, double> alone;
  double before = 0;
  for (const Evaluation& e : RunToEnd(options).evaluations) {
    alone[{e.trial, e.rung}] = e.time - before;
    before = e.time;
  }
  options.workers = 9;
  for (const Evaluation& e : RunToEnd(options).evaluations) {
    if (e.rung == 0) {
      EXPECT_NEAR(e.time, (alone[{e.trial, e.rung}]), 1e-9);
    }
  }
  EXPECT_GT(before, 21);
}

TEST(WorkloadTest, LostJobsAreRepeatedUntilTheyAreDone) {
  WorkloadOptions options = SmallWorkload();
  options.loss = 0.1;
  options.spec.limits = {.max_rounds = 20};
  const WorkloadResult result = RunToEnd(options);
  EXPECT_EQ(result.evaluations.size(), 20U * 13U);
  EXPECT_EQ(result.asks, 20 * 13 + result.lost_jobs);
  // A unit is lost with probability 0.1, so about a tenth of the time ends in a loss.
  EXPECT_NEAR(static_cast<double>(result.lost_jobs), 0.105 * result.end_time, 20);
  EXPECT_GT(result.end_time, 20 * 21);
  EXPECT_DOUBLE_EQ(result.busy_share, 1);
}

TEST(WorkloadTest, EndsWhenTheBudgetIsSpent) {
  WorkloadOptions options = SmallWorkload();
  options.spec.limits = {};
  options.max_epochs_spent = 100;
  const WorkloadResult result = RunToEnd(options);
  EXPECT_GE(result.epochs_spent, 100);
  EXPECT_LT(result.epochs_spent, 106);
}

TEST(WorkloadTest, EndsWhenTheCallerHasSeenEnough) {
  WorkloadOptions options = SmallWorkload();
  int seen = 0;
  options.on_result = [&](const Evaluation&, const Study& study) {
    EXPECT_EQ(study.evaluations(), ++seen);
    return seen < 4;
  };
  EXPECT_THAT(Lines(RunToEnd(options)),
              ElementsAre(Line(1, 1, 1), Line(2, 2, 1), Line(3, 3, 1), Line(4, 4, 1)));
}

TEST(WorkloadTest, PassesOnWhyAStudyIsRefused) {
  WorkloadOptions options = SmallWorkload();
  options.spec.halving.eta = 1;
  EXPECT_THAT(RunWorkload(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("eta is 1")));
}

}  // namespace
}  // namespace halving
