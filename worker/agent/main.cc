// halving-worker: trains the trials that a halving-server hands out. See README.md.
#include <grpc/grpc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/chunk_memory.h"
#include "common/crypto.h"
#include "common/log.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/agent/agent.h"
#include "worker/agent/check_trainer.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/flags.h"
#include "worker/agent/gpus.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/signal_watcher.h"
#include "worker/agent/supervisor.h"
#include "worker/agent/trainer.h"
#include "worker/agent/trainer_guard.h"

namespace halving {
namespace {

constexpr int kRefused = 1;   // By the server; or a check found something wrong.
constexpr int kUnusable = 2;  // Flags, device, trainer or checkpoint folder.
// Of a trainer whose work is dropped; less when the worker itself has less.
constexpr absl::Duration kStopGrace = absl::Seconds(5);

Trainer::Options TrainerOptions(const Flags& flags, const HostFacts& facts,
                                const TrainerDevice& device) {
  return {.process = {.guard = facts.program,
                      .command = flags.trainer,
                      .environment = TrainerEnvironment(flags, device)},
          .silence_limit = flags.trainer_timeout,
          .stop_grace = std::min(kStopGrace, flags.grace / 2),
          .leave_grace = flags.grace / 2};
}

// Tells the copies of one server's checkpoints from another's.
std::string ServerTag(const std::string& address) {
  return absl::BytesToHexString(Sha256(address).substr(0, 4));
}

int Serve(const Flags& flags, const HostFacts& facts, const TrainerDevice& device, Leave* leave) {
  const absl::StatusOr<std::shared_ptr<ServerLink>> link =
      ServerLink::Make(flags.server, flags.link);
  if (!link.ok()) {
    spdlog::error("{}", std::string(link.status().message()));
    return kUnusable;
  }
  absl::StatusOr<std::unique_ptr<CheckpointDir>> checkpoints =
      CheckpointDir::Open(flags.checkpoint_dir, ServerTag(flags.server));
  if (!checkpoints.ok()) {
    spdlog::error("{}", std::string(checkpoints.status().message()));
    return kUnusable;
  }
  Trainer trainer(TrainerOptions(flags, facts, device));
  // Kept for good: with its last user gone, gRPC would clean up, and wait 10 s for a connection
  // that is just being made.
  grpc_init();
  ServerClient client(**link);
  CheckpointClient transfers(**link);
  Agent agent({.worker_id = flags.id,
               .host = facts.host,
               .device = device.shown,
               .objectives = flags.objectives,
               .grace = flags.grace,
               .max_jobs = flags.max_jobs,
               .checkpoint_interval = flags.checkpoint_interval},
              &client, &trainer, checkpoints->get(), &transfers, leave);
  spdlog::info("worker {} on {} with {} threads, server {}, checkpoints in {}", flags.id,
               device.shown, flags.threads, flags.server, (*checkpoints)->path());
  if (const absl::Status s = agent.Run(); !s.ok()) {
    spdlog::error("{}", std::string(s.message()));
    return kRefused;
  }
  spdlog::info("worker {} has left", flags.id);
  return 0;
}

int Unusable(const absl::Status& why) {
  std::cerr << "halving-worker: " << why.message() << "\n";
  return kUnusable;
}

// One worker on `flags`, whose device is known.
int ServeOne(const Flags& given, const HostFacts& facts, const VisibleGpus& gpus) {
  const absl::StatusOr<Flags> flags = ResolveFlags(given, facts);
  if (!flags.ok()) return Unusable(flags.status());
  const absl::StatusOr<TrainerDevice> device = ChooseDevice(flags->device, gpus);
  if (!device.ok()) return Unusable(device.status());
  Leave leave;
  const SignalWatcher watcher(&leave);  // Before gRPC and the rest start their threads.
  absl::StatusOr<std::unique_ptr<SupervisorWatch>> supervisor;
  if (given.is_supervised) {
    supervisor = SupervisorWatch::Start(&leave);
    if (!supervisor.ok()) return Unusable(supervisor.status());
  }
  return Serve(*flags, facts, *device, &leave);
}

// A worker for each GPU, as processes of their own.
int ServeAll(const Flags& given, const HostFacts& facts, size_t gpus,
             std::vector<std::string> arguments) {
  arguments[0] = facts.program;  // Whatever we were called, and wherever.
  Supervisor::Options options;
  for (size_t i = 0; i < gpus; ++i) {
    const std::string device = absl::StrCat("cuda:", i);
    options.programs.push_back({device, SupervisedArguments(arguments, device, given.id,
                                                            given.workers_on_host > 0, gpus)});
  }
  return Supervisor(std::move(options)).Run();
}

// The device of one process.
std::string FirstDevice(const VisibleGpus& visible) {
  return visible.nvidia_smi.ok() && !visible.gpus.empty() ? "cuda:0" : "cpu";
}

int ServeAuto(Flags given, const HostFacts& facts, const VisibleGpus& visible,
              std::vector<std::string> arguments) {
  const absl::Status& why = visible.nvidia_smi;
  if (why.ok() && visible.gpus.size() > 1) {
    return ServeAll(given, facts, visible.gpus.size(), std::move(arguments));
  }
  if (absl::IsNotFound(why))
    spdlog::info("--device auto: no GPU, since {}", std::string(why.message()));
  if (!why.ok() && !absl::IsNotFound(why)) {
    spdlog::warn("--device auto: training on the CPU, since {}", std::string(why.message()));
  }
  given.device = FirstDevice(visible);
  return ServeOne(given, facts, visible);
}

int Check(Flags given, const HostFacts& facts, const VisibleGpus& visible) {
  if (given.device == kAutoDevice) given.device = FirstDevice(visible);
  const absl::StatusOr<Flags> flags = ResolveFlags(std::move(given), facts);
  if (!flags.ok()) return Unusable(flags.status());
  const absl::StatusOr<TrainerDevice> device = ChooseDevice(flags->device, visible);
  if (!device.ok()) return Unusable(device.status());
  Leave leave;
  const SignalWatcher watcher(&leave);
  CheckTrainerOptions options = {.trainer = TrainerOptions(*flags, facts, *device),
                                 .objective = flags->check.objective,
                                 .config = flags->check.config,
                                 .objective_options = flags->check.options,
                                 .epochs = flags->check.epochs};
  if (options.objective.empty()) {
    options.objective = flags->objectives.empty() ? "check-trainer" : flags->objectives[0];
  }
  const absl::StatusOr<int> wrong = CheckTrainer(options, leave.event(), std::cout);
  if (absl::IsInvalidArgument(wrong.status())) return Unusable(wrong.status());
  if (!wrong.ok()) {
    std::cerr << "halving-worker: " << wrong.status().message() << "\n";
    return kRefused;
  }
  return *wrong == 0 ? 0 : kRefused;
}

int Main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], kExecTrainerFlag) == 0) return RunTrainerGuard(argv[2]);
  Flags given;
  if (const std::optional<int> status = ParseFlags(argc, argv, &given); status.has_value()) {
    return *status;
  }
  KeepMemoryOfChunks();
  signal(SIGPIPE, SIG_IGN);  // A trainer that is gone is told by write(), not by a signal.
  signal(SIGCHLD, SIG_DFL);  // Ignored, it would take our child's exit status away.
  // Of what a trainer prints, a check shows only what its findings quote.
  const std::string log_level = given.check.is_asked_for ? "error" : given.log_level;
  if (const absl::Status log = InitLog(log_level); !log.ok()) return Unusable(log);
  const absl::StatusOr<HostFacts> facts = HostFacts::Read();
  if (!facts.ok()) return Unusable(facts.status());
  const bool needs_gpus = given.device == kAutoDevice || absl::StartsWith(given.device, "cuda");
  const VisibleGpus visible = needs_gpus ? VisibleGpus::Read() : VisibleGpus();
  if (given.check.is_asked_for) return Check(std::move(given), *facts, visible);
  if (given.device != kAutoDevice) return ServeOne(given, *facts, visible);
  return ServeAuto(std::move(given), *facts, visible, {argv, argv + argc});
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  const int status = halving::Main(argc, argv);
  spdlog::shutdown();
  std::cout.flush();
  _exit(status);  // Past the static destructors, gRPC's among them.
}
