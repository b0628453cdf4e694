// Jobs, their checkpoints and how they end.
#include "worker/agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/agent/agent_fixture.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(AgentTest, TrainsAndAsksForTheNextInItsReport) {
  server_.Add(MakeAssignment(1));
  server_.Add(MakeAssignment(2));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  ASSERT_TRUE(AwaitAsks(2));
  EXPECT_THAT(LeaveAndJoin(), IsOk());

  const v1::Completed& completed = reports[0].completed();
  EXPECT_EQ(reports[0].lease_id(), "lease-1");
  EXPECT_EQ(completed.error(), 0.5);
  EXPECT_EQ(completed.metrics().at("m"), 2);
  EXPECT_TRUE(completed.has_train_time());
  EXPECT_GT(completed.train_time().nanos() + completed.train_time().seconds(), 0);
  EXPECT_THAT(completed.checkpoint_id(), StartsWith("ckpt-2-"));
  EXPECT_EQ(Stored(completed.checkpoint_id()), "epoch 2");
  EXPECT_EQ(reports[1].lease_id(), "lease-2");

  const std::vector<v1::SuggestRequest> asks = server_.asks();
  ASSERT_EQ(asks.size(), 3U) << "the second trial came with the answer to the first report";
  EXPECT_EQ(asks[2].request_id(), asks[1].request_id()) << "on leaving, what was open is looked at";
  const v1::SuggestRequest& next = reports[0].next();
  EXPECT_EQ(asks[0].wait().seconds(), 20);
  EXPECT_EQ(next.wait().seconds(), 0) << "the answer to a report is not held up";
  for (const v1::SuggestRequest& ask : {asks[0], asks[1], next}) {
    EXPECT_EQ(ask.worker_id(), "w");
    EXPECT_EQ(ask.host(), "box");
    EXPECT_EQ(ask.device(), "cpu");
    EXPECT_THAT(ask.objectives(), ElementsAre("fake"));
    EXPECT_EQ(ask.incarnation(), asks[0].incarnation());
    EXPECT_FALSE(ask.incarnation().empty());
  }
  EXPECT_NE(asks[0].request_id(), next.request_id());
  EXPECT_NE(asks[1].request_id(), next.request_id());
}

TEST_F(AgentTest, EveryPointIsReportedOnce) {
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_to_epoch(50);
  server_.Add(assignment);
  StartAgent();
  AwaitFinal(1);
  std::vector<int64_t> epochs;
  for (const v1::ReportRequest& report : server_.reports()) {
    for (const v1::CurvePoint& point : report.progress().points()) epochs.push_back(point.epoch());
    for (const v1::CurvePoint& point : report.completed().points()) epochs.push_back(point.epoch());
  }
  ASSERT_EQ(epochs.size(), 50U);
  EXPECT_EQ(epochs.front(), 1);
  EXPECT_TRUE(std::is_sorted(epochs.begin(), epochs.end()));
}

TEST_F(AgentTest, JobLineSaysAllThatTheTrainerNeeds) {
  v1::Assignment assignment =
      MakeScripted(7, {Step("save", temp_.File("saved")), PrintEpoch(1), PrintDone()});
  assignment.set_max_epochs(10);
  server_.Add(assignment);
  StartAgent();
  AwaitFinal(1);
  json job = json::parse(ReadFile(temp_.File("saved"))).at("job");
  EXPECT_THAT(job.at("checkpoint_out").get<std::string>(), StartsWith(checkpoint_dir()));
  job.erase("checkpoint_out");
  job.erase("options");
  EXPECT_EQ(job.dump(), R"({"checkpoint_interval":60.0,)"
                        R"("config":{"batch_size":128,"learning_rate":0.5},"from_epoch":0,)"
                        R"("max_epochs":10,"objective":"fake","seed":17,"study":"s","to_epoch":2,)"
                        R"("trial_id":7})");
}

TEST_F(AgentTest, NextRungGoesOnFromTheCheckpointWithoutFetchingWhatIsStillHere) {
  server_.Add(MakeAssignment(1));
  StartAgent();
  const std::string first = AwaitFinal(1)[0].completed().checkpoint_id();
  EXPECT_THAT(Checkpoints(), ElementsAre(first)) << "a copy stays here";
  server_.Add(MakePromoted(1, 2, 4, first));
  const v1::Completed completed = AwaitFinal(2)[1].completed();
  EXPECT_EQ(completed.error(), 0.25);
  EXPECT_EQ(Stored(completed.checkpoint_id()), "epoch 4");
  EXPECT_THAT(server_.checkpoints().downloads(), IsEmpty());
}

TEST_F(AgentTest, CheckpointOfAnotherMachineIsFetched) {
  server_.checkpoints().Store("ckpt-2-x", "epoch 2", 2);
  server_.Add(MakePromoted(1, 2, 4, "ckpt-2-x"));
  StartAgent();
  EXPECT_EQ(AwaitFinal(1)[0].completed().error(), 0.25);
  EXPECT_THAT(server_.checkpoints().downloads(), ElementsAre(0));
}

TEST_F(AgentTest, CopyThatIsNotWhatTheServerHasIsNotUsed) {
  server_.checkpoints().Store("ckpt-2-x", "epoch 2", 2);
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/ckpt-2-x", "epoch 1");
  server_.Add(MakePromoted(1, 2, 4, "ckpt-2-x"));
  StartAgent();
  EXPECT_EQ(AwaitFinal(1)[0].completed().error(), 0.25);
  EXPECT_THAT(server_.checkpoints().downloads(), ElementsAre(0));
}

TEST_F(AgentTest, DownloadThatIsCutOffGoesOnWhereItStopped) {
  const std::string content = "epoch 2" + std::string(2'500'000, ' ');
  server_.checkpoints().Store("ckpt-2-x", content, 2);
  server_.checkpoints().BreakOff(1, 2);
  server_.Add(MakePromoted(1, 2, 4, "ckpt-2-x"));
  StartAgent();
  EXPECT_EQ(AwaitFinal(1)[0].completed().error(), 0.25);
  EXPECT_THAT(server_.checkpoints().downloads(), ElementsAre(0, 1 << 20, 2 << 20));
}

TEST_F(AgentTest, UploadThatIsCutOffGoesOnWhereItStopped) {
  server_.checkpoints().BreakOff(1, 1);
  server_.Add(MakeAssignment(1));
  StartAgent();
  const std::string id = AwaitFinal(1)[0].completed().checkpoint_id();
  EXPECT_EQ(Stored(id), "epoch 2");
  EXPECT_THAT(server_.checkpoints().uploads(), ElementsAre(0, 7)) << "all of it had come";
}

TEST_F(AgentTest, DamagedCheckpointIsFetchedAgainAndThenGivenBackAsUnusable) {
  server_.checkpoints().Store("ckpt-2-x", "epoch 2", 2);
  server_.checkpoints().Damage("ckpt-2-x");
  server_.Add(MakePromoted(1, 2, 4, "ckpt-2-x"));
  StartAgent();
  const v1::Returned returned = AwaitFinal(1)[0].returned();
  EXPECT_EQ(returned.unusable_checkpoint_id(), "ckpt-2-x");
  EXPECT_THAT(returned.reason(), HasSubstr("is damaged on the server"));
  EXPECT_EQ(server_.checkpoints().downloads().size(), 3U);
}

TEST_F(AgentTest, FullDiskHereIsNoVerdictOnTheCheckpointAndTheWorkerSlowsDown) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere; run this as another user";
  server_.checkpoints().Store("ckpt-2-x", "epoch 2", 2);
  for (const int64_t id : {1, 2}) server_.Add(MakePromoted(id, 2, 4, "ckpt-2-x"));
  StartAgent();
  std::filesystem::permissions(
      checkpoint_dir(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  EXPECT_THAT(reports[0].returned().unusable_checkpoint_id(), IsEmpty());
  EXPECT_FALSE(reports[0].has_next()) << "it would come right back";
}

TEST_F(AgentTest, RefusedUploadCostsTheCheckpointAndNotTheResult) {
  server_.checkpoints().set_on_upload([](const v1::CheckpointHeader&, int) {
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "--max-checkpoint-size");
  });
  server_.Add(MakeAssignment(1));
  StartAgent();
  const v1::Completed completed = AwaitFinal(1)[0].completed();
  EXPECT_EQ(completed.error(), 0.5);
  EXPECT_THAT(completed.checkpoint_id(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return Checkpoints().empty(); }));
}

TEST_F(AgentTest, UploadDoesNotHoldUpTheTraining) {
  // The upload of the first epoch is not answered until the second epoch has been reported.
  std::atomic<bool> second_epoch = false;
  server_.set_on_report([&](const v1::ReportRequest& request, int) {
    for (const v1::CurvePoint& point : request.progress().points()) {
      if (point.epoch() == 2) second_epoch = true;
    }
    return std::optional<FakeServer::Answer>();
  });
  server_.checkpoints().set_on_upload([&](const v1::CheckpointHeader&, int) {
    return Eventually([&] { return second_epoch.load(); })
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::INTERNAL, "epoch 2 never came");
  });
  v1::Assignment assignment =
      MakeScripted(1, {Step("checkpoint", "epoch 1"), PrintEpoch(1), PrintCheckpoint(1),
                       PrintEpoch(2), Step("await", temp_.File("go")), PrintDone()});
  assignment.set_to_epoch(3);
  assignment.mutable_lease()->set_seconds(3);
  server_.Add(assignment);
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return !server_.checkpoints().stored().empty(); }));
  WriteFile(temp_.File("go"), "");
  AwaitFinal(1);
}

TEST_F(AgentTest, CheckpointIsNamedWithThePointsUpToItsEpoch) {
  v1::Assignment assignment =
      MakeScripted(1, {PrintEpoch(1), PrintEpoch(2), Step("checkpoint", "epoch 2"),
                       PrintCheckpoint(2), Step("await", temp_.File("go")), PrintDone()});
  assignment.set_to_epoch(3);
  server_.Add(assignment);
  StartAgent();
  const auto named = [&] {
    const std::vector<v1::ReportRequest> reports = server_.progress_reports();
    return std::any_of(reports.begin(), reports.end(), [](const v1::ReportRequest& report) {
      return report.progress().checkpoint_epoch() == 2;
    });
  };
  ASSERT_TRUE(Eventually(named)) << "soon, and not only with the next beat";
  std::vector<int64_t> epochs;
  for (const v1::ReportRequest& report : server_.progress_reports()) {
    for (const v1::CurvePoint& point : report.progress().points()) epochs.push_back(point.epoch());
    if (report.progress().checkpoint_epoch() == 2) break;
  }
  EXPECT_THAT(epochs, ElementsAre(1, 2));
  WriteFile(temp_.File("go"), "");
  AwaitFinal(1);
}

TEST_F(AgentTest, CopiesThatNoTrialNeedsAreRemoved) {
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/over@tag", "x");
  WriteFile(checkpoint_dir() + "/needed@tag", "x");
  server_.checkpoints().Forget("over");
  StartAgent();
  EXPECT_TRUE(Eventually([&] { return Checkpoints() == std::set<std::string>{"needed"}; }));
}

TEST_F(AgentTest, InTheServersOwnFolderTheBytesAreNotSent) {
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/.halving-server", "its mark");
  std::string shared_file;
  server_.checkpoints().set_on_upload([&](const v1::CheckpointHeader& header, int) {
    shared_file = header.shared_file();
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "seen enough");
  });
  server_.Add(MakeAssignment(1));
  StartAgent();
  AwaitFinal(1);
  EXPECT_THAT(shared_file, StartsWith(".worker-"));
}

TEST_F(AgentTest, WhereTheServerDoesNotSeeTheFolderTheBytesAreSentAfterAll) {
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/.halving-server", "another server's");
  server_.checkpoints().set_on_upload([&](const v1::CheckpointHeader& header, int) {
    return header.shared_file().empty()
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::NOT_FOUND, "is it the same file system?");
  });
  server_.Add(MakeAssignment(1));
  StartAgent();
  EXPECT_EQ(Stored(AwaitFinal(1)[0].completed().checkpoint_id()), "epoch 2");
}

TEST_F(AgentTest, LeavingWorkerHasTheLastCheckpointUploadedAndNamed) {
  v1::Assignment assignment =
      MakeScripted(1, {Step("catch_sigterm"), PrintEpoch(1), Step("save", temp_.File("running")),
                       Step("await_sigterm"), PrintEpoch(2), Step("checkpoint", "epoch 2"),
                       PrintCheckpoint(2), Step("exit", 0)});
  assignment.set_to_epoch(4);
  server_.Add(assignment);
  StartAgent();
  ASSERT_TRUE(AwaitFile(temp_.File("running")));
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  const v1::ReportRequest last = AwaitFinal(1)[0];
  EXPECT_TRUE(last.has_returned());
  EXPECT_THAT(last.returned().unusable_checkpoint_id(), IsEmpty());
  const v1::Progress progress = server_.progress_reports().back().progress();
  EXPECT_EQ(progress.checkpoint_epoch(), 2);
  EXPECT_EQ(Stored(progress.checkpoint_id()), "epoch 2");
}

TEST_F(AgentTest, OutOfMemoryIsPassedOn) {
  server_.Add(MakeScripted(
      1, {Print(R"({"failed":{"reason":"CUDA out of memory","out_of_memory":true}})")}));
  StartAgent();
  EXPECT_TRUE(AwaitFinal(1)[0].failed().out_of_memory());
}

// Epoch 2 is the last one: its checkpoint leaves nothing to train, so that only the first is of use
// to the next attempt.
TEST_F(AgentTest, ATrainerThatDiesBeforeItsResultLeavesTheCheckpointBefore) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               Step("await", temp_.File("go")), Step("checkpoint", "epoch 2"),
                               PrintCheckpoint(2), Step("exit", 1)}));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return server_.checkpoints().stored().size() == 1; }));
  WriteFile(temp_.File("go"), "");
  EXPECT_TRUE(AwaitFinal(1)[0].failed().retryable());
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_EQ(Stored(last.checkpoint_id()), "epoch 1");
}

TEST_F(AgentTest, AResultWithoutACheckpointOfItsEpochIsPrecededByTheNewestOne) {
  server_.Add(MakeScripted(
      1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1), PrintDone()}));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().checkpoint_id(), IsEmpty());
  ASSERT_FALSE(server_.progress_reports().empty());
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_EQ(Stored(last.checkpoint_id()), "epoch 1");
}

TEST_F(AgentTest, MissingCheckpointGivesTheTrialBack) {
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("s.1.1.feed.ckpt");
  server_.Add(assignment);
  StartAgent();
  const v1::Returned returned = AwaitFinal(1)[0].returned();
  EXPECT_EQ(returned.unusable_checkpoint_id(), "s.1.1.feed.ckpt");
  EXPECT_THAT(returned.reason(), AllOf(HasSubstr("no such one"), HasSubstr("(worker w)")));
}

TEST_F(AgentTest, CheckpointIdThatIsAPathGivesTheTrialBack) {
  WriteFile(temp_.File("outside"), "epoch 1");
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("../outside");
  server_.Add(assignment);
  StartAgent();
  EXPECT_EQ(AwaitFinal(1)[0].returned().unusable_checkpoint_id(), "../outside");
}

TEST_F(AgentTest, CheckpointThatTheTrainerCannotUseGivesTheTrialBack) {
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/bad.ckpt", "garbage");
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("bad.ckpt");
  server_.Add(assignment);
  StartAgent();
  const v1::Returned returned = AwaitFinal(1)[0].returned();
  EXPECT_EQ(returned.unusable_checkpoint_id(), "bad.ckpt");
  EXPECT_THAT(returned.reason(), HasSubstr("not a checkpoint of mine"));
}

TEST_F(AgentTest, CrashIsRetryableWithItsStderrAndKeepsItsCheckpoint) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               Step("stderr", "CUDA error: out of memory"), Step("signal", 11)}));
  StartAgent();
  const v1::Failed failed = AwaitFinal(1)[0].failed();
  EXPECT_TRUE(failed.retryable());
  EXPECT_THAT(failed.reason(), AllOf(HasSubstr("was killed by signal 11 (SIGSEGV)"),
                                     HasSubstr("CUDA error: out of memory")));
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_EQ(Stored(last.checkpoint_id()), "epoch 1");
}

TEST_F(AgentTest, WorkerWhoseTrainerKeepsCrashingSlowsDown) {
  std::atomic<absl::Time> second_crash = absl::InfiniteFuture();
  std::atomic<absl::Time> next_ask = absl::InfinitePast();
  server_.set_on_report([&](const v1::ReportRequest& request, int) {
    if (request.lease_id() == "lease-2") second_crash = Clock::Real()->Now();
    return std::optional<FakeServer::Answer>();
  });
  server_.set_on_suggest([&](const v1::SuggestRequest&, int nth, v1::SuggestResponse*) {
    if (nth == 2) next_ask = Clock::Real()->Now();
    return grpc::Status::OK;
  });
  for (const int64_t id : {1, 2, 3}) server_.Add(MakeScripted(id, {Step("exit", 1)}));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(3);
  EXPECT_FALSE(reports[0].has_next());
  EXPECT_FALSE(reports[1].has_next());
  EXPECT_GE(next_ask.load() - second_crash.load(), absl::Seconds(1))
      << "or one broken machine would fail every trial of a study";
}

TEST_F(AgentTest, ReasonThatIsNotUtf8StillArrives) {
  WriteFile(temp_.File("noise"), "caf\xE9\n");
  StartAgent(absl::Seconds(10), absl::StrCat("cat ", temp_.File("noise"), " >&2; exit 3"));
  server_.Add(MakeAssignment(1));
  EXPECT_THAT(AwaitFinal(1)[0].failed().reason(),
              AllOf(HasSubstr("status 3"), HasSubstr("caf\xEF\xBF\xBD")));
}

TEST_F(AgentTest, MalformedLineFailsForGood) {
  server_.Add(MakeScripted(1, {Print("{\"epoch\":\"one\"}"), Step("hang")}));
  StartAgent();
  const v1::Failed failed = AwaitFinal(1)[0].failed();
  EXPECT_FALSE(failed.retryable());
  EXPECT_THAT(failed.reason(), HasSubstr("one"));
}

TEST_F(AgentTest, FailureIsPassedOnAsTheTrainerSaysIt) {
  server_.Add(MakeScripted(1, {Print(R"({"failed":{"reason":"no such GPU","retryable":true}})")}));
  server_.Add(MakeScripted(2, {Print(R"({"failed":{"reason":"batch_size"}})")}));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  EXPECT_EQ(reports[0].failed().reason(), "no such GPU");
  EXPECT_TRUE(reports[0].failed().retryable());
  EXPECT_EQ(reports[1].failed().reason(), "batch_size");
  EXPECT_FALSE(reports[1].failed().retryable());
}

TEST_F(AgentTest, DivergedTrainingIsAResult) {
  server_.Add(MakeScripted(
      1, {Print("{\"epoch\":1,\"error\":Infinity}"), Print("{\"done\":{\"error\":NaN}}")}));
  StartAgent();
  const v1::Completed completed = AwaitFinal(1)[0].completed();
  ASSERT_TRUE(completed.has_error());
  EXPECT_TRUE(std::isnan(completed.error()));
  EXPECT_THAT(completed.checkpoint_id(), IsEmpty());
}

TEST_F(AgentTest, OnlyACheckpointOfTheLastEpochIsNamed) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               PrintEpoch(2), PrintDone()}));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().checkpoint_id(), IsEmpty());
}

TEST_F(AgentTest, OfTheCopiesOfOneJobTheNewestStays) {
  server_.Add(MakeScripted(
      1, {Step("checkpoint", "epoch 1"), PrintCheckpoint(1), Step("await", temp_.File("go")),
          Step("checkpoint", "epoch 2"), PrintCheckpoint(2), PrintDone()}));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return server_.checkpoints().stored().size() == 1; }));
  WriteFile(temp_.File("go"), "");
  const std::string id = AwaitFinal(1)[0].completed().checkpoint_id();
  EXPECT_EQ(Stored(id), "epoch 2");
  EXPECT_TRUE(Eventually([&] { return Checkpoints() == std::set<std::string>{id}; }));
}

TEST_F(AgentTest, FileThatWasOverwrittenBeforeItWasTakenHoldsTheLaterEpoch) {
  // Both lines are there when the worker comes to read, and one file. The upload is held until the
  // second line has been read, which the epoch behind it shows.
  std::atomic<bool> read_all = false;
  server_.set_on_report([&](const v1::ReportRequest& request, int) {
    if (request.progress().points_size() > 0) read_all = true;
    return std::optional<FakeServer::Answer>();
  });
  server_.checkpoints().set_on_upload([&](const v1::CheckpointHeader&, int) {
    return Eventually([&] { return read_all.load(); })
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::INTERNAL, "no point came");
  });
  server_.Add(MakeScripted(1, {Step("checkpoint", "epoch 2"),
                               Print("{\"checkpoint\":{\"epoch\":1}}\n"
                                     "{\"checkpoint\":{\"epoch\":2}}"),
                               PrintEpoch(2), PrintDone()}));
  StartAgent();
  const std::string id = AwaitFinal(1)[0].completed().checkpoint_id();
  EXPECT_THAT(id, StartsWith("ckpt-2-"));
  EXPECT_EQ(Stored(id), "epoch 2");
}

TEST_F(AgentTest, NonsenseAssignmentIsRefused) {
  v1::Assignment backwards = MakeAssignment(1);
  backwards.set_from_epoch(3);
  backwards.set_checkpoint_id("x");
  server_.Add(backwards);
  v1::Assignment from_nothing = MakeAssignment(2);
  from_nothing.set_from_epoch(1);
  server_.Add(from_nothing);
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  EXPECT_THAT(reports[0].failed().reason(), HasSubstr("from epoch 3 to 2"));
  EXPECT_THAT(reports[1].failed().reason(), HasSubstr("without a checkpoint_id"));
}

}  // namespace
}  // namespace halving
