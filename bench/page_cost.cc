// What open pages cost the workers: how long asks take with and without them, by turns.
//
//   page_cost --trials 100000 --pages 20 --folder .
#include <sched.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/child_process.h"
#include "bench/load/fill_journal.h"
#include "bench/load/load.h"
#include "bench/program.h"
#include "bench/scratch_folder.h"
#include "common/clock.h"
#include "common/file_io.h"
#include "common/status.h"
#include "httplib.h"

namespace halving {
namespace {

struct Options {
  int64_t trials = 100'000;
  int pages = 20;
  int workers = 16;
  int64_t calls = 4'000;
  int repeats = 5;
  std::string server_binary;
  std::string folder = ".";
};

// As the page does it for a study of that size.
constexpr absl::Duration kPageRefresh = absl::Seconds(5);
// 16 workers then make some hundred calls a second: a large cluster's, and no standing queue, of
// which every percent of processor time that anybody takes would show many times over.
constexpr absl::Duration kBetweenCalls = absl::Milliseconds(20);
constexpr char kStudy[] = "/api/v1/studies/study-1";

// Follows the study, and fetches its picture and the first page of its table, as a page does.
class Page {
 public:
  Page(const std::string& server, int number)
      : events_("http://" + server),
        stream_([this] { Follow(); }),
        fetcher_([this, server, number] { Refresh(server, number); }) {}
  ~Page() {
    left_ = true;
    events_.stop();
    stream_.join();
    fetcher_.join();
  }

  int64_t answers() const { return answers_; }
  int64_t failures() const { return failures_; }

 private:
  // Browsers run elsewhere: what they do here must take nothing from the server or its workers.
  static void GiveWay() {
    const sched_param none = {};
    sched_setscheduler(0, SCHED_IDLE, &none);
  }
  void Follow() {
    GiveWay();
    events_.set_read_timeout(60);
    events_.Get(absl::StrCat(kStudy, "/events"), [this](const char*, size_t) { return !left_; });
  }
  void Fetch(const std::string& server, const std::string& path) {
    httplib::Client client("http://" + server);
    client.set_read_timeout(60);
    const httplib::Result result = client.Get(path);
    ++(result && result->status == 200 ? answers_ : failures_);
  }
  void Refresh(const std::string& server, int number) {
    GiveWay();
    // They were not all opened at the same moment.
    absl::Time next = Clock::Real()->Now() + kPageRefresh * number / 20;
    while (!left_) {
      halving::SleepFor(absl::Milliseconds(20));
      if (Clock::Real()->Now() < next) continue;
      Fetch(server, absl::StrCat(kStudy, "/figure"));
      Fetch(server, absl::StrCat(kStudy, "/table?limit=25"));
      next = Clock::Real()->Now() + kPageRefresh;
    }
  }

  std::atomic<bool> left_ = false;
  std::atomic<int64_t> answers_ = 0;
  std::atomic<int64_t> failures_ = 0;
  httplib::Client events_;
  std::thread stream_;
  std::thread fetcher_;
};

using Latencies = std::vector<absl::Duration>;

absl::Status RunRound(const Options& options, const std::string& address, Latencies* latencies) {
  HV_ASSIGN_OR_RETURN(const LoadResult load, RunLoad({.calls = Calls::kTwo,
                                                      .link = ServerLink(address),
                                                      .workers = options.workers,
                                                      .total_calls = options.calls,
                                                      .pause = kBetweenCalls}));
  latencies->insert(latencies->end(), load.ask_latencies.begin(), load.ask_latencies.end());
  return absl::OkStatus();
}

void Print(const std::string& name, const Latencies& latencies) {
  std::cout << absl::StrFormat(
      "  %-12s %7d asks: %.3f ms in the median, %.3f ms p90, %.3f ms p99\n", name, latencies.size(),
      absl::ToDoubleMilliseconds(Quantile(latencies, 0.5)),
      absl::ToDoubleMilliseconds(Quantile(latencies, 0.9)),
      absl::ToDoubleMilliseconds(Quantile(latencies, 0.99)));
}

absl::Status Run(const Options& options) {
  const ScratchFolder folder(options.folder);
  if (!folder.is_there()) return FileError(errno, "make a folder in", options.folder);
  HV_RETURN_IF_ERROR(
      FillJournal(folder.File("data"), {.studies = 1, .trials = options.trials}).status());
  const std::string log = folder.File("server.log");
  HV_ASSIGN_OR_RETURN(
      const auto server,
      ServerProcess::Start({options.server_binary, "--listen", "127.0.0.1:0", "--http",
                            "127.0.0.1:0", "--data-dir", folder.File("data")},
                           log));
  const std::string said = ContentOf(log);
  const size_t at = said.find("http://") + std::string("http://").size();
  const std::string http = said.substr(at, said.find('\n', at) - at);
  Latencies without;
  Latencies with;
  int64_t answers = 0;
  int64_t failures = 0;
  for (int i = 0; i < options.repeats; ++i) {
    HV_RETURN_IF_ERROR(RunRound(options, server->address(), &without));
    std::vector<std::unique_ptr<Page>> pages;
    for (int k = 0; k < options.pages; ++k) pages.push_back(std::make_unique<Page>(http, k));
    HV_RETURN_IF_ERROR(RunRound(options, server->address(), &with));
    for (const auto& page : pages) {
      answers += page->answers();
      failures += page->failures();
    }
  }
  std::cout << options.trials << " trials, " << options.workers << " workers\n";
  Print("no page", without);
  Print(absl::StrCat(options.pages, " pages"), with);
  std::cout << absl::StrFormat(
      "  p99 with pages is %.2f times that without; they got %d answers "
      "and %d refusals\n",
      absl::FDivDuration(Quantile(with, 0.99), Quantile(without, 0.99)), answers, failures);
  return absl::OkStatus();
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  halving::Options options;
  options.server_binary = halving::BesideThisProgram("halving-server");
  CLI::App app("Measures what open pages cost the workers.", "page_cost");
  app.add_option("--trials", options.trials, "Of the study that the pages show")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--pages", options.pages, "How many")->check(CLI::Range(1, 64));
  app.add_option("--workers", options.workers, "How many")->check(CLI::Range(1, 1000));
  app.add_option("--calls", options.calls, "Of the workers, in each round")
      ->check(CLI::Range(int64_t{100}, int64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "Rounds without pages, and with them")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--server-binary", options.server_binary,
                 "halving-server [the one beside this program]");
  app.add_option("--folder", options.folder, "Where the journal lies")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  return halving::RunProgram(app, argc, argv, [&] { return halving::Run(options); });
}
