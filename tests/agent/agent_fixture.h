// AgentTest: an agent on a thread of its own, between a fake server and a fake trainer.
#ifndef HALVING_TESTS_AGENT_AGENT_FIXTURE_H_
#define HALVING_TESTS_AGENT_AGENT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/agent/assignments.h"
#include "tests/agent/fake_server.h"
#include "tests/agent/test_util.h"
#include "worker/agent/agent.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/trainer.h"

namespace halving {

class AgentTest : public testing::Test {
 protected:
  explicit AgentTest(bool server_started = true) : server_(server_started) {
    signal(SIGPIPE, SIG_IGN);
  }
  ~AgentTest() override {
    leave_.Request("the test is over");
    if (thread_.joinable()) thread_.join();
  }

  void StartAgent(absl::Duration grace = absl::Seconds(10),
                  const std::string& trainer = "exec " FAKE_TRAINER) {
    thread_ = std::thread([this, grace, trainer] {
      absl::StatusOr<std::unique_ptr<CheckpointDir>> checkpoints =
          CheckpointDir::Open(checkpoint_dir(), "tag");
      if (!checkpoints.ok()) {
        result_ = checkpoints.status();
        return;
      }
      const ServerLink link(server_.address());
      ServerClient client(link);
      CheckpointClient transfers(link);
      Trainer program({.process = {.guard = HALVING_WORKER, .command = trainer},
                       .silence_limit = kTestTimeout,
                       .stop_grace = absl::Seconds(1)});
      Agent agent({.worker_id = "w",
                   .host = "box",
                   .device = "cpu",
                   .objectives = {"fake"},
                   .grace = grace},
                  &client, &program, checkpoints->get(), &transfers, &leave_);
      result_ = agent.Run();
    });
  }

  // Asks the agent to leave, and returns what it ends with.
  absl::Status LeaveAndJoin() {
    leave_.Request("worker is leaving (test)");
    return Join();
  }
  absl::Status Join() {
    thread_.join();
    return result_;
  }

  // The final reports, once there are `count`.
  std::vector<v1::ReportRequest> AwaitFinal(size_t count) {
    EXPECT_TRUE(Eventually([&] { return server_.final_reports().size() >= count; }))
        << server_.final_reports().size() << " final reports, not " << count;
    std::vector<v1::ReportRequest> reports = server_.final_reports();
    reports.resize(std::max(reports.size(), count));
    return reports;
  }
  bool AwaitAsks(size_t count) {
    return Eventually([&] { return server_.asks().size() >= count; });
  }
  bool AwaitFile(const std::string& path) {
    return Eventually([&] { return std::filesystem::exists(path); });
  }

  std::string checkpoint_dir() const { return temp_.File("ckpt"); }

  // What the server has under that id.
  std::string Stored(const std::string& id) {
    const auto stored = server_.checkpoints().stored();
    const auto found = stored.find(id);
    return found == stored.end() ? "nothing under " + id : found->second.content;
  }
  // An assignment that goes on from a checkpoint of the server's.
  v1::Assignment MakePromoted(int64_t trial_id, int64_t from, int64_t to, const std::string& id) {
    v1::Assignment assignment = MakeAssignment(trial_id);
    assignment.set_lease_id(absl::StrCat("lease-", trial_id, "-", to));
    assignment.set_from_epoch(from);
    assignment.set_to_epoch(to);
    assignment.set_checkpoint_id(id);
    return assignment;
  }

  // The ids of what lies in the checkpoint folder and is not hidden.
  std::set<std::string> Checkpoints() const {
    std::set<std::string> ids;
    for (const auto& entry : std::filesystem::directory_iterator(checkpoint_dir())) {
      const std::string name = entry.path().filename().string();
      if (name[0] != '.') ids.insert(name.substr(0, name.find("@tag")));
    }
    return ids;
  }

  TempDir temp_;
  FakeServer server_;
  Leave leave_;
  absl::Status result_;  // Of Run(), after thread_ has ended.
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_TESTS_AGENT_AGENT_FIXTURE_H_
