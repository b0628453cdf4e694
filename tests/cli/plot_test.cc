// The arithmetic behind the picture: scales, ticks, and which trials are drawn.
#include <cmath>
#include <limits>

#include "cli/plot_data.h"
#include "cli/plot_scale.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/sample_study.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ScaleTest, MapsEndsAndMiddle) {
  const Scale linear(2, 10, 100, 500, false);
  EXPECT_DOUBLE_EQ(linear(2), 100);
  EXPECT_DOUBLE_EQ(linear(6), 300);
  EXPECT_DOUBLE_EQ(linear(10), 500);
  const Scale log(0.01, 1, 500, 100, true);
  EXPECT_DOUBLE_EQ(log(0.01), 500);
  EXPECT_NEAR(log(0.1), 300, 1e-9);
  EXPECT_DOUBLE_EQ(log(1), 100);
}

TEST(ScaleTest, ASinglePointLiesInTheMiddle) {
  for (const double value : {3.0, 0.0, -2.0}) {
    const Scale scale(value, value, 0, 100, false);
    EXPECT_DOUBLE_EQ(scale(value), 50);
  }
  const Scale log(3, 3, 0, 100, true);
  EXPECT_GT(log(3), 0);
  EXPECT_LT(log(3), 100);
}

TEST(ScaleTest, TheWidestIntervalDoesNotOverflow) {
  const double max = std::numeric_limits<double>::max();
  const Scale scale(-max, max, 0, 100, false);
  EXPECT_DOUBLE_EQ(scale(0), 50);
}

struct TickCase {
  std::string name;
  double min;
  double max;
  bool log;
  std::vector<std::string> labels;
};
class TicksTest : public testing::TestWithParam<TickCase> {};

TEST_P(TicksTest, AreRoundAndFew) {
  const auto& [name, min, max, log, labels] = GetParam();
  EXPECT_THAT(TickLabels(log ? NiceLogTicks(min, max) : NiceTicks(min, max, 6), log),
              ElementsAreArray(labels));
}

INSTANTIATE_TEST_SUITE_P(
    , TicksTest,
    testing::ValuesIn(std::vector<TickCase>{
        {"Errors", 0.12, 0.78, false, {"0.2", "0.3", "0.4", "0.5", "0.6", "0.7"}},
        {"Unit", 0, 1, false, {"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
        {"Narrow",
         0.9001,
         0.9006,
         false,
         {"0.9001", "0.9002", "0.9003", "0.9004", "0.9005", "0.9006"}},
        {"AroundZero", -1, 1, false, {"-1.0", "-0.5", "0.0", "0.5", "1.0"}},
        {"Huge", 0, 3e9, false, {"0", "5e+08", "1e+09", "1.5e+09", "2e+09", "2.5e+09", "3e+09"}},
        {"LogWithinADecade", 0.16, 0.9, true, {"0.2", "0.3", "0.4", "0.5", "0.6", "0.8"}},
        {"LogTwoDecades", 0.01, 1, true, {"0.01", "0.03", "0.1", "0.3", "1"}},
        {"LogManyDecades", 1e-4, 1, true, {"0.0001", "0.001", "0.01", "0.1", "1"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(NiceTicksTest, NumbersTooLargeToTellApartEndTheLoop) {
  const double max = std::numeric_limits<double>::max();
  EXPECT_LT(NiceTicks(-max, max, 6).size(), 20u);
  EXPECT_LT(NiceTicks(1e16, 1e16 + 2, 6).size(), 20u);
}

v1::Trial MakeTrial(int64_t id, std::vector<double> errors) {
  v1::Trial trial;
  trial.set_id(id);
  trial.set_state(v1::TRIAL_STATE_ELIMINATED);
  for (size_t i = 0; i < errors.size(); ++i) {
    trial.add_results()->set_epochs(int64_t{2} << i);
    trial.mutable_results()->rbegin()->set_error(errors[i]);
  }
  return trial;
}

std::vector<int64_t> DrawnIds(const PlotData& data) {
  std::vector<int64_t> ids;
  for (const PlotTrial& drawn : data.trials) ids.push_back(drawn.trial->id());
  return ids;
}

TEST(SelectPlotDataTest, TheBestIsDrawnLastAndTiesGoToTheLowerId) {
  const std::vector<v1::Trial> trials = {MakeTrial(1, {0.5}), MakeTrial(2, {0.9, 0.4}),
                                         MakeTrial(3, {0.7, 0.4}), MakeTrial(4, {0.1})};
  const PlotData data = SelectPlotData(trials, 100, false);
  EXPECT_THAT(DrawnIds(data), ElementsAre(1, 4, 3, 2));
  EXPECT_THAT(data.rungs, ElementsAre(2, 4));
  EXPECT_THAT(data.results_at, ElementsAre(4, 2));
}

TEST(SelectPlotDataTest, WhatIsNotFiniteIsCountedInstead) {
  const std::vector<v1::Trial> trials = {MakeTrial(1, {std::nan("")}),
                                         MakeTrial(2, {0.5, kInfinity}), MakeTrial(3, {0, 0.5})};
  const PlotData linear = SelectPlotData(trials, 100, false);
  EXPECT_EQ(linear.diverged, 2);
  EXPECT_EQ(linear.not_positive, 0);
  EXPECT_THAT(DrawnIds(linear), ElementsAre(2, 3));
  const PlotData log = SelectPlotData(trials, 100, true);
  EXPECT_EQ(log.not_positive, 1);
  EXPECT_THAT(log.trials.back().results, SizeIs(1));
}

TEST(SelectPlotDataTest, ACapKeepsTheBestAndTheWorstOfEachRung) {
  std::vector<v1::Trial> trials;
  for (int64_t id = 1; id <= 1000; ++id)
    trials.push_back(MakeTrial(id, {0.001 * static_cast<double>(id)}));
  for (int64_t id = 1001; id <= 1003; ++id)
    trials.push_back(MakeTrial(id, {1, 0.001 * static_cast<double>(id)}));
  const PlotData data = SelectPlotData(trials, 40, false);
  const std::vector<int64_t> ids = DrawnIds(data);
  EXPECT_THAT(ids, SizeIs(43));
  EXPECT_EQ(data.left_out, 960);
  EXPECT_EQ(ids.front(), 1000);  // The worst of the lowest rung.
  EXPECT_THAT(std::vector<int64_t>(ids.end() - 8, ids.end()),
              ElementsAre(5, 4, 3, 2, 1, 1003, 1002, 1001));
  EXPECT_THAT(data.results_at, ElementsAre(1003, 3)) << "those left out count all the same";
  EXPECT_TRUE(std::is_sorted(ids.rbegin() + 3, ids.rend()));
}

TEST(SelectPlotDataTest, ACapOfOneKeepsTheBest) {
  const std::vector<v1::Trial> trials = {MakeTrial(1, {0.5}), MakeTrial(2, {0.4}),
                                         MakeTrial(3, {0.6})};
  EXPECT_THAT(DrawnIds(SelectPlotData(trials, 1, false)), ElementsAre(2));
}

}  // namespace
}  // namespace halving
