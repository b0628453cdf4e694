// How a server does with many trials, many studies and many workers who wait.
//
//   scale --trials 1000,100000,990000 --studies 1,100,10000 --folder .
//   scale --waiting 10000 --folder .
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/load/echo_server.h"
#include "bench/load/fill_journal.h"
#include "bench/load/load.h"
#include "bench/load/server_under_load.h"
#include "bench/load/waiting.h"
#include "bench/program.h"
#include "bench/scratch_folder.h"
#include "common/clock.h"
#include "common/file_io.h"
#include "common/open_files.h"
#include "common/status.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

struct Options {
  std::vector<int64_t> trials = {1'000, 100'000, 990'000};
  std::vector<int64_t> studies = {1, 100, 10'000};
  int64_t calls = 20'000;
  int waiting = 0;
  std::string program;
  std::string server_binary;
  std::string folder = ".";
  bool serve_echo = false;
  WaitersPlan be_waiters;
};

constexpr int kWorkers = 16;
constexpr int kReads = 21;  // Of each kind; the median counts.
constexpr int kPageSize = 100;

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

// What a read takes and how much it brings.
struct ReadCost {
  absl::Duration time;
  size_t bytes = 0;
};

template <typename Response>
absl::StatusOr<ReadCost> Measure(
    const std::function<grpc::Status(grpc::ClientContext*, Response*)>& read) {
  std::vector<absl::Duration> times;
  size_t bytes = 0;
  for (int i = 0; i < kReads; ++i) {
    grpc::ClientContext context;
    Response response;
    const absl::Time start = Clock::Real()->Now();
    HV_RETURN_IF_ERROR(FromGrpc(read(&context, &response)));
    times.push_back(Clock::Real()->Now() - start);
    bytes = response.ByteSizeLong();
  }
  return ReadCost{.time = Quantile(times, 0.5), .bytes = bytes};
}

std::string Show(const ReadCost& cost) {
  return absl::StrFormat("%.2f ms, %.1f kB", Milliseconds(cost.time),
                         static_cast<double>(cost.bytes) / 1e3);
}

class Reads {
 public:
  explicit Reads(v1::StudyService::Stub* stub) : stub_(*stub) {}

  absl::StatusOr<ReadCost> Status() {
    return Measure<v1::StudyStatus>([&](grpc::ClientContext* context, v1::StudyStatus* status) {
      v1::GetStatusRequest request;
      request.set_name(kStudy);
      return stub_.GetStatus(context, request, status);
    });
  }

  // The first one, or the one behind half of the trials.
  absl::StatusOr<ReadCost> Page(bool by_error, int64_t after) {
    return Measure<v1::ListTrialsResponse>(
        [&](grpc::ClientContext* context, v1::ListTrialsResponse* page) {
          v1::ListTrialsRequest request;
          request.set_name(kStudy);
          request.set_page_size(kPageSize);
          request.set_by_error(by_error);
          if (after > 0) request.set_page_token(absl::StrCat(after));
          return stub_.ListTrials(context, request, page);
        });
  }

  // The first message of a watch.
  absl::StatusOr<ReadCost> Watch() {
    return Measure<v1::StudyStatus>([&](grpc::ClientContext* context, v1::StudyStatus* status) {
      v1::WatchStatusRequest request;
      request.set_name(kStudy);
      const auto stream = stub_.WatchStatus(context, request);
      if (!stream->Read(status)) return stream->Finish();
      context->TryCancel();
      stream->Finish();
      return grpc::Status::OK;
    });
  }

 private:
  static constexpr char kStudy[] = "study-1";
  v1::StudyService::Stub& stub_;
};

int64_t FileBytes(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

// The smallest journal's, which the others are compared with.
struct Base {
  int64_t trials = 0;
  int64_t resident_bytes = 0;
};

absl::Status MeasureSize(const Options& options, int64_t studies, int64_t trials, Base* base) {
  const ScratchFolder folder(options.folder);
  if (!folder.is_there()) return FileError(errno, "make a folder in", options.folder);
  const std::string data = folder.File("data");
  HV_ASSIGN_OR_RETURN(const Filled filled,
                      FillJournal(data, {.studies = studies, .trials = trials}));
  const auto evaluations = static_cast<double>(filled.evaluations);
  const int64_t journal_bytes = FileBytes(data + "/journal.db");
  // The first one brings the file into memory.
  HV_RETURN_IF_ERROR(ReadEveryRow(data).status());
  HV_ASSIGN_OR_RETURN(const absl::Duration bare, ReadEveryRow(data));
  const absl::Time start = Clock::Real()->Now();
  HV_ASSIGN_OR_RETURN(const auto server,
                      ServerUnderLoad::Start(options.server_binary, folder.File("."), ""));
  const absl::Duration restart = Clock::Real()->Now() - start;
  const int64_t resident = ResidentBytes(server->pid());
  if (base->trials == 0) *base = {.trials = trials, .resident_bytes = resident};
  std::cout << absl::StrFormat(
      "\n%d trials in %d studies: %d evaluations, %d events\n"
      "  journal                  %.1f MB, %.0f bytes per evaluation\n"
      "  restart                  %.2f s, %.2f times a bare loop over its rows (%.2f s)\n"
      "  resident memory          %.0f MB",
      trials, studies, filled.evaluations, filled.events, static_cast<double>(journal_bytes) / 1e6,
      static_cast<double>(journal_bytes) / evaluations, absl::ToDoubleSeconds(restart),
      absl::FDivDuration(restart, bare), absl::ToDoubleSeconds(bare),
      static_cast<double>(resident) / 1e6);
  if (trials > base->trials) {
    std::cout << absl::StrFormat(", %.0f bytes per trial beyond %d trials",
                                 static_cast<double>(resident - base->resident_bytes) /
                                     static_cast<double>(trials - base->trials),
                                 base->trials);
  }
  std::cout << std::endl;
  HV_ASSIGN_OR_RETURN(const LoadResult load, RunLoad({.calls = Calls::kTwo,
                                                      .link = server->link(),
                                                      .workers = kWorkers,
                                                      .total_calls = options.calls}));
  std::cout << absl::StrFormat(
      "  ask, %d workers          %.3f ms in the median, %.3f ms p99; %.0f calls per second\n",
      kWorkers, Milliseconds(Quantile(load.ask_latencies, 0.5)),
      Milliseconds(Quantile(load.ask_latencies, 0.99)), load.PerSecond());
  Reads reads(&server->studies());
  HV_ASSIGN_OR_RETURN(const ReadCost status, reads.Status());
  HV_ASSIGN_OR_RETURN(const ReadCost watch, reads.Watch());
  HV_ASSIGN_OR_RETURN(const ReadCost first, reads.Page(false, 0));
  HV_ASSIGN_OR_RETURN(const ReadCost middle, reads.Page(false, trials / studies / 2));
  HV_ASSIGN_OR_RETURN(const ReadCost best, reads.Page(true, 0));
  std::cout << "  GetStatus                " << Show(status) << "\n  WatchStatus, first       "
            << Show(watch) << "\n  ListTrials, first page   " << Show(first)
            << "\n  ListTrials, in the middle " << Show(middle) << "\n  ListTrials, best first   "
            << Show(best) << std::endl;
  return absl::OkStatus();
}

absl::Status MeasureSizes(const Options& options) {
  Base base;
  for (const int64_t studies : options.studies) {
    for (const int64_t trials : options.trials) {
      if (trials >= studies) HV_RETURN_IF_ERROR(MeasureSize(options, studies, trials, &base));
    }
  }
  return absl::OkStatus();
}

absl::Status MeasureWaiting(const Options& options) {
  const ScratchFolder folder(options.folder);
  if (!folder.is_there()) return FileError(errno, "make a folder in", options.folder);
  HV_ASSIGN_OR_RETURN(const auto echo, ServerProcess::Start({options.program, "--serve-echo"},
                                                            folder.File("echo.log")));
  HV_ASSIGN_OR_RETURN(const auto server,
                      ServerUnderLoad::Start(options.server_binary, folder.File("."), ""));
  HV_ASSIGN_OR_RETURN(const HeldCalls bare,
                      HoldCalls(options.program, echo->address(), echo->pid(), options.waiting,
                                /*bare=*/true, folder.File("bare-clients.log")));
  HV_ASSIGN_OR_RETURN(const HeldCalls ours,
                      HoldCalls(options.program, server->address(), server->pid(), options.waiting,
                                /*bare=*/false, folder.File("clients.log")));
  const auto print = [&](const char* name, const HeldCalls& held) {
    std::cout << absl::StrFormat(
        "  %-16s %.0f MB more, %.1f kB per call; %.2f%% of a core while they wait\n", name,
        static_cast<double>(held.memory_bytes) / 1e6,
        static_cast<double>(held.memory_bytes) / 1e3 / options.waiting, 100 * held.processor_share);
  };
  std::cout << options.waiting << " calls that wait\n";
  print("bare server", bare);
  print("halving-server", ours);
  std::cout << absl::StrFormat(
      "  memory           %.2f times the bare server's\n",
      static_cast<double>(ours.memory_bytes) / static_cast<double>(bare.memory_bytes));
  HV_ASSIGN_OR_RETURN(const Burst burst, RunBurst(options.program, server.get(), options.waiting,
                                                  folder.File("burst.log")));
  std::cout << absl::StrFormat(
      "  a study for all of them: each has a trial after %.2f s; all their results, sent at once, "
      "are durable after %.2f s\n",
      absl::ToDoubleSeconds(burst.handed_out), absl::ToDoubleSeconds(burst.reported));
  return absl::OkStatus();
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--trials", options.trials, "In all studies together")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--studies", options.studies, "How many")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{10'000}))
      ->capture_default_str();
  app.add_option("--calls", options.calls, "Of the workers, at each size")
      ->check(CLI::Range(int64_t{100}, int64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--waiting", options.waiting,
                 "Measure so many workers that wait, instead of sizes")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--server-binary", options.server_binary,
                 "halving-server [the one beside this program]");
  app.add_option("--folder", options.folder, "Where the journals lie")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_flag("--serve-echo", options.serve_echo, "Be the bare server")->group("");
  app.add_option("--be-waiters", options.be_waiters.workers, "Be so many waiting workers")
      ->group("");
  app.add_option("--first-waiter", options.be_waiters.first, "Their first number")->group("");
  app.add_option("--address", options.be_waiters.address, "Where they call")->group("");
  app.add_flag("--bare-waiters", options.be_waiters.bare, "Bare calls")->group("");
}

absl::Status Run(const Options& options) {
  if (options.serve_echo) return ServeEcho();
  RaiseOpenFilesLimit();
  if (options.be_waiters.workers > 0) return BeWaiters(options.be_waiters);
  return options.waiting > 0 ? MeasureWaiting(options) : MeasureSizes(options);
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  halving::Options options;
  options.program = halving::ThisProgram();
  options.server_binary = halving::BesideThisProgram("halving-server");
  CLI::App app("Measures a server with many trials, studies and waiting workers.", "scale");
  halving::AddOptions(app, options);
  return halving::RunProgram(app, argc, argv, [&] { return halving::Run(options); });
}
