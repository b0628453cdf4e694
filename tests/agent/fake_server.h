// FakeServer: a real gRPC server with just enough of WorkerService for the worker's tests.
#ifndef HALVING_TESTS_AGENT_FAKE_SERVER_H_
#define HALVING_TESTS_AGENT_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "halving/v1/worker.grpc.pb.h"
#include "tests/agent/test_util.h"

namespace halving {

// FakeServer hands out what it is given, in order, remembers every request, and answers reports as
// it is told. What it remembers outlives its restarts. Thread-safe.
class FakeServer : private v1::WorkerService::Service {
 public:
  struct Answer {
    grpc::Status status;
    v1::ReportResponse response;
  };
  // The answer to a report; none: the usual one. `nth` counts from 0.
  using OnReport = std::function<std::optional<Answer>(const v1::ReportRequest&, int nth)>;
  // The refusal of an ask, or OK. May fill in an answer without an assignment, which is then sent.
  using OnSuggest =
      std::function<grpc::Status(const v1::SuggestRequest&, int nth, v1::SuggestResponse*)>;

  // Finds a free port, and listens if `started`.
  explicit FakeServer(bool started = true);
  ~FakeServer() override { Stop(); }

  // On the same port as before.
  void Start();
  void Stop();

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  void Add(const v1::Assignment& assignment);
  // The same, from within a hook.
  void AddFromHook(const v1::Assignment& assignment) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    queue_.push_back(assignment);
  }
  void set_on_report(OnReport on_report);
  void set_on_suggest(OnSuggest on_suggest);

  std::vector<v1::SuggestRequest> asks() const;
  std::vector<v1::ReportRequest> reports() const;
  std::vector<v1::ReportRequest> final_reports() const;
  std::vector<v1::ReportRequest> progress_reports() const;

 private:
  grpc::Status Suggest(grpc::ServerContext* context, const v1::SuggestRequest* request,
                       v1::SuggestResponse* response) override;
  grpc::Status Report(grpc::ServerContext* context, const v1::ReportRequest* request,
                      v1::ReportResponse* response) override;
  bool TryAssign(const v1::SuggestRequest& request, v1::SuggestResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;

  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<v1::Assignment> queue_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, v1::Assignment> by_request_id_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::SuggestRequest> asks_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::ReportRequest> reports_ ABSL_GUARDED_BY(mu_);
  OnReport on_report_ ABSL_GUARDED_BY(mu_);
  OnSuggest on_suggest_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_TESTS_AGENT_FAKE_SERVER_H_
