// ServerFixture: a whole server on a loopback port, and a client of it.
#ifndef HALVING_TESTS_SERVICE_SERVER_FIXTURE_H_
#define HALVING_TESTS_SERVICE_SERVER_FIXTURE_H_

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/rpc_status.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "halving/v1/checkpoint.grpc.pb.h"
#include "halving/v1/study.grpc.pb.h"
#include "halving/v1/worker.grpc.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/service/checkpoint_keeper.h"
#include "server/service/grpc_server.h"
#include "tests/service/messages.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_journal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {

using StudyStub = v1::StudyService::StubInterface;
using WorkerStub = v1::WorkerService::StubInterface;
using CheckpointStub = v1::CheckpointService::StubInterface;

// A call that has not ended by then never will; the test fails, instead of hanging.
constexpr std::chrono::seconds kCallTimeout{60};

// A channel with a connection of its own.
inline std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// GrpcServer and Engine, which runs on its own thread, on a FakeClock and a FaultJournal.
// Thread-safe but for the destructor.
class ServerFixture {
 public:
  // `before_start` may add what the engine must know of before it runs.
  explicit ServerFixture(const CheckpointStore::Quotas& quotas = {.free_bytes = 0},
                         const std::function<void(Engine*)>& before_start = nullptr) {
    absl::StatusOr<std::unique_ptr<Engine>> created = Engine::Create(&journal, &clock);
    HV_CHECK(created.ok()) << created.status();
    engine = *std::move(created);
    absl::StatusOr<std::unique_ptr<CheckpointStore>> opened =
        CheckpointStore::Open(folder.path() + "/checkpoints", "owner", quotas);
    HV_CHECK(opened.ok()) << opened.status();
    store = *std::move(opened);
    absl::StatusOr<std::unique_ptr<CheckpointKeeper>> kept =
        CheckpointKeeper::Create(engine.get(), store.get(), false);
    HV_CHECK(kept.ok()) << kept.status();
    keeper = *std::move(kept);
    absl::StatusOr<std::unique_ptr<Access>> let_in =
        Access::Open(folder.path(), Clock::Real(), {.needs_tokens = false});
    HV_CHECK(let_in.ok()) << let_in.status();
    access = *std::move(let_in);
    absl::StatusOr<std::unique_ptr<GrpcServer>> started =
        GrpcServer::Start("127.0.0.1:0", Parts(), journal.secret());
    HV_CHECK(started.ok()) << started.status();
    server = *std::move(started);
    if (before_start) before_start(engine.get());
    engine->Start();
    channel = Connect(server->address());
    studies = v1::StudyService::NewStub(channel);
    workers = v1::WorkerService::NewStub(channel);
    checkpoints = v1::CheckpointService::NewStub(channel);
  }
  ~ServerFixture() {
    engine->Drain();
    server->Shutdown(absl::Seconds(10));
    keeper->Stop();
    engine->Stop();
  }
  ServerFixture(const ServerFixture&) = delete;
  ServerFixture& operator=(const ServerFixture&) = delete;

  // ---- one call
  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> CallOn(
      Stub* stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      const Request& request, const std::function<void(grpc::ClientContext*)>& prepare = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    if (prepare) prepare(&context);
    Response response;
    const grpc::Status status = (stub->*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (StudyStub::*method)(grpc::ClientContext*,
                                                                  const Request&, Response*),
                                const Request& request) {
    return CallOn<StudyStub>(studies.get(), method, request);
  }
  absl::StatusOr<v1::SuggestResponse> Suggest(const v1::SuggestRequest& request) {
    return CallOn<WorkerStub>(workers.get(), &WorkerStub::Suggest, request);
  }
  absl::StatusOr<v1::ReportResponse> Report(const v1::ReportRequest& request) {
    return CallOn<WorkerStub>(workers.get(), &WorkerStub::Report, request);
  }
  absl::StatusOr<v1::Study> Create(const v1::StudySpec& spec) {
    v1::CreateStudyRequest request;
    *request.mutable_study() = spec;
    return Call(&StudyStub::CreateStudy, request);
  }
  // Of any call whose request holds but a name.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Named(grpc::Status (StudyStub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                 const std::string& name) {
    Request request;
    request.set_name(name);
    return Call(method, request);
  }

  // ---- calls that must go well
  v1::Assignment Take(const std::string& worker, const std::string& request_id) {
    const absl::StatusOr<v1::SuggestResponse> response = Suggest(AskOf(worker, request_id));
    EXPECT_THAT(response, IsOk());
    EXPECT_TRUE(response.ok() && response->has_assignment()) << worker << " got nothing";
    return response.ok() ? response->assignment() : v1::Assignment();
  }
  v1::StudyStatus Status(const std::string& name) {
    absl::StatusOr<v1::StudyStatus> status = Named(&StudyStub::GetStatus, name);
    EXPECT_THAT(status, IsOk());
    return status.ok() ? *std::move(status) : v1::StudyStatus();
  }
  v1::Trial Trial(const std::string& name, int64_t id) {
    v1::GetTrialRequest request;
    request.set_name(name);
    request.set_trial_id(id);
    absl::StatusOr<v1::Trial> trial = Call(&StudyStub::GetTrial, request);
    EXPECT_THAT(trial, IsOk());
    return trial.ok() ? *std::move(trial) : v1::Trial();
  }

  // ---- several at once
  // A long poll of a client of its own, on its own thread.
  std::future<absl::StatusOr<v1::SuggestResponse>> StartSuggest(v1::SuggestRequest request) {
    return std::async(std::launch::async, [this, request = std::move(request)] {
      const std::unique_ptr<WorkerStub> own = v1::WorkerService::NewStub(Connect(address()));
      // gRPC 1.51 looks at errno long after it called connect(); in a new thread its memory may
      // have left another there, and what still connects then counts as failed.
      return CallOn<WorkerStub>(
          own.get(), &WorkerStub::Suggest, request,
          [](grpc::ClientContext* context) { context->set_wait_for_ready(true); });
    });
  }
  // Until so many workers have been seen: an ask that was seen waits, or has been answered.
  void AwaitWorkers(int count) {
    Await(absl::StrCat(count, " workers"), [this, count] {
      const auto response = Call(&StudyStub::ListWorkers, v1::ListWorkersRequest());
      return response.ok() && response->workers_size() >= count;
    });
  }
  // Asks again and again: what comes to pass is done by other processes' threads.
  static void Await(const std::string& what, const std::function<bool()>& done) {
    const absl::Time deadline = Clock::Real()->Now() + absl::FromChrono(kCallTimeout);
    while (!done()) ASSERT_LT(Clock::Real()->Now(), deadline) << "never saw " << what;
  }
  // Calls that do not pass the engine: what the server was sent before has been read since.
  void LetTheServerRead() {
    for (int i = 0; i < 200; ++i) Call(&StudyStub::PlanStudy, v1::PlanStudyRequest()).IgnoreError();
  }

  // Time passes, as the engine would meet it: a second at most between two batches.
  void Pass(absl::Duration by) {
    while (by > absl::ZeroDuration()) {
      const absl::Duration step = std::min(by, absl::Seconds(1));
      clock.Advance(step);
      by -= step;
      RunBatch();
    }
  }
  // The engine has carried out all that it was sent before.
  void RunBatch() {
    const auto read = std::make_shared<std::promise<void>>();
    engine->PostRead([read](const absl::Status&, const Engine::View&) { read->set_value(); });
    read->get_future().wait();
  }

  // Asks that wait.
  size_t Waiting() {
    std::promise<size_t> waiting;
    engine->PostRead([&](const absl::Status&, const Engine::View& view) {
      waiting.set_value(view.waiting_asks);
    });
    return waiting.get_future().get();
  }

  const std::string& address() const { return server->address(); }

  GrpcServer::Parts Parts() {
    return {.keeper = keeper.get(), .logs = &logs, .metrics = &metrics, .access = access.get()};
  }

  FakeClock clock;
  FaultJournal journal;
  ServerMetrics metrics;
  TempDir folder;
  TrialLogs logs{folder.path() + "/logs.db", {}};
  std::unique_ptr<Access> access;  // Everybody may do everything.
  std::unique_ptr<Engine> engine;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<CheckpointKeeper> keeper;
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<StudyStub> studies;
  std::unique_ptr<WorkerStub> workers;
  std::unique_ptr<CheckpointStub> checkpoints;
};

// Keeps the engine's thread at the end of a batch until Release(): what is posted meanwhile is the
// next batch.
class HeldEngine {
 public:
  explicit HeldEngine(Engine& engine) {
    const auto held = std::make_shared<std::promise<void>>();
    engine.PostRead(
        [held, go_on = go_on_.get_future().share()](const absl::Status&, const Engine::View&) {
          held->set_value();
          go_on.wait();
        });
    held->get_future().wait();
  }
  void Release() { go_on_.set_value(); }

 private:
  std::promise<void> go_on_;
};

// A stream of statuses.
class Watcher {
 public:
  Watcher(ServerFixture& f, const v1::WatchStatusRequest& request) {
    context_.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    reader_ = f.studies->WatchStatus(&context_, request);
  }
  ~Watcher() {
    if (reader_ != nullptr) context_.TryCancel();
  }

  // The next status; it must come.
  v1::StudyStatus Next() {
    v1::StudyStatus status;
    EXPECT_TRUE(reader_->Read(&status)) << "the stream has ended";
    return status;
  }
  // How the stream ends; no other status may come before.
  absl::Status End() {
    v1::StudyStatus status;
    EXPECT_FALSE(reader_->Read(&status)) << status.ShortDebugString();
    const absl::Status end = FromGrpc(reader_->Finish());
    reader_ = nullptr;
    return end;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderInterface<v1::StudyStatus>> reader_;
};

inline v1::WatchStatusRequest WatchOf(const std::string& name, int64_t interval_seconds = 1) {
  v1::WatchStatusRequest request;
  request.set_name(name);
  request.mutable_min_interval()->set_seconds(interval_seconds);
  return request;
}

}  // namespace halving

#endif  // HALVING_TESTS_SERVICE_SERVER_FIXTURE_H_
