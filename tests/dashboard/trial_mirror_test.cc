// A mirror always comes to equal the study, whatever happens to it.
#include "server/dashboard/trial_mirror.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/dashboard/ask_engine.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

class TrialMirrorTest : public testing::Test {
 protected:
  TrialMirror& Mirror() {
    const auto feed = f.feeds->Find("s", "");
    HV_CHECK(feed.ok()) << feed.status();
    feed_ = *feed;
    return feed_->mirror();
  }
  // Whether it has just the trials that ListTrials gives, in state, attempts and results.
  bool EqualsTheStudy() {
    HV_CHECK(Mirror().Refresh().ok());
    v1::ListTrialsRequest request;
    request.set_name("s");
    request.set_page_size(1000);
    const auto listed = f.Call(&StudyStub::ListTrials, request);
    HV_CHECK(listed.ok() && listed->next_page_token().empty());
    return Mirror().Read([&listed](const auto& trials, const auto&) {
      if (trials.size() != static_cast<size_t>(listed->trials_size())) return false;
      for (int i = 0; i < listed->trials_size(); ++i) {
        if (!AreEqual(trials[i], listed->trials(i))) return false;
      }
      return true;
    });
  }
  void AwaitEqual(const std::string& when) {
    ServerFixture::Await("equality " + when, [this] { return EqualsTheStudy(); });
  }

  DashboardFixture f;

 private:
  static bool AreEqual(const MirroredTrial& mirrored, const v1::Trial& trial) {
    if (mirrored.id != trial.id() || static_cast<int>(mirrored.state) != trial.state() ||
        mirrored.attempts != trial.attempts() ||
        mirrored.results.size() != static_cast<size_t>(trial.results_size())) {
      return false;
    }
    for (int k = 0; k < trial.results_size(); ++k) {
      const double error = trial.results(k).error();
      const bool diverged = std::isnan(error) && std::isnan(mirrored.results[k].error);
      if (!diverged && mirrored.results[k].error != error) return false;
    }
    return true;
  }

  std::shared_ptr<StudyFeed> feed_;
};

TEST_F(TrialMirrorTest, FollowsAStudyThroughAllThatHappensToIt) {
  ASSERT_THAT(f.Create(TwoRungs("s", 600)), IsOk());
  AwaitEqual("with no trial");
  for (int i = 0; i < 40; ++i) f.Finish(1.0 / (i + 1));
  AwaitEqual("after results and promotions");
  const v1::Assignment failing = f.Take("w", "failing");
  AwaitEqual("while one runs");
  ASSERT_THAT(f.Report(ReportOf(failing.lease_id(), "failed { retryable: true }")), IsOk());
  AwaitEqual("after a failure");
  f.Take("lost", "lost");
  f.Pass(absl::Minutes(2));
  AwaitEqual("after a lease was lost");
  for (int i = 0; i < 500; ++i) f.Finish(0.5 + i);
  AwaitEqual("after more than a slice of new trials");
  f.Take("w", "open");
  ASSERT_EQ(f.Post("/api/v1/studies/s/stop").status, 200);
  AwaitEqual("after the study's end");
}

TEST_F(TrialMirrorTest, ADeletedStudyIsNotFound) {
  ASSERT_THAT(f.Create(TwoRungs("s", 6)), IsOk());
  TrialMirror& mirror = Mirror();
  ASSERT_EQ(f.Post("/api/v1/studies/s/stop").status, 200);
  ASSERT_THAT(f.Named(&StudyStub::DeleteStudy, "s"), IsOk());
  ServerFixture::Await("NOT_FOUND", [&] { return absl::IsNotFound(mirror.Refresh()); });
  EXPECT_THAT(f.feeds->Find("s", ""), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(f.Create(TwoRungs("s", 6)), IsOk());
  f.Finish(0.5);
  AwaitEqual("of another study under that name");
}

TEST_F(TrialMirrorTest, IncumbentsAreWhatWasBetterThanAllBefore) {
  ASSERT_THAT(f.Create(FlatSpec("s", 9)), IsOk());
  for (const double error : {0.5, 0.7, std::nan(""), 0.4, 0.4, 0.45, 0.1}) {
    f.Finish(error);
    f.Pass(absl::Seconds(1));
  }
  AwaitEqual("at the end");
  std::vector<double> errors;
  Mirror().Read([&errors](const auto&, const auto& incumbents) {
    for (const MirroredIncumbent& incumbent : incumbents) errors.push_back(incumbent.result.error);
    return 0;
  });
  EXPECT_THAT(errors, testing::ElementsAre(0.5, 0.4, 0.1));
}

TEST_F(TrialMirrorTest, AnEngineThatRefusesCostsNothingThatIsMissedLater) {
  ASSERT_THAT(f.Create(TwoRungs("s", 60)), IsOk());
  f.Finish(0.5);
  AwaitEqual("at first");
  TrialMirror& mirror = Mirror();  // Not to be had any more once the engine refuses.
  f.journal.FillDisk();
  f.Create(FlatSpec("t", 1)).IgnoreError();
  ServerFixture::Await("a refusal", [&] { return !mirror.Refresh().ok(); });
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(2));
  f.Finish(0.25);
  AwaitEqual("after there was room again");
}

}  // namespace
}  // namespace halving
