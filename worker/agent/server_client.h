// ServerClient: the worker's two calls to the server, and what to make of their failures.
//
// Beside CheckpointClient the only one that knows grpc::Status: everything above sees absl::Status.
#ifndef HALVING_WORKER_AGENT_SERVER_CLIENT_H_
#define HALVING_WORKER_AGENT_SERVER_CLIENT_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/server_link.h"
#include "halving/v1/worker.grpc.pb.h"
#include "halving/v1/worker.pb.h"
#include "worker/agent/patience.h"

namespace halving {

// Whether the server has looked at the report and answered for good. Anything else leaves open
// whether it took effect; the same report again finds out.
bool IsAnswerToReport(const absl::Status& status);

// ServerClient calls WorkerService on one channel. The ...UntilAnswered calls ride out a server
// that is away: they try again with jittered, growing waits, without a limit. The log has one line
// when the server is lost and one when it is back. Thread-safe.
class ServerClient {
 public:
  // Connects at the first call.
  explicit ServerClient(const ServerLink& link);

  // Asks for work, with the request's own `wait`. CANCELLED once `patience` is over; any other
  // error is the server's refusal, which asking again would not change.
  absl::StatusOr<v1::SuggestResponse> SuggestUntilAnswered(const v1::SuggestRequest& request,
                                                           const Patience& patience);

  // Delivers a report. CANCELLED once `patience` is over; any other error is the server's answer.
  absl::StatusOr<v1::ReportResponse> ReportUntilAnswered(const v1::ReportRequest& request,
                                                         const Patience& patience);

  // One try of at most `timeout`. CANCELLED as well when `patience` was over first.
  absl::StatusOr<v1::ReportResponse> ReportOnce(const v1::ReportRequest& request,
                                                absl::Duration timeout, const Patience& patience);

  const std::string& address() const { return address_; }

 private:
  absl::StatusOr<v1::SuggestResponse> SuggestOnce(const v1::SuggestRequest& request,
                                                  absl::Duration timeout, const Patience& patience);
  // Keeps the log's account of whether the server is there.
  void NoteResult(const absl::Status& status, bool is_answer) ABSL_LOCKS_EXCLUDED(mu_);

  const std::string address_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;

  Mutex mu_;
  bool is_lost_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<bool> was_let_in_ = false;  // Once.
  absl::Time lost_since_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_SERVER_CLIENT_H_
