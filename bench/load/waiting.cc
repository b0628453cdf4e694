#include "bench/load/waiting.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/load/echo.grpc.pb.h"
#include "common/clock.h"
#include "common/status.h"
#include "grpcpp/grpcpp.h"
#include "halving/v1/worker.grpc.pb.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

constexpr int kProcesses = 4;
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);
constexpr absl::Duration kMostPatience = absl::Minutes(3);
constexpr absl::Duration kQuiet = absl::Seconds(3);
constexpr absl::Duration kWatched = absl::Seconds(30);
constexpr int kAskBytes = 100;
constexpr char kAsked[] = "asked";
constexpr char kHold[] = "hold a trial";
constexpr char kReported[] = "reported";

// A worker with one call under way, or none.
class Waiter {
 public:
  Waiter(const WaitersPlan& plan, int number, grpc::CompletionQueue* queue)
      : channel_(MakeChannel(plan.address)),
        stub_(v1::WorkerService::NewStub(channel_)),
        queue_(queue),
        id_(absl::StrCat("waiter-", number)) {}

  void Ask() {
    v1::SuggestRequest request;
    request.set_worker_id(id_);
    request.set_request_id(absl::StrCat(id_, "-", ++asks_));
    request.set_incarnation(id_);
    request.set_host("node-17.cluster");
    request.set_device("NVIDIA A100-SXM4-80GB");
    request.mutable_wait()->set_seconds(30);
    context_.emplace();
    ask_ = stub_->AsyncSuggest(&*context_, request, queue_);
    ask_->Finish(&asked_, &status_, this);
  }

  void AskBare() {
    bench::EchoRequest request;
    request.mutable_payload()->resize(kAskBytes);
    request.set_held(true);
    context_.emplace();
    echo_ = bench::EchoService::NewStub(channel_)->AsyncEcho(&*context_, request, queue_);
    echo_->Finish(&echoed_, &status_, this);
  }

  void Report() {
    v1::ReportRequest request;
    request.set_lease_id(asked_.assignment().lease_id());
    request.mutable_completed()->set_error(0.5);
    context_.emplace();
    report_ = stub_->AsyncReport(&*context_, request, queue_);
    report_->Finish(&reported_, &status_, this);
  }

  const grpc::Status& status() const { return status_; }
  bool holds_trial() const { return asked_.has_assignment(); }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::CompletionQueue* const queue_;
  const std::string id_;
  int64_t asks_ = 0;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  v1::SuggestResponse asked_;
  v1::ReportResponse reported_;
  bench::EchoResponse echoed_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SuggestResponse>> ask_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ReportResponse>> report_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<bench::EchoResponse>> echo_;
};
using Waiters = std::vector<std::unique_ptr<Waiter>>;

absl::StatusOr<Waiter*> Next(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  queue->Next(&tag, &ok);
  auto* const waiter = static_cast<Waiter*>(tag);
  if (!waiter->status().ok()) return FromGrpc(waiter->status());
  return waiter;
}

void Say(size_t count, const char* what) { std::cout << count << " " << what << std::endl; }

// Processes of waiters, which are killed with the object.
class WaiterProcesses {
 public:
  static absl::StatusOr<std::unique_ptr<WaiterProcesses>> Start(const std::string& program,
                                                                const std::string& address,
                                                                int workers, bool bare,
                                                                const std::string& log) {
    std::unique_ptr<WaiterProcesses> processes(new WaiterProcesses);
    for (int i = 0; i < kProcesses; ++i) {
      const int first = workers * i / kProcesses;
      const int count = workers * (i + 1) / kProcesses - first;
      std::vector<std::string> arguments = {
          program,     "--be-waiters", absl::StrCat(count), "--first-waiter", absl::StrCat(first),
          "--address", address};
      if (bare) arguments.emplace_back("--bare-waiters");
      processes->logs_.push_back(absl::StrCat(log, "-", i));
      HV_ASSIGN_OR_RETURN(const pid_t pid, Spawn(arguments, processes->logs_.back()));
      processes->pids_.push_back(pid);
    }
    HV_RETURN_IF_ERROR(processes->Await(kAsked));
    return processes;
  }

  ~WaiterProcesses() {
    for (const pid_t pid : pids_) kill(pid, SIGKILL);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

  // Until all have said so.
  absl::Status Await(const char* what) const {
    const absl::Time deadline = Clock::Real()->Now() + kMostPatience;
    for (const std::string& log : logs_) {
      while (!absl::StrContains(ContentOf(log), what)) {
        if (Clock::Real()->Now() > deadline) {
          return absl::DeadlineExceededError(absl::StrCat("a process of workers never said \"",
                                                          what, "\"; it said:\n", ContentOf(log)));
        }
        halving::SleepFor(kLookEvery);
      }
    }
    return absl::OkStatus();
  }

  void LetReport() const {
    for (const pid_t pid : pids_) kill(pid, SIGUSR1);
  }

 private:
  WaiterProcesses() = default;

  std::vector<pid_t> pids_;
  std::vector<std::string> logs_;
};

// All asks have come in when the server's memory has stopped growing.
void AwaitQuiet(pid_t server) {
  int64_t before = 0;
  for (int64_t now = ResidentBytes(server); now > before + before / 200;) {
    before = now;
    halving::SleepFor(kQuiet);
    now = ResidentBytes(server);
  }
}

}  // namespace

absl::Status BeWaiters(const WaitersPlan& plan) {
  sigset_t go;
  sigemptyset(&go);
  sigaddset(&go, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &go, nullptr);
  grpc::CompletionQueue queue;
  Waiters waiters;
  for (int i = 0; i < plan.workers; ++i) {
    waiters.push_back(std::make_unique<Waiter>(plan, plan.first + i, &queue));
    plan.bare ? waiters.back()->AskBare() : waiters.back()->Ask();
  }
  Say(waiters.size(), kAsked);
  for (size_t held = 0; held < waiters.size();) {
    HV_ASSIGN_OR_RETURN(Waiter* const waiter, Next(&queue));
    waiter->holds_trial() ? static_cast<void>(++held) : waiter->Ask();
  }
  Say(waiters.size(), kHold);
  int signal = 0;
  sigwait(&go, &signal);
  for (const auto& waiter : waiters) waiter->Report();
  for (size_t i = 0; i < waiters.size(); ++i) HV_RETURN_IF_ERROR(Next(&queue).status());
  Say(waiters.size(), kReported);
  return absl::OkStatus();
}

absl::StatusOr<HeldCalls> HoldCalls(const std::string& program, const std::string& address,
                                    pid_t server, int calls, bool bare, const std::string& log) {
  const int64_t before = ResidentBytes(server);
  HV_ASSIGN_OR_RETURN(const auto processes,
                      WaiterProcesses::Start(program, address, calls, bare, log));
  AwaitQuiet(server);
  const absl::Duration processor = ProcessorTime(server);
  halving::SleepFor(kWatched);
  return HeldCalls{
      .memory_bytes = ResidentBytes(server) - before,
      .processor_share = absl::FDivDuration(ProcessorTime(server) - processor, kWatched)};
}

absl::StatusOr<Burst> RunBurst(const std::string& program, ServerUnderLoad* server, int workers,
                               const std::string& log) {
  HV_ASSIGN_OR_RETURN(const auto processes, WaiterProcesses::Start(program, server->address(),
                                                                   workers, /*bare=*/false, log));
  AwaitQuiet(server->pid());
  Burst burst;
  const absl::Time created = Clock::Real()->Now();
  HV_RETURN_IF_ERROR(server->UseStudy("for-all"));
  HV_RETURN_IF_ERROR(processes->Await(kHold));
  const absl::Time reported = Clock::Real()->Now();
  burst.handed_out = reported - created;
  processes->LetReport();
  HV_RETURN_IF_ERROR(processes->Await(kReported));
  burst.reported = Clock::Real()->Now() - reported;
  return burst;
}

}  // namespace halving
