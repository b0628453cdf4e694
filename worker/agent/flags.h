// The worker's flags: from the command line, the environment and a config file.
#ifndef HALVING_WORKER_AGENT_FLAGS_H_
#define HALVING_WORKER_AGENT_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/server_link.h"
#include "worker/agent/gpus.h"

namespace halving {

// As many workers as there are GPUs, or one on the CPU.
inline constexpr char kAutoDevice[] = "auto";

// What is given behind `halving-worker check-trainer`; ParseFlags() has put what the worker has
// too, such as the trainer, into its Flags.
struct CheckFlags {
  bool is_asked_for = false;
  std::string trainer;
  std::string device;
  int threads = 0;
  std::string objective;       // Empty: the first of the trainer's, or a name of ours.
  std::string config = "{}";   // JSON.
  std::string options = "{}";  // JSON.
  int64_t epochs = 2;
  // Shorter than the worker's: somebody sits there and waits.
  absl::Duration trainer_timeout = absl::Minutes(5);
};

// As given; empty or zero where a default depends on the machine.
struct Flags {
  std::string server = "127.0.0.1:7070";
  LinkOptions link;
  std::string id;
  std::string device = "cpu";  // "auto" until the GPUs were counted.
  std::string trainer;
  std::vector<std::string> objectives;
  std::string checkpoint_dir = "./halving-checkpoints";
  int threads = 0;
  int workers_on_host = 0;
  absl::Duration checkpoint_interval = absl::Minutes(1);
  absl::Duration trainer_timeout = absl::Minutes(30);
  absl::Duration grace = absl::Seconds(25);
  int64_t max_jobs = 0;
  std::string log_level = "info";
  bool is_supervised = false;  // See supervisor.h.
  CheckFlags check;
};

// What the defaults depend on.
struct HostFacts {
  std::string host;
  int64_t pid = 0;
  int cores = 1;
  std::string program;  // Path of this executable.

  static absl::StatusOr<HostFacts> Read();
};

// Parses argv. A value: end with this exit status, all is printed (--help, --version, an error).
std::optional<int> ParseFlags(int argc, const char* const* argv, Flags* flags);

// Fills in the defaults; the device is no longer "auto". FAILED_PRECONDITION when there is no
// trainer to run.
absl::StatusOr<Flags> ResolveFlags(Flags flags, const HostFacts& facts);

// What the trainer finds in its environment, as "NAME=value". `flags` are resolved.
std::vector<std::string> TrainerEnvironment(const Flags& flags, const TrainerDevice& device);

// `id` with every character but [A-Za-z0-9_.:-] made a dash, at most 128 of them, at least one.
std::string SafeWorkerId(absl::string_view id);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_FLAGS_H_
