// The agent and its server: heartbeats, outages, refusals, leaving.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/agent/agent_fixture.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using MaybeAnswer = std::optional<FakeServer::Answer>;

FakeServer::Answer Refusal(grpc::StatusCode code) { return {{code, "as the test says"}, {}}; }

v1::Assignment WithShortLease(v1::Assignment assignment) {
  assignment.mutable_lease()->set_seconds(0);
  assignment.mutable_lease()->set_nanos(600'000'000);  // So a heartbeat each 0.2 s.
  return assignment;
}

std::vector<int64_t> Epochs(const v1::ReportRequest& report) {
  std::vector<int64_t> epochs;
  for (const v1::CurvePoint& point : report.progress().points()) epochs.push_back(point.epoch());
  for (const v1::CurvePoint& point : report.completed().points()) epochs.push_back(point.epoch());
  return epochs;
}

class AgentServerTest : public AgentTest {
 protected:
  using AgentTest::AgentTest;

  // Of the trainer that ran ["save", saved].
  pid_t TrainerPid() {
    if (!AwaitFile(temp_.File("saved"))) return 0;
    return json::parse(ReadFile(temp_.File("saved"))).at("pid").get<pid_t>();
  }
  json Save() { return Step("save", temp_.File("saved")); }
  json Await(const std::string& name) { return Step("await", temp_.File(name)); }
  void Release(const std::string& name) { WriteFile(temp_.File(name), ""); }
};

TEST_F(AgentServerTest, LeaseIsRenewedWhileItTrains) {
  server_.Add(WithShortLease(MakeScripted(1, {Await("go"), PrintDone()})));
  StartAgent();
  EXPECT_TRUE(Eventually([&] { return server_.progress_reports().size() >= 3; }));
  Release("go");
  EXPECT_TRUE(AwaitFinal(1)[0].has_completed());
  const std::vector<v1::ReportRequest> reports = server_.reports();
  EXPECT_TRUE(reports.back().has_completed()) << "no progress after the final report";
  for (const v1::ReportRequest& report : reports) EXPECT_EQ(report.lease_id(), "lease-1");
}

TEST_F(AgentServerTest, FirstPointIsReportedSoonWhateverTheLease) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Await("go"), PrintDone()}));
  StartAgent();
  EXPECT_TRUE(Eventually([&] { return !server_.progress_reports().empty(); }, absl::Seconds(5)));
  EXPECT_THAT(Epochs(server_.progress_reports()[0]), ElementsAre(1));
  Release("go");
  EXPECT_THAT(Epochs(AwaitFinal(1)[0]), IsEmpty()) << "that point was acknowledged";
}

TEST_F(AgentServerTest, PointsAreSentUntilAcknowledged) {
  server_.set_on_report([](const v1::ReportRequest& request, int nth) -> MaybeAnswer {
    if (request.has_progress() && nth < 2) return Refusal(grpc::StatusCode::UNAVAILABLE);
    return std::nullopt;
  });
  server_.Add(WithShortLease(MakeScripted(1, {PrintEpoch(1), Await("go"), PrintDone()})));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return server_.progress_reports().size() >= 4; }));
  Release("go");
  AwaitFinal(1);
  const std::vector<v1::ReportRequest> reports = server_.progress_reports();
  for (const int nth : {0, 1, 2}) EXPECT_THAT(Epochs(reports[nth]), ElementsAre(1)) << nth;
  EXPECT_THAT(Epochs(reports[3]), IsEmpty());
}

TEST_F(AgentServerTest, RefusedProgressIsDroppedAndTheLeaseGoesOn) {
  server_.set_on_report([](const v1::ReportRequest& request, int nth) -> MaybeAnswer {
    if (nth == 0 && request.has_progress()) return Refusal(grpc::StatusCode::INVALID_ARGUMENT);
    return std::nullopt;
  });
  server_.Add(WithShortLease(MakeScripted(1, {PrintEpoch(1), Await("go"), PrintDone()})));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return server_.progress_reports().size() >= 2; }));
  EXPECT_THAT(Epochs(server_.progress_reports()[1]), IsEmpty());
  Release("go");
  EXPECT_TRUE(AwaitFinal(1)[0].has_completed());
}

TEST_F(AgentServerTest, CheckpointInsideARungIsReported) {
  server_.Add(WithShortLease(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"),
                                              PrintCheckpoint(1), Await("go"), PrintDone()})));
  StartAgent();
  std::string id;
  EXPECT_TRUE(Eventually([&] {
    for (const v1::ReportRequest& report : server_.progress_reports()) {
      if (report.progress().checkpoint_epoch() == 1) id = report.progress().checkpoint_id();
    }
    return !id.empty();
  }));
  EXPECT_EQ(Stored(id), "epoch 1");
  Release("go");
  AwaitFinal(1);
}

TEST_F(AgentServerTest, DirectiveStopKillsTheTrainerAndAsksForTheNext) {
  server_.set_on_report([](const v1::ReportRequest& request, int) -> MaybeAnswer {
    if (request.lease_id() != "lease-1") return std::nullopt;
    FakeServer::Answer stop;
    stop.response.set_directive(v1::DIRECTIVE_STOP);
    return stop;
  });
  server_.Add(WithShortLease(MakeScripted(1, {Save(), PrintEpoch(1), Step("hang")})));
  StartAgent();
  const pid_t trainer = TrainerPid();
  ASSERT_GT(trainer, 0);
  server_.Add(MakeAssignment(2));
  EXPECT_EQ(AwaitFinal(1)[0].lease_id(), "lease-2") << "nothing more is said of the first";
  EXPECT_TRUE(IsGoneSoon(trainer));
}

class LostLeaseTest : public AgentServerTest,
                      public testing::WithParamInterface<grpc::StatusCode> {};

TEST_P(LostLeaseTest, KillsTheTrainerAndDropsTheTrial) {
  server_.set_on_report([](const v1::ReportRequest& request, int) -> MaybeAnswer {
    if (request.lease_id() == "lease-1") return Refusal(GetParam());
    return std::nullopt;
  });
  server_.Add(WithShortLease(MakeScripted(1, {Save(), Step("ignore_sigterm"), Step("hang")})));
  StartAgent();
  const pid_t trainer = TrainerPid();
  ASSERT_GT(trainer, 0);
  server_.Add(MakeAssignment(2));
  EXPECT_EQ(AwaitFinal(1)[0].lease_id(), "lease-2");
  EXPECT_TRUE(IsGoneSoon(trainer)) << "by SIGKILL, since it ignores SIGTERM";
}

INSTANTIATE_TEST_SUITE_P(, LostLeaseTest,
                         testing::Values(grpc::StatusCode::FAILED_PRECONDITION,
                                         grpc::StatusCode::NOT_FOUND));

TEST_F(AgentServerTest, ResultIsSentAgainUntilItIsAnswered) {
  server_.set_on_report([](const v1::ReportRequest& request, int nth) -> MaybeAnswer {
    if (!request.has_completed() || request.lease_id() != "lease-1") return std::nullopt;
    const grpc::StatusCode codes[] = {
        grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::INTERNAL, grpc::StatusCode::UNKNOWN,
        grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::DEADLINE_EXCEEDED};
    if (nth < 5) return Refusal(codes[nth]);
    return std::nullopt;
  });
  v1::Assignment assignment = MakeScripted(1, {PrintDone()});
  server_.Add(assignment);
  server_.Add(MakeAssignment(2));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(7);
  for (int nth = 0; nth < 6; ++nth) {
    EXPECT_EQ(reports[nth].SerializeAsString(), reports[0].SerializeAsString()) << nth;
    EXPECT_EQ(reports[nth].next().request_id(), reports[0].next().request_id());
  }
  EXPECT_FALSE(reports[0].next().request_id().empty());
  EXPECT_EQ(reports[6].lease_id(), "lease-2");
}

class RefusedResultTest : public AgentServerTest,
                          public testing::WithParamInterface<grpc::StatusCode> {};

TEST_P(RefusedResultTest, IsDroppedAndTheSameAskMadeAgain) {
  server_.set_on_report([](const v1::ReportRequest& request, int) -> MaybeAnswer {
    if (request.lease_id() == "lease-1") return Refusal(GetParam());
    return std::nullopt;
  });
  server_.Add(MakeScripted(1, {PrintDone()}));
  StartAgent();
  const std::vector<v1::ReportRequest> refused = AwaitFinal(1);
  ASSERT_TRUE(AwaitAsks(2));
  // An earlier try of this report may have been answered with a trial that never arrived.
  EXPECT_EQ(server_.asks()[1].request_id(), refused[0].next().request_id());
  server_.Add(MakeAssignment(2));
  EXPECT_EQ(AwaitFinal(2)[1].lease_id(), "lease-2");
}

INSTANTIATE_TEST_SUITE_P(, RefusedResultTest,
                         testing::Values(grpc::StatusCode::FAILED_PRECONDITION,
                                         grpc::StatusCode::NOT_FOUND,
                                         grpc::StatusCode::ALREADY_EXISTS,
                                         grpc::StatusCode::INVALID_ARGUMENT));

class ServerIsAwayTest : public AgentServerTest {
 protected:
  ServerIsAwayTest() : AgentServerTest(/*server_started=*/false) {}
};

TEST_F(ServerIsAwayTest, WorkerWaitsForAServerThatStartsLater) {
  server_.Add(MakeAssignment(1));
  StartAgent();
  // Until the lock of its checkpoint folder says that it has begun.
  ASSERT_TRUE(Eventually([&] {
    return std::filesystem::exists(checkpoint_dir()) &&
           !std::filesystem::is_empty(checkpoint_dir());
  }));
  server_.Start();
  EXPECT_TRUE(AwaitFinal(1)[0].has_completed());
}

TEST_F(ServerIsAwayTest, LeavesWhileItWaitsForOne) {
  StartAgent();
  EXPECT_THAT(LeaveAndJoin(), IsOk());
}

TEST_F(AgentServerTest, TrainingGoesOnWhileTheServerRestarts) {
  server_.Add(WithShortLease(
      MakeScripted(1, {PrintEpoch(1), Await("go"), PrintEpoch(2), PrintDone(), Save()})));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return !server_.progress_reports().empty(); }));
  server_.Stop();
  Release("go");  // It ends while nobody listens.
  ASSERT_GT(TrainerPid(), 0);
  server_.Start();
  EXPECT_EQ(AwaitFinal(1)[0].completed().error(), 0.5);
  std::set<int64_t> epochs;  // The last one comes with the result, or by a beat before it.
  for (const v1::ReportRequest& report : server_.reports()) {
    for (const int64_t epoch : Epochs(report)) epochs.insert(epoch);
  }
  EXPECT_THAT(epochs, ElementsAre(1, 2));
}

TEST_F(AgentServerTest, LongAskIsMadeAgainWithTheSameIdAfterARestart) {
  StartAgent();
  ASSERT_TRUE(AwaitAsks(1));
  server_.Stop();
  server_.Start();
  server_.Add(MakeAssignment(1));
  EXPECT_TRUE(AwaitFinal(1)[0].has_completed());
  EXPECT_EQ(server_.asks()[1].request_id(), server_.asks()[0].request_id());
}

TEST_F(AgentServerTest, DrainingServerIsAskedAnewAfterAWhile) {
  server_.set_on_suggest([](const v1::SuggestRequest&, int nth, v1::SuggestResponse* response) {
    if (nth == 0) response->set_draining(true);
    return grpc::Status::OK;
  });
  StartAgent();
  ASSERT_TRUE(AwaitAsks(2));
  EXPECT_NE(server_.asks()[1].request_id(), server_.asks()[0].request_id());
  server_.Add(MakeAssignment(1));
  EXPECT_TRUE(AwaitFinal(1)[0].has_completed());
}

TEST_F(AgentServerTest, RetryAfterIsHonouredAndCanBeInterrupted) {
  server_.set_on_suggest([](const v1::SuggestRequest&, int, v1::SuggestResponse* response) {
    response->mutable_retry_after()->set_seconds(3600);
    return grpc::Status::OK;
  });
  StartAgent();
  ASSERT_TRUE(AwaitAsks(1));
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  EXPECT_EQ(server_.asks().size(), 1U);
}

class RefusedWorkerTest : public AgentServerTest,
                          public testing::WithParamInterface<grpc::StatusCode> {};

TEST_P(RefusedWorkerTest, EndsWithTheServersMessage) {
  server_.set_on_suggest([](const v1::SuggestRequest&, int, v1::SuggestResponse*) {
    return grpc::Status(GetParam(), "another process took the name over");
  });
  StartAgent();
  const absl::Status status = Join();
  EXPECT_EQ(static_cast<int>(status.code()), static_cast<int>(GetParam()));
  EXPECT_THAT(status.ToString(), HasSubstr("refuses worker w: another process took the name over"));
}

INSTANTIATE_TEST_SUITE_P(, RefusedWorkerTest,
                         testing::Values(grpc::StatusCode::FAILED_PRECONDITION,
                                         grpc::StatusCode::INVALID_ARGUMENT,
                                         grpc::StatusCode::UNIMPLEMENTED));

TEST_F(AgentServerTest, LeavesWhenThereWasNoWorkForMaxIdle) {
  max_idle_ = absl::Milliseconds(300);
  server_.Add(MakeAssignment(1));
  StartAgent();
  EXPECT_THAT(Join(), IsOk());
  EXPECT_EQ(server_.final_reports().size(), 1U);
}

TEST_F(AgentServerTest, WorkThatComesEndsTheIdleTime) {
  max_idle_ = absl::Hours(1);
  StartAgent();
  EXPECT_TRUE(AwaitAsks(2)) << "one that is answered at once, and one that waits";
  EXPECT_EQ(server_.asks()[0].wait().seconds(), 0);
  EXPECT_EQ(server_.asks()[1].wait().seconds(), 20);
  server_.Add(MakeAssignment(1));
  AwaitFinal(1);
  EXPECT_TRUE(AwaitAsks(3)) << "it has not left";
  EXPECT_THAT(LeaveAndJoin(), IsOk());
}

TEST_F(AgentServerTest, ADrainingServerDoesNotCountAsIdleTime) {
  max_idle_ = absl::Nanoseconds(1);
  server_.set_on_suggest([](const v1::SuggestRequest&, int nth, v1::SuggestResponse* response) {
    response->set_draining(nth == 0);
    response->mutable_retry_after()->set_nanos(1);
    return grpc::Status::OK;
  });
  StartAgent();
  EXPECT_THAT(Join(), IsOk());
  EXPECT_EQ(server_.asks().size(), 2U);
}

TEST_F(AgentServerTest, LeavingInALongAskIsQuick) {
  StartAgent();
  ASSERT_TRUE(AwaitAsks(1));
  const absl::Time start = Clock::Real()->Now();
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  EXPECT_LT(Clock::Real()->Now() - start, absl::Seconds(10)) << "and not the 20 s of the ask";
}

TEST_F(AgentServerTest, TrialThatTheServerGaveJustWhenTheWorkerLeftIsGivenBack) {
  // The answer to the first ask is lost: it waits until the agent has cut it off and asked again.
  server_.set_on_suggest([this](const v1::SuggestRequest&, int nth, v1::SuggestResponse*) {
    if (nth == 0) leave_.Request("worker is leaving (test)");
    if (nth == 1) server_.AddFromHook(MakeAssignment(1));
    return grpc::Status::OK;
  });
  StartAgent();
  EXPECT_THAT(Join(), IsOk());
  const std::vector<v1::SuggestRequest> asks = server_.asks();
  ASSERT_EQ(asks.size(), 2U);
  EXPECT_EQ(asks[1].request_id(), asks[0].request_id());
  EXPECT_FALSE(asks[1].has_wait());
  const std::vector<v1::ReportRequest> reports = server_.final_reports();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].returned().reason(), "worker is leaving (test)");
}

TEST_F(AgentServerTest, LeavingGivesTheTrialBackWithItsCheckpoint) {
  server_.Add(MakeScripted(
      1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1), Save(), Step("hang")}));
  StartAgent();
  const pid_t trainer = TrainerPid();
  ASSERT_GT(trainer, 0);
  ASSERT_TRUE(Eventually([&] { return !Checkpoints().empty(); }));
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  EXPECT_TRUE(IsGoneSoon(trainer));
  const std::vector<v1::ReportRequest> reports = AwaitFinal(1);
  EXPECT_EQ(reports[0].returned().reason(), "worker is leaving (test)");
  EXPECT_FALSE(reports[0].has_next());
  EXPECT_EQ(server_.progress_reports().back().progress().checkpoint_epoch(), 1);
  EXPECT_EQ(Checkpoints().size(), 1U);
}

TEST_F(AgentServerTest, LeavingDeliversAFinishedResult) {
  server_.set_on_report([this](const v1::ReportRequest& request, int) -> MaybeAnswer {
    if (!request.has_completed() || leave_.requested()) return std::nullopt;
    return Refusal(grpc::StatusCode::UNAVAILABLE);
  });
  server_.Add(MakeScripted(1, {PrintDone()}));
  StartAgent();
  AwaitFinal(1);
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  const std::vector<v1::ReportRequest> reports = server_.final_reports();
  EXPECT_GE(reports.size(), 2U);
  EXPECT_EQ(reports.back().SerializeAsString(), reports.front().SerializeAsString());
}

TEST_F(AgentServerTest, LeavingGivesUpAfterTheGrace) {
  server_.set_on_report([](const v1::ReportRequest&, int) -> MaybeAnswer {
    return Refusal(grpc::StatusCode::UNAVAILABLE);
  });
  server_.Add(MakeScripted(1, {PrintDone()}));
  StartAgent(absl::Milliseconds(300));
  AwaitFinal(1);
  EXPECT_THAT(LeaveAndJoin(), IsOk());
}

TEST_F(AgentServerTest, TrialThatComesWithTheLastReportIsGivenBack) {
  server_.set_on_report([this](const v1::ReportRequest& request, int) -> MaybeAnswer {
    if (request.has_completed()) leave_.Request("worker is leaving (test)");
    return std::nullopt;
  });
  server_.Add(MakeScripted(1, {PrintDone()}));
  server_.Add(MakeAssignment(2));
  StartAgent();
  EXPECT_THAT(Join(), IsOk());
  const std::vector<v1::ReportRequest> reports = server_.final_reports();
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[1].lease_id(), "lease-2");
  EXPECT_EQ(reports[1].returned().reason(), "worker is leaving (test)");
}

}  // namespace
}  // namespace halving
