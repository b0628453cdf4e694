// FakeServer: a real gRPC server with just enough of WorkerService and CheckpointService for the
// worker's tests.
#ifndef HALVING_TESTS_AGENT_FAKE_SERVER_H_
#define HALVING_TESTS_AGENT_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "halving/v1/checkpoint.grpc.pb.h"
#include "halving/v1/worker.grpc.pb.h"
#include "tests/agent/test_util.h"

namespace halving {

// FakeCheckpoints keeps what is uploaded in memory, under the id "ckpt-<epoch>-<n>". Thread-safe.
class FakeCheckpoints : public v1::CheckpointService::Service {
 public:
  struct Stored {
    v1::CheckpointHeader header;
    std::string content;
  };
  // Called with each upload's header, before its bytes are taken. Not OK: the upload is refused.
  using OnUpload = std::function<grpc::Status(const v1::CheckpointHeader&, int nth)>;

  void Store(const std::string& id, const std::string& content, int64_t epoch);
  // What Download() sends instead of what was stored.
  void Damage(const std::string& id);
  void set_on_upload(OnUpload on_upload);
  // Uploads and downloads break off after so many chunks, as often as `times` says.
  void BreakOff(int after_chunks, int times);
  // These are unneeded, says FindUnneeded.
  void Forget(const std::string& id);

  std::map<std::string, Stored> stored() const;
  // The offsets of all downloads and uploads so far, in order; header-only downloads do not count.
  std::vector<int64_t> downloads() const;
  std::vector<int64_t> uploads() const;

 private:
  grpc::Status Upload(grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
                      v1::UploadResponse* response) override;
  grpc::Status GetUploadOffset(grpc::ServerContext* context,
                               const v1::GetUploadOffsetRequest* request,
                               v1::GetUploadOffsetResponse* response) override;
  grpc::Status Download(grpc::ServerContext* context, const v1::DownloadRequest* request,
                        grpc::ServerWriter<v1::DownloadResponse>* writer) override;
  grpc::Status FindUnneeded(grpc::ServerContext* context, const v1::FindUnneededRequest* request,
                            v1::FindUnneededResponse* response) override;
  // Whether this chunk is the last one that goes through.
  bool BreaksAt(int chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::map<std::string, Stored> stored_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> parts_ ABSL_GUARDED_BY(mu_);  // By SHA-256.
  std::set<std::string> damaged_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> forgotten_ ABSL_GUARDED_BY(mu_);
  std::vector<int64_t> downloads_ ABSL_GUARDED_BY(mu_);
  std::vector<int64_t> uploads_ ABSL_GUARDED_BY(mu_);
  OnUpload on_upload_ ABSL_GUARDED_BY(mu_);
  int break_after_ ABSL_GUARDED_BY(mu_) = 0;
  int breaks_left_ ABSL_GUARDED_BY(mu_) = 0;
};

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

  FakeCheckpoints& checkpoints() { return checkpoints_; }

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

  FakeCheckpoints checkpoints_;
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
