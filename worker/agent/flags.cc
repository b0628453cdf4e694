#include "worker/agent/flags.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <system_error>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/duration_flag.h"
#include "common/link_flags.h"
#include "common/server_address.h"
#include "common/status.h"
#include "common/version.h"
#include "worker/agent/supervisor.h"

namespace halving {
namespace {

constexpr int kUsageError = 2;
constexpr size_t kMaxIdBytes = 128;
constexpr char kConfigVariable[] = "HALVING_WORKER_CONFIG";
constexpr char kBuiltInTrainer[] = "halving-trainer";
constexpr const char* kBuiltInObjectives[] = {"lenet", "mlp", "resnet8"};

constexpr char kExamples[] = R"(Examples:
  halving-worker --server 10.0.0.5:7070 --device auto
      serves the built-in objectives on every GPU of this machine, or on its CPU if it has none
  halving-worker --server 10.0.0.5:7070 --device cuda:0
      does so on the first GPU that CUDA_VISIBLE_DEVICES allows, or else that nvidia-smi lists
  halving-worker --trainer "python3 train.py" --objectives resnet
      trains with a program of yours, which reads jobs from stdin and writes JSON lines
  HALVING_SERVER=10.0.0.5:7070 halving-worker --workers-on-host 4 --config worker.toml
      takes what the command line does not say from worker.toml, then from the environment
  halving-worker check-trainer --trainer "python3 train.py" --config '{"learning_rate":0.1}'
      tries a program of yours on small jobs, without a server, and says what it gets wrong

SIGTERM gives the running trial back and leaves; a second one ends at once.

Exit codes: 0 left; 1 the server refused the worker; 2 flags, device, trainer or checkpoint folder;
128 + N ended at once by a second signal N. Of several GPUs with --device auto, the largest.)";

constexpr char kCheckExamples[] = R"(Example:
  halving-worker check-trainer --trainer "python3 train.py" --config '{"learning_rate":0.1}'
      trains 2 epochs, goes on from the checkpoint to 4, trains 4 at once, and so on; then says for
      each rule of docs/trainers.md "ok", "note" (it works, but loses something) or "WRONG"

Exit codes: 0 nothing is wrong; 1 something is, or a signal came; 2 flags or device.)";

// "cpu", "cuda:0", or another name that a trainer knows.
std::string CheckDevice(const std::string& device) {
  if (device == kAutoDevice) return "";
  const size_t colon = device.find(':');
  const std::string kind = device.substr(0, colon);
  const std::string number = colon == std::string::npos ? "0" : device.substr(colon + 1);
  const bool is_good = !kind.empty() && kind != kAutoDevice && !number.empty() &&
                       number.size() <= 4 &&
                       std::all_of(kind.begin(), kind.end(), absl::ascii_islower) &&
                       std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
  return is_good ? "" : "\"" + device + "\" is not a device; give cpu, cuda:N or auto";
}

void AddDeviceFlag(CLI::App* app, std::string* device, const std::string& what) {
  app->add_option("--device", *device, what)
      ->envname("HALVING_DEVICE")
      ->check(CLI::Validator(CheckDevice, ""));
}

void AddThreadsFlag(CLI::App* app, int* threads, const std::string& what) {
  app->add_option("--threads", *threads, what)
      ->envname("HALVING_THREADS")
      ->check(CLI::Range(1, 4096));
}

void AddTrainerFlag(CLI::App* app, std::string* trainer) {
  app->add_option("--trainer", *trainer,
                  "Command line of the training program, run by sh [halving-trainer beside this "
                  "program]")
      ->envname("HALVING_TRAINER");
}

void AddPlaceFlags(CLI::App* app, Flags* flags) {
  app->add_option("--server", flags->server, "Where the server listens, host:port")
      ->envname("HALVING_SERVER")
      ->capture_default_str();
  AddLinkFlags(app, &flags->link);
  app->add_option("--id", flags->id,
                  "Name of this worker, one per process [<host>:<device>, or <host>:cpu:<pid>]")
      ->envname("HALVING_WORKER_ID");
  AddDeviceFlag(app, &flags->device,
                "cpu; cuda:N, the trainer's cuda:0; or auto, a worker for each GPU [cpu]");
  app->add_option("--checkpoint-dir", flags->checkpoint_dir,
                  "Folder for checkpoints, shared by the workers of this machine; the server's own "
                  "one, on a file system that both see, spares sending the bytes")
      ->envname("HALVING_CHECKPOINT_DIR")
      ->capture_default_str();
  AddThreadsFlag(app, &flags->threads,
                 "Threads for the trainer [the machine's cores / workers-on-host]");
  app->add_option("--workers-on-host", flags->workers_on_host,
                  "Workers that share this machine [1; the GPUs with --device auto]")
      ->envname("HALVING_WORKERS_ON_HOST")
      ->check(CLI::Range(1, 4096));
  app->add_flag(kSupervisedFlag, flags->is_supervised)->group("")->configurable(false);
}

void AddTrainerFlags(CLI::App* app, Flags* flags) {
  AddTrainerFlag(app, &flags->trainer);
  app->add_option(
         "--objectives", flags->objectives,
         "Objectives to serve, separated by commas [those of the built-in trainer; any with "
         "--trainer]")
      ->envname("HALVING_OBJECTIVES")
      ->delimiter(',')
      ->type_name("NAME,...");
  AddDuration(app, "--checkpoint-interval", &flags->checkpoint_interval,
              "How often a trainer is asked to save what it has, between epochs")
      ->envname("HALVING_CHECKPOINT_INTERVAL");
  AddDuration(app, "--trainer-timeout", &flags->trainer_timeout,
              "A trainer that prints nothing for this long is stopped")
      ->envname("HALVING_TRAINER_TIMEOUT");
}

void AddOtherFlags(CLI::App* app, Flags* flags) {
  AddDuration(app, "--grace", &flags->grace,
              "Time to leave in after SIGTERM; the trainer has half of it to end its epoch")
      ->envname("HALVING_GRACE");
  app->add_option("--max-jobs", flags->max_jobs, "Leave after so many jobs; 0 for no limit")
      ->envname("HALVING_MAX_JOBS")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  app->add_option("--log-level", flags->log_level, "How much to log")
      ->envname("HALVING_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  const char* config = std::getenv(kConfigVariable);
  app->set_config("--config", config == nullptr ? "" : config,
                  "File with lines such as device = \"cuda:0\" (Env:HALVING_WORKER_CONFIG)",
                  /*config_required=*/config != nullptr);
  app->allow_config_extras(false);  // A misspelt line must not go unnoticed.
  app->set_version_flag("--version", absl::StrCat("halving-worker ", kVersion));
}

void AddCheckCommand(CLI::App* app, Flags* flags) {
  CLI::App* command = app->add_subcommand(
      "check-trainer", "Tries a trainer on small jobs, without a server, and says what is wrong");
  command->footer(kCheckExamples);
  // The environment speaks to a command that is not there, too; hence variables of its own.
  command->callback([flags] {
    CheckFlags& check = flags->check;
    check.is_asked_for = true;
    if (!check.trainer.empty()) flags->trainer = check.trainer;
    if (!check.device.empty()) flags->device = check.device;
    if (check.threads > 0) flags->threads = check.threads;
    flags->trainer_timeout = check.trainer_timeout;
  });
  AddTrainerFlag(command, &flags->check.trainer);
  command->add_option("--objective", flags->check.objective, "What the jobs say to train");
  command->add_option("--config", flags->check.config, "Hyper-parameters of the jobs, as JSON")
      ->type_name("JSON")
      ->capture_default_str();
  command->add_option("--options", flags->check.options, "The study's objective_options, as JSON")
      ->type_name("JSON")
      ->capture_default_str();
  command->add_option("--epochs", flags->check.epochs, "Of the first job; some take twice that")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  AddDeviceFlag(command, &flags->check.device,
                "cpu; cuda:N, the trainer's cuda:0; or auto, the first GPU [cpu]");
  AddThreadsFlag(command, &flags->check.threads, "Threads for the trainer [the machine's cores]");
  AddDuration(command, "--trainer-timeout", &flags->check.trainer_timeout,
              "A trainer that prints nothing for this long is stopped");
}

// For sh -c.
std::string ShellQuoted(const std::string& path) {
  return absl::StrCat("'", absl::StrReplaceAll(path, {{"'", "'\\''"}}), "'");
}

absl::StatusOr<std::string> BuiltInTrainer(const std::string& program) {
  const std::filesystem::path path =
      std::filesystem::path(program).replace_filename(kBuiltInTrainer);
  if (access(path.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the built-in trainer ", path.string(), " cannot be run: ", std::strerror(errno),
        "; install it beside halving-worker, or give a program of yours with --trainer"));
  }
  return absl::StrCat("exec ", ShellQuoted(path.string()));
}

}  // namespace

absl::StatusOr<HostFacts> HostFacts::Read() {
  HostFacts facts;
  char host[HOST_NAME_MAX + 1] = {};
  facts.host = gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0' ? host : "localhost";
  facts.pid = getpid();
  facts.cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::error_code error;
  facts.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat(
        "/proc/self/exe: ", error.message(), "; the worker starts its trainer through it"));
  }
  return facts;
}

std::optional<int> ParseFlags(int argc, const char* const* argv, Flags* flags) {
  try {
    CLI::App app("Trains the trials that a halving-server hands out, one after another.",
                 "halving-worker");
    app.footer(kExamples);
    AddPlaceFlags(&app, flags);
    AddTrainerFlags(&app, flags);
    AddOtherFlags(&app, flags);
    AddCheckCommand(&app, flags);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : kUsageError;
    }
  } catch (const std::exception& error) {
    std::cerr << "halving-worker: " << error.what() << "\n";
    return kUsageError;
  }
  return std::nullopt;
}

std::string SafeWorkerId(absl::string_view id) {
  std::string safe(id.substr(0, kMaxIdBytes));
  for (char& c : safe) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '.' && c != ':' && c != '-') c = '-';
  }
  return safe.empty() ? "-" : safe;
}

absl::StatusOr<Flags> ResolveFlags(Flags flags, const HostFacts& facts) {
  HV_ASSIGN_OR_RETURN(flags.server, NormalizeServer(flags.server));
  if (flags.device != "cpu" && flags.device.find(':') == std::string::npos) {
    absl::StrAppend(&flags.device, ":0");
  }
  if (flags.id.empty()) {
    flags.id = flags.device == "cpu" ? absl::StrCat(facts.host, ":cpu:", facts.pid)
                                     : absl::StrCat(facts.host, ":", flags.device);
  }
  flags.id = SafeWorkerId(flags.id);
  if (flags.workers_on_host == 0) flags.workers_on_host = 1;
  if (flags.threads == 0) flags.threads = std::max(1, facts.cores / flags.workers_on_host);
  if (flags.trainer.empty()) {
    if (flags.device != "cpu" && !absl::StartsWith(flags.device, "cuda:")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--device is \"", flags.device, "\"; the built-in trainer knows cpu and cuda:N"));
    }
    HV_ASSIGN_OR_RETURN(flags.trainer, BuiltInTrainer(facts.program));
    if (flags.objectives.empty()) {
      flags.objectives.assign(std::begin(kBuiltInObjectives), std::end(kBuiltInObjectives));
    }
  }
  return flags;
}

std::vector<std::string> TrainerEnvironment(const Flags& flags, const TrainerDevice& device) {
  std::vector<std::string> environment = device.environment;
  for (const char* name : {"HALVING_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) {
    environment.push_back(absl::StrCat(name, "=", flags.threads));
  }
  return environment;
}

}  // namespace halving
