// The picture: all of a small study, and of a large one what matters.
#include "server/dashboard/figure.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

class FigureTest : public testing::Test {
 protected:
  // Once it tells of so many trials.
  nlohmann::json FigureOf(int64_t trials) {
    nlohmann::json figure;
    ServerFixture::Await("the trials", [&] {
      figure = f.GetJson("/api/v1/studies/s/figure");
      return figure["trials"] == std::to_string(trials);
    });
    return figure;
  }

  DashboardFixture f;
};

TEST_F(FigureTest, OfASmallStudyItHasEveryResult) {
  ASSERT_THAT(f.Create(TwoRungs("s", 30)), IsOk());
  for (int i = 0; i < 8; ++i) {
    f.Finish(i == 3 ? std::nan("") : 1.0 / (i + 1));
    f.Pass(absl::Seconds(3));
  }
  v1::ListTrialsRequest request;
  request.set_name("s");
  const auto listed = f.Call(&StudyStub::ListTrials, request);
  ASSERT_THAT(listed, IsOk());
  int64_t with_result = 0;
  for (const v1::Trial& trial : listed->trials()) with_result += trial.results_size() > 0;
  const nlohmann::json figure = FigureOf(with_result);
  EXPECT_EQ(figure["leftOut"], "0");
  EXPECT_EQ(figure["rungs"], nlohmann::json({1.0, 2.0}));
  size_t next = 0;
  for (const v1::Trial& trial : listed->trials()) {
    if (trial.results_size() == 0) continue;
    const nlohmann::json& drawn = figure["drawn"][next++];
    EXPECT_EQ(drawn["id"], trial.id());
    EXPECT_EQ(drawn["state"], v1::TrialState_Name(trial.state()));
    EXPECT_EQ(drawn["config"]["x"], trial.config().fields().at("x").number_value());
    ASSERT_EQ(drawn["results"].size(), static_cast<size_t>(trial.results_size()));
    for (int k = 0; k < trial.results_size(); ++k) {
      const v1::RungResult& result = trial.results(k);
      const nlohmann::json& shown = drawn["results"][k];
      EXPECT_EQ(shown["epochs"], result.epochs());
      EXPECT_EQ(shown["studyEpochs"], result.study_epochs());
      EXPECT_EQ(shown.contains("error"), std::isfinite(result.error()));
      if (!std::isfinite(result.error())) continue;
      EXPECT_EQ(shown["error"], result.error());
    }
  }
  EXPECT_EQ(next, figure["drawn"].size());
}

TEST_F(FigureTest, HoldsTheCurveBetweenTheRungs) {
  v1::StudySpec spec = FlatSpec("s", 3);
  spec.mutable_halving()->set_min_epochs(300);
  spec.mutable_halving()->set_max_epochs(300);
  ASSERT_THAT(f.Create(spec), IsOk());
  v1::ReportRequest report = CompletedOf(f.Take("w", "1").lease_id(), 0.25);
  for (int64_t epoch = 1; epoch < 300; ++epoch) {
    v1::CurvePoint* point = report.mutable_completed()->add_points();
    point->set_epoch(epoch);
    point->set_error(1.0 / static_cast<double>(epoch));
  }
  ASSERT_THAT(f.Report(report), IsOk());
  const nlohmann::json figure = FigureOf(1);
  const nlohmann::json& curve = figure["drawn"][0]["curve"];
  EXPECT_EQ(curve.size(), kMostCurvePoints);
  EXPECT_EQ(curve.front()["epoch"], 1);
  EXPECT_EQ(curve.back()["epoch"], 300);
  EXPECT_EQ(curve.back()["error"], 0.25);
}

TEST_F(FigureTest, OfALargeStudyTheBestOfEachRungStayAndTheOthersAreThinnedOut) {
  ASSERT_THAT(f.Create(TwoRungs("s", 3000)), IsOk());
  std::map<int64_t, std::set<std::pair<double, int64_t>>> by_rung;  // (error, trial).
  std::map<int64_t, double> first;
  for (int i = 0; i < 3000; ++i) {
    const v1::Assignment work = f.Take("w", std::to_string(i));
    const double error = std::fmod(i * 0.61803398875, 1) + 0.001;
    ASSERT_THAT(f.Report(CompletedOf(work.lease_id(), error)), IsOk());
    if (work.to_epoch() == 2) by_rung[1].erase({first[work.trial_id()], work.trial_id()});
    by_rung[work.to_epoch()].insert({error, work.trial_id()});
    first[work.trial_id()] = error;
  }
  const auto trials = static_cast<int64_t>(by_rung[1].size() + by_rung[2].size());
  const nlohmann::json figure = FigureOf(trials);
  EXPECT_EQ(figure["drawn"].size(), kMostDrawn);
  EXPECT_EQ(figure["leftOut"], std::to_string(trials - static_cast<int64_t>(kMostDrawn)));
  std::map<int64_t, std::set<int64_t>> drawn;
  for (const nlohmann::json& trial : figure["drawn"]) {
    drawn[trial["results"].size()].insert(trial["id"].get<int64_t>());
  }
  for (const int64_t rung : {1, 2}) {
    auto best = by_rung[rung].begin();
    for (int i = 0; i < 20; ++i, ++best) EXPECT_TRUE(drawn[rung].contains(best->second)) << i;
    EXPECT_GE(drawn[rung].size(), 250) << "neither rung crowds the other out";
  }
}

TEST_F(FigureTest, IsNotSentAgainWhileNothingChanges) {
  ASSERT_THAT(f.Create(TwoRungs("s", 30)), IsOk());
  f.Finish(0.5);
  FigureOf(1);
  std::string etag;
  ServerFixture::Await("the same twice", [&] {
    const std::string before = etag;
    etag = f.Get("/api/v1/studies/s/figure").get_header_value("ETag");
    return etag == before;
  });
  EXPECT_EQ(f.Get("/api/v1/studies/s/figure", {{"If-None-Match", etag}}).status, 304);
  f.Finish(0.25);
  FigureOf(2);
  EXPECT_EQ(f.Get("/api/v1/studies/s/figure", {{"If-None-Match", etag}}).status, 200);
}

}  // namespace
}  // namespace halving
