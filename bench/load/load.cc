#include "bench/load/load.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "bench/load/echo.grpc.pb.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/random.h"
#include "common/status.h"
#include "grpcpp/grpcpp.h"
#include "halving/v1/worker.grpc.pb.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

absl::Duration Since(SteadyTime start) {
  return absl::FromChrono(std::chrono::steady_clock::now() - start);
}

// A worker, one call after the other. Thread-compatible.
class Caller {
 public:
  Caller(const LoadPlan& plan, const std::string& incarnation, int number)
      : plan_(plan),
        incarnation_(incarnation),
        channel_(MakeChannel(plan.link)),
        worker_stub_(v1::WorkerService::NewStub(channel_)),
        echo_stub_(bench::EchoService::NewStub(channel_)),
        id_(absl::StrCat("load-", number)) {}

  // Begins the next call; `queue` gives this object back when it was answered. Without a queue, it
  // was when this returns.
  void Call(grpc::CompletionQueue* queue) {
    context_.emplace();
    started_ = std::chrono::steady_clock::now();
    switch (Next()) {
      case Kind::kEcho:
        FillEcho();
        return Send(queue, echo_, &echoed_, &echo_call_, *echo_stub_,
                    &bench::EchoService::Stub::Echo, &bench::EchoService::Stub::AsyncEcho);
      case Kind::kSuggest:
        FillAsk(&suggest_);
        return Send(queue, suggest_, &suggested_, &suggest_call_, *worker_stub_,
                    &v1::WorkerService::Stub::Suggest, &v1::WorkerService::Stub::AsyncSuggest);
      case Kind::kReport:
        FillReport();
        return Send(queue, report_, &reported_, &report_call_, *worker_stub_,
                    &v1::WorkerService::Stub::Report, &v1::WorkerService::Stub::AsyncReport);
    }
  }

  // Takes up the answer of the call.
  absl::Status Finish(LoadResult* result) {
    const absl::Duration latency = Since(started_);
    result->latencies.push_back(latency);
    if (!status_.ok()) return FromGrpc(status_);
    const Kind kind = Next();
    if (kind == Kind::kEcho) {
      reporting_ = !reporting_;
      return absl::OkStatus();
    }
    if (kind == Kind::kSuggest) {
      result->sizes.suggest = SizesOf(suggest_, suggested_);
      result->ask_latencies.push_back(latency);
      return Take(suggested_);
    }
    lease_id_.clear();
    if (plan_.calls == Calls::kTwo) {
      result->sizes.report = SizesOf(report_, reported_);
      return absl::OkStatus();
    }
    result->sizes.report_next = SizesOf(report_, reported_);
    result->ask_latencies.push_back(latency);
    return Take(reported_.next());
  }

 private:
  enum class Kind { kEcho, kSuggest, kReport };

  Kind Next() const {
    if (plan_.calls == Calls::kEchoTwo || plan_.calls == Calls::kEchoNext) return Kind::kEcho;
    return lease_id_.empty() ? Kind::kSuggest : Kind::kReport;
  }

  template <typename Request, typename Response, typename Reader, typename Stub, typename Block,
            typename Async>
  void Send(grpc::CompletionQueue* queue, const Request& request, Response* response,
            std::unique_ptr<Reader>* reader, Stub& stub, Block block, Async async) {
    if (queue == nullptr) {
      status_ = (stub.*block)(&*context_, request, response);
      return;
    }
    *reader = (stub.*async)(&*context_, request, queue);
    (*reader)->Finish(response, &status_, this);
  }

  template <typename Request, typename Response>
  static MessageSizes::Pair SizesOf(const Request& request, const Response& response) {
    return {.request_bytes = static_cast<int64_t>(request.ByteSizeLong()),
            .response_bytes = static_cast<int64_t>(response.ByteSizeLong())};
  }

  absl::Status Take(const v1::SuggestResponse& answer) {
    lease_id_ = answer.assignment().lease_id();
    to_epoch_ = answer.assignment().to_epoch();
    trial_ = static_cast<uint64_t>(answer.assignment().trial_id());
    return lease_id_.empty() ? absl::FailedPreconditionError("the server has no work for " + id_)
                             : absl::OkStatus();
  }

  void FillAsk(v1::SuggestRequest* ask) {
    ask->set_worker_id(id_);
    ask->set_request_id(absl::StrCat(id_, "-", ++asks_));
    ask->set_incarnation(incarnation_);
    ask->set_host("node-17.cluster");
    ask->set_device("NVIDIA A100-SXM4-80GB");
    ask->mutable_wait()->set_seconds(30);
  }

  void FillEcho() {
    const MessageSizes& sizes = plan_.sizes;
    const MessageSizes::Pair& pair = plan_.calls == Calls::kEchoNext ? sizes.report_next
                                     : reporting_                    ? sizes.report
                                                                     : sizes.suggest;
    echo_.mutable_payload()->resize(static_cast<size_t>(pair.request_bytes));
    echo_.set_reply_bytes(static_cast<int32_t>(pair.response_bytes));
  }

  void FillReport() {
    report_.set_lease_id(lease_id_);
    v1::Completed& completed = *report_.mutable_completed();
    completed.set_error(UnitInterval(MixBits(trial_)) / static_cast<double>(to_epoch_));
    completed.mutable_train_time()->set_seconds(60);
    if (plan_.calls == Calls::kReportNext) FillAsk(report_.mutable_next());
  }

  template <typename Response>
  using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>;

  const LoadPlan& plan_;
  const std::string& incarnation_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::WorkerService::Stub> worker_stub_;
  const std::unique_ptr<bench::EchoService::Stub> echo_stub_;
  const std::string id_;
  int64_t asks_ = 0;
  std::string lease_id_;  // Of the trial that it holds; empty between two.
  int64_t to_epoch_ = 1;
  uint64_t trial_ = 0;
  bool reporting_ = false;

  std::optional<grpc::ClientContext> context_;
  SteadyTime started_;
  grpc::Status status_;
  bench::EchoRequest echo_;
  bench::EchoResponse echoed_;
  v1::SuggestRequest suggest_;
  v1::SuggestResponse suggested_;
  v1::ReportRequest report_;
  v1::ReportResponse reported_;
  Reader<bench::EchoResponse> echo_call_;
  Reader<v1::SuggestResponse> suggest_call_;
  Reader<v1::ReportResponse> report_call_;
};
using Callers = std::vector<std::unique_ptr<Caller>>;

// Some calls of every worker before anything counts: connections are made, caches filled.
constexpr int64_t kWarmUpCalls = 20;

absl::StatusOr<LoadResult> RunOneQueue(const LoadPlan& plan, const Callers& callers) {
  grpc::CompletionQueue queue;
  for (const auto& caller : callers) caller->Call(&queue);
  const int64_t warm_up = kWarmUpCalls * plan.workers;
  LoadResult result;
  absl::Status status;
  SteadyTime start = std::chrono::steady_clock::now();
  int64_t started = plan.workers;
  for (int64_t answered = 0; answered < started; ++answered) {
    if (answered == warm_up) {
      result = {};
      start = std::chrono::steady_clock::now();
    }
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    auto* const caller = static_cast<Caller*>(tag);
    status.Update(caller->Finish(&result));
    if (!status.ok() || started >= warm_up + plan.total_calls) continue;
    caller->Call(&queue);
    ++started;
  }
  result.elapsed = Since(start);
  queue.Shutdown();
  if (!status.ok()) return status;
  return result;
}

// One worker's part.
absl::Status CallAlone(Caller& caller, int64_t calls, absl::Duration pause, LoadResult* result) {
  for (int64_t i = 0; i < calls; ++i) {
    caller.Call(/*queue=*/nullptr);
    HV_RETURN_IF_ERROR(caller.Finish(result));
    if (pause > absl::ZeroDuration()) halving::SleepFor(pause);
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadResult> RunBlocking(const LoadPlan& plan, const Callers& callers) {
  std::vector<LoadResult> results(callers.size());
  std::vector<absl::Status> statuses(callers.size());
  std::barrier warm(static_cast<std::ptrdiff_t>(callers.size()) + 1);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < callers.size(); ++i) {
    threads.emplace_back([&, i] {
      LoadResult ignored;
      statuses[i] = CallAlone(*callers[i], kWarmUpCalls, absl::ZeroDuration(), &ignored);
      warm.arrive_and_wait();
      if (!statuses[i].ok()) return;
      statuses[i] =
          CallAlone(*callers[i], plan.total_calls / plan.workers, plan.pause, &results[i]);
    });
  }
  warm.arrive_and_wait();
  const SteadyTime start = std::chrono::steady_clock::now();
  for (std::thread& thread : threads) thread.join();
  LoadResult all{.elapsed = Since(start), .sizes = results.front().sizes};
  for (size_t i = 0; i < results.size(); ++i) {
    HV_RETURN_IF_ERROR(statuses[i]);
    all.latencies.insert(all.latencies.end(), results[i].latencies.begin(),
                         results[i].latencies.end());
    all.ask_latencies.insert(all.ask_latencies.end(), results[i].ask_latencies.begin(),
                             results[i].ask_latencies.end());
  }
  return all;
}

}  // namespace

absl::StatusOr<LoadResult> RunLoad(const LoadPlan& plan) {
  const std::string incarnation = absl::BytesToHexString(SecureRandomBytes(16));
  Callers callers;
  for (int i = 0; i < plan.workers; ++i) {
    callers.push_back(std::make_unique<Caller>(plan, incarnation, i));
  }
  HV_ASSIGN_OR_RETURN(LoadResult result, plan.clients == Clients::kOneQueue
                                             ? RunOneQueue(plan, callers)
                                             : RunBlocking(plan, callers));
  result.calls = static_cast<int64_t>(result.latencies.size());
  return result;
}

absl::Duration Quantile(std::vector<absl::Duration> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<size_t>(at)];
}

}  // namespace halving
