// What scheduling costs beside gRPC itself: Suggest and Report of halving-server against calls of
// the same sizes to a bare gRPC server, in turns.
//
//   service_cost --repeats 5 --workers 1,4,16,64,256 --folder .
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/child_process.h"
#include "bench/load/echo_server.h"
#include "bench/load/load.h"
#include "bench/load/server_under_load.h"
#include "bench/program.h"
#include "bench/scratch_folder.h"
#include "bench/simulate/statistics.h"
#include "common/file_io.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace halving {
namespace {

struct Options {
  int repeats = 5;
  int64_t calls = 20'000;
  std::vector<int> workers = {1, 4, 16, 64, 256};
  bool one_queue = false;
  std::string program;
  std::string server_binary;
  std::string counter;
  std::string certs;
  std::string folder = ".";
  bool ours_alone = false;
  bool serve_echo = false;
};

// One run of calls of one kind.
struct Run {
  double per_second = 0;
  absl::Duration median;
  absl::Duration p99;
  absl::Duration processor;          // Of the server, per call.
  absl::Duration clients_processor;  // Of this process, per call.
  double syncs = 0;                  // Per call.
};

struct Key {
  int workers = 0;
  Calls calls = Calls::kTwo;
  friend auto operator<=>(const Key&, const Key&) = default;
};
using Runs = std::map<Key, std::vector<Run>>;  // By repeat.

constexpr int64_t kCallsOfOne = 4'000;  // One worker waits for each; that many take a second.
constexpr int64_t kCallsToMeasureSizes = 50;

class Measurement {
 public:
  Measurement(const Options& options, ServerProcess* echo, ServerUnderLoad* server)
      : options_(options), echo_(*echo), server_(*server) {}

  absl::Status Repeat(int number, Runs* runs) {
    HV_RETURN_IF_ERROR(server_.UseStudy(absl::StrCat("repeat-", number)));
    HV_RETURN_IF_ERROR(MeasureSizes());
    for (const int workers : options_.workers) {
      for (const Calls calls :
           {Calls::kEchoTwo, Calls::kTwo, Calls::kEchoNext, Calls::kReportNext}) {
        if (options_.ours_alone && IsBare(calls)) continue;
        HV_ASSIGN_OR_RETURN(const Run run, RunOnce(calls, workers));
        (*runs)[{workers, calls}].push_back(run);
      }
    }
    return absl::OkStatus();
  }

  const MessageSizes& sizes() const { return sizes_; }

 private:
  static bool IsBare(Calls calls) { return calls == Calls::kEchoTwo || calls == Calls::kEchoNext; }

  LoadPlan Plan(Calls calls, int workers, int64_t total) const {
    return {.calls = calls,
            .clients = options_.one_queue ? Clients::kOneQueue : Clients::kBlocking,
            .link = IsBare(calls) ? ServerLink(echo_.address()) : server_.link(),
            .workers = workers,
            .total_calls = total,
            .sizes = sizes_};
  }

  absl::Status MeasureSizes() {
    HV_ASSIGN_OR_RETURN(const LoadResult two, RunLoad(Plan(Calls::kTwo, 1, kCallsToMeasureSizes)));
    HV_ASSIGN_OR_RETURN(const LoadResult next,
                        RunLoad(Plan(Calls::kReportNext, 1, kCallsToMeasureSizes)));
    sizes_ = {.suggest = two.sizes.suggest,
              .report = two.sizes.report,
              .report_next = next.sizes.report_next};
    return absl::OkStatus();
  }

  absl::StatusOr<Run> RunOnce(Calls calls, int workers) {
    const int64_t total = workers == 1 ? std::min(kCallsOfOne, options_.calls) : options_.calls;
    const pid_t pid = IsBare(calls) ? echo_.pid() : server_.pid();
    const absl::Duration processor = ProcessorTime(pid);
    const absl::Duration clients_processor = ProcessorTime(getpid());
    const int64_t syncs = server_.Syncs();
    HV_ASSIGN_OR_RETURN(const LoadResult result, RunLoad(Plan(calls, workers, total)));
    const auto all = static_cast<double>(result.calls);
    return Run{.per_second = result.PerSecond(),
               .median = Quantile(result.latencies, 0.5),
               .p99 = Quantile(result.latencies, 0.99),
               .processor = (ProcessorTime(pid) - processor) / all,
               .clients_processor = (ProcessorTime(getpid()) - clients_processor) / all,
               .syncs = static_cast<double>(server_.Syncs() - syncs) / all};
  }

  const Options& options_;
  ServerProcess& echo_;
  ServerUnderLoad& server_;
  MessageSizes sizes_;
};

double MedianOf(const std::vector<Run>& runs, double (*value)(const Run&)) {
  std::vector<double> values;
  for (const Run& run : runs) values.push_back(value(run));
  return Median(values);
}

// Of the ratios of repeats.
double MedianRatio(const std::vector<Run>& ours, const std::vector<Run>& theirs) {
  std::vector<double> values;
  for (size_t i = 0; i < ours.size(); ++i) {
    values.push_back(ours[i].per_second / theirs[i].per_second);
  }
  return Median(values);
}

double MedianMicroseconds(const std::vector<Run>& runs, absl::Duration Run::*value) {
  std::vector<double> values;
  for (const Run& run : runs) values.push_back(absl::ToDoubleMicroseconds(run.*value));
  return Median(values);
}

void PrintRow(int workers, absl::string_view name, const std::vector<Run>& runs,
              const std::vector<Run>* echo) {
  if (runs.empty()) return;
  std::cout << absl::StrFormat(
      "| %d | %s | %.0f | %s | %.0f | %.0f | %.0f | %.0f | %s |\n", workers, name,
      MedianOf(runs, [](const Run& run) { return run.per_second; }),
      echo == nullptr || echo->empty() ? "" : absl::StrFormat("%.2f", MedianRatio(runs, *echo)),
      MedianMicroseconds(runs, &Run::median), MedianMicroseconds(runs, &Run::p99),
      MedianMicroseconds(runs, &Run::processor), MedianMicroseconds(runs, &Run::clients_processor),
      echo == nullptr
          ? ""
          : absl::StrFormat("%.3f", MedianOf(runs, [](const Run& run) { return run.syncs; })));
}

// How long it takes to make a page durable where the journal lies.
absl::StatusOr<absl::Duration> MeasureSync(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd.get() < 0) return FileError(errno, "make", path);
  const std::string page(4096, 'x');
  std::vector<absl::Duration> times;
  for (int64_t i = 0; i < 500; ++i) {
    HV_RETURN_IF_ERROR(WriteAt(fd.get(), page, i * static_cast<int64_t>(page.size()), path));
    const absl::Time start = absl::Now();
    if (fdatasync(fd.get()) != 0) return FileError(errno, "sync", path);
    times.push_back(absl::Now() - start);
  }
  return Quantile(times, 0.5);
}

void PrintTable(const Options& options, const MessageSizes& sizes, absl::Duration sync,
                Runs& runs) {
  const auto size = [](const MessageSizes::Pair& pair) {
    return absl::StrFormat("%d there, %d back", pair.request_bytes, pair.response_bytes);
  };
  std::cout << "median of " << options.repeats << ". Bytes: Suggest " << size(sizes.suggest)
            << "; Report " << size(sizes.report) << "; with the next ask "
            << size(sizes.report_next) << "\n"
            << absl::StrFormat("a sync of one page: %.0f us\n\n", absl::ToDoubleMicroseconds(sync))
            << "| workers | calls | per second | of the bare | median us | p99 us | server's "
               "processor us per call | clients' | syncs per call |\n"
               "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const int workers : options.workers) {
    const std::vector<Run>& echo_two = runs[{workers, Calls::kEchoTwo}];
    const std::vector<Run>& echo_next = runs[{workers, Calls::kEchoNext}];
    PrintRow(workers, "bare", echo_two, nullptr);
    PrintRow(workers, "Suggest, Report", runs[{workers, Calls::kTwo}], &echo_two);
    PrintRow(workers, "bare", echo_next, nullptr);
    PrintRow(workers, "Report with next", runs[{workers, Calls::kReportNext}], &echo_next);
  }
}

absl::Status Measure(const Options& options) {
  const ScratchFolder folder(options.folder);
  if (!folder.is_there()) return FileError(errno, "make a folder in", options.folder);
  HV_ASSIGN_OR_RETURN(const auto echo, ServerProcess::Start({options.program, "--serve-echo"},
                                                            folder.File("echo.log")));
  HV_ASSIGN_OR_RETURN(const auto server,
                      ServerUnderLoad::Start(options.server_binary, folder.File("."),
                                             options.counter, options.certs));
  HV_ASSIGN_OR_RETURN(const absl::Duration sync, MeasureSync(folder.File("page")));
  Measurement measurement(options, echo.get(), server.get());
  Runs runs;
  for (int i = 0; i < options.repeats; ++i) HV_RETURN_IF_ERROR(measurement.Repeat(i, &runs));
  PrintTable(options, measurement.sizes(), sync, runs);
  return absl::OkStatus();
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--repeats", options.repeats, "How often all is measured; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--calls", options.calls, "In each run; of one worker at most 4000")
      ->check(CLI::Range(int64_t{100}, int64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--workers", options.workers, "How many call at once")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--server-binary", options.server_binary,
                 "halving-server [the one beside this program]");
  app.add_option("--folder", options.folder, "Where the journal lies")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--certs", options.certs,
                 "Serve with TLS and tokens: a folder of scripts/make-certs server")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--one-queue", options.one_queue,
               "All workers in one thread with a completion queue, instead of a thread for each "
               "with blocking calls");
  app.add_flag("--ours-alone", options.ours_alone, "No bare calls: for a look with a profiler");
  app.add_flag("--serve-echo", options.serve_echo, "Be the bare server")->group("");
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  halving::Options options;
  options.program = halving::ThisProgram();
  options.server_binary = halving::BesideThisProgram("halving-server");
  options.counter = halving::BesideThisProgram("count_syncs.so");
  CLI::App app("Measures Suggest and Report against bare gRPC calls of the same sizes.",
               "service_cost");
  halving::AddOptions(app, options);
  return halving::RunProgram(app, argc, argv, [&] {
    return options.serve_echo ? halving::ServeEcho() : halving::Measure(options);
  });
}
