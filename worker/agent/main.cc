// halving-worker: trains the trials that a halving-server hands out. See README.md.
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "common/log.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/agent/agent.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/flags.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/signal_watcher.h"
#include "worker/agent/trainer.h"
#include "worker/agent/trainer_guard.h"

namespace halving {
namespace {

constexpr int kRefused = 1;   // By the server.
constexpr int kUnusable = 2;  // Flags, trainer or checkpoint folder.
// Of a trainer whose work is dropped; less when the worker itself has less.
constexpr absl::Duration kStopGrace = absl::Seconds(5);

int Serve(const Flags& flags, const HostFacts& facts, Leave* leave) {
  absl::StatusOr<std::unique_ptr<CheckpointDir>> checkpoints =
      CheckpointDir::Open(flags.checkpoint_dir);
  if (!checkpoints.ok()) {
    spdlog::error("{}", std::string(checkpoints.status().message()));
    return kUnusable;
  }
  Trainer trainer({.process = {.guard = facts.program,
                               .command = flags.trainer,
                               .environment = TrainerEnvironment(flags)},
                   .silence_limit = flags.trainer_timeout,
                   .stop_grace = std::min(kStopGrace, flags.grace / 2),
                   .leave_grace = flags.grace / 2});
  ServerClient client(flags.server);
  Agent agent({.worker_id = flags.id,
               .host = facts.host,
               .device = flags.device,
               .objectives = flags.objectives,
               .grace = flags.grace,
               .max_jobs = flags.max_jobs},
              &client, &trainer, checkpoints->get(), leave);
  spdlog::info("worker {} on {} with {} threads, server {}, checkpoints in {}", flags.id,
               flags.device, flags.threads, flags.server, (*checkpoints)->path());
  if (const absl::Status s = agent.Run(); !s.ok()) {
    spdlog::error("{}", std::string(s.message()));
    return kRefused;
  }
  spdlog::info("worker {} has left", flags.id);
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], kExecTrainerFlag) == 0) return RunTrainerGuard(argv[2]);
  Flags given;
  if (const std::optional<int> status = ParseFlags(argc, argv, &given); status.has_value()) {
    return *status;
  }
  signal(SIGPIPE, SIG_IGN);  // A trainer that is gone is told by write(), not by a signal.
  signal(SIGCHLD, SIG_DFL);  // Ignored, it would take our child's exit status away.
  const absl::Status log = InitLog(given.log_level);
  const absl::StatusOr<HostFacts> facts = HostFacts::Read();
  const absl::StatusOr<Flags> flags =
      facts.ok() ? ResolveFlags(given, *facts) : absl::StatusOr<Flags>(facts.status());
  if (!log.ok() || !flags.ok()) {
    std::cerr << "halving-worker: " << (log.ok() ? flags.status() : log).message() << "\n";
    return kUnusable;
  }
  Leave leave;
  const SignalWatcher watcher(&leave);  // Before gRPC and the rest start their threads.
  return Serve(*flags, *facts, &leave);
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Main(argc, argv); }
