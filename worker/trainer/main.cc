// halving-trainer: trains on LibTorch what JSON lines on standard input ask for.

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/build_info.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/status.h"
#include "common/version.h"
#include "spdlog/spdlog.h"
#include "worker/trainer/job_runner.h"
#include "worker/trainer/line_reader.h"
#include "worker/trainer/line_writer.h"
#include "worker/trainer/objectives.h"
#include "worker/trainer/stop_signal.h"
#include "worker/trainer/torch_runtime.h"

namespace halving {
namespace {

constexpr char kDescription[] =
    "Trains what JSON lines on standard input ask for, one job at a time, and writes what came of "
    "it\nto standard output. On SIGTERM it finishes the epoch it is in, writes a checkpoint and "
    "exits. A worker starts\nit; by hand it is good for a try:";
constexpr char kExample[] = R"(Example: two epochs of LeNet on Fashion-MNIST
  echo '{"job":{"objective":"lenet","options":{"activation":"relu"},
         "config":{"learning_rate":0.1,"batch_size":128},"to_epoch":2}}' | tr -d '\n' |
    halving-trainer --threads 2)";

struct Flags {
  std::string device = "cpu";
  int threads = 1;
  std::string log_level = "info";
};

std::string Version() {
  return VersionText(absl::StrCat("halving-trainer ", kVersion, ", ", TorchVersion()),
                     BaseVersions());
}

void AddFlags(CLI::App* app, Flags* flags) {
  flags->threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  app->footer(kExample);
  app->set_version_flag("--version", Version);
  app->set_config("--config", "", "Read flags from this file");
  app->allow_config_extras(false);  // A misspelt line must not go unnoticed.
  app->add_option("--device", flags->device, "Train on cpu, cuda or cuda:N")
      ->envname("HALVING_DEVICE")
      ->capture_default_str();
  app->add_option("--threads", flags->threads,
                  "CPU threads of each trial; by default all cores. With several workers on a "
                  "machine, share the cores out among them")
      ->envname("HALVING_THREADS")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app->add_option("--log-level", flags->log_level, "trace, debug, info, warn, error or off")
      ->envname("HALVING_LOG_LEVEL")
      ->capture_default_str();
}

// Serves jobs until standard input ends or SIGTERM comes.
absl::Status Serve(const Flags& flags) {
  HV_ASSIGN_OR_RETURN(const StopSignal stop, StopSignal::TakeSigterm());
  HV_RETURN_IF_ERROR(InitLog(flags.log_level));
  HV_ASSIGN_OR_RETURN(LineWriter writer, LineWriter::TakeStandardOutput());
  HV_RETURN_IF_ERROR(SetUpTorch(flags.device, flags.threads));
  spdlog::info("halving-trainer {}, {}, on {} with {} threads", kVersion, TorchVersion(),
               flags.device, flags.threads);
  JobRunner runner(
      MakeObjectives(flags.device),
      [&writer](const std::string& line) { return writer.Write(line); }, Clock::Real(),
      [&stop] { return stop.Raised(); });
  LineReader reader(STDIN_FILENO, stop.fd());
  while (true) {
    HV_ASSIGN_OR_RETURN(const std::optional<std::string> line, reader.ReadLine());
    if (!line.has_value()) return absl::OkStatus();
    HV_RETURN_IF_ERROR(runner.HandleLine(*line));
  }
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app(kDescription, "halving-trainer");
  try {
    AddFlags(&app, &flags);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  const absl::Status status = Serve(flags);
  if (status.ok()) return 0;
  std::cerr << "halving-trainer: " << status.message() << std::endl;
  return 1;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Main(argc, argv); }
