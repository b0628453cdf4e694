// Client: a server's services as plain function calls. The only file that knows grpc::Status.
#ifndef HALVING_CLI_CLIENT_H_
#define HALVING_CLI_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/server_link.h"
#include "halving/v1/admin.grpc.pb.h"
#include "halving/v1/checkpoint.grpc.pb.h"
#include "halving/v1/study.grpc.pb.h"

namespace halving {

// What to tell a person about a refused or failed call: the code in words, the server's message,
// and what to do. Two lines, each ended, with nothing in them that drives a terminal.
std::string ExplainFailure(const absl::Status& status, const std::string& server);

// Whether the server, or the way to it, went away, so that the same request may succeed later.
bool IsConnectionLoss(const absl::Status& status);

// Calls one server. It retries nothing: a person is waiting, and WatchCommand has a loop of its
// own. Each call is an absl::Status with the server's code and message.
//
// Thread-compatible: one command uses it, from one thread.
class Client {
 public:
  // Connects on the first call. `timeout` is for each call but the streams.
  Client(const ServerLink& link, absl::Duration timeout);

  const std::string& server() const { return server_; }

  absl::StatusOr<v1::StudyPlan> PlanStudy(const v1::StudySpec& spec);
  absl::StatusOr<v1::Study> CreateStudy(const v1::StudySpec& spec);
  absl::StatusOr<v1::Study> GetStudy(const std::string& name);
  absl::StatusOr<v1::StudyStatus> GetStatus(const std::string& name);
  absl::StatusOr<v1::Trial> GetTrial(const std::string& name, int64_t trial_id);
  absl::StatusOr<v1::TrialLog> GetTrialLog(const std::string& name, int64_t trial_id);
  absl::StatusOr<v1::Study> PauseStudy(const std::string& name);
  absl::StatusOr<v1::Study> ResumeStudy(const std::string& name);
  absl::StatusOr<v1::Study> StopStudy(const std::string& name);
  absl::StatusOr<v1::Study> ExtendStudy(const std::string& name, const v1::Limits& limits);
  absl::Status DeleteStudy(const std::string& name);

  // All pages.
  absl::StatusOr<std::vector<v1::Study>> ListStudies();
  absl::StatusOr<std::vector<v1::Worker>> ListWorkers();

  // Calls `each` for the trials that `request` names, over all its pages, until it returns false.
  absl::Status ForEachTrial(v1::ListTrialsRequest request,
                            absl::FunctionRef<bool(const v1::Trial&)> each);
  // The same, for `limit` of them at most; 0: all.
  absl::Status ForEachTrial(v1::ListTrialsRequest request, int64_t limit,
                            absl::FunctionRef<void(const v1::Trial&)> each);
  absl::StatusOr<std::vector<v1::Trial>> ListTrials(const std::string& name);

  // Calls `each` for every status until the stream ends, and says how it ended.
  absl::Status WatchStatus(const std::string& name, absl::Duration min_interval,
                           absl::FunctionRef<void(const v1::StudyStatus&)> each);

  // Calls `each` for the header and every chunk of a checkpoint, in order, until it returns false.
  absl::Status Download(const v1::DownloadRequest& request,
                        absl::FunctionRef<bool(const v1::DownloadResponse&)> each);

  absl::StatusOr<v1::CreateTokenResponse> CreateToken(const v1::CreateTokenRequest& request);
  absl::StatusOr<std::vector<v1::Token>> ListTokens();
  absl::Status RevokeToken(const std::string& name);

  // Calls `each` for every part of a backup, in order, until it returns false.
  absl::Status Backup(absl::FunctionRef<bool(const v1::BackupResponse&)> each);

 private:
  template <typename Stub, typename Request, typename Response>
  using Rpc = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> CallOn(Stub* stub, Rpc<Stub, Request, Response> rpc,
                                  const Request& request);
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Rpc<v1::StudyService::Stub, Request, Response> rpc,
                                const Request& request) {
    return CallOn(stub_.get(), rpc, request);
  }

  const std::string server_;
  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::StudyService::Stub> stub_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace halving

#endif  // HALVING_CLI_CLIENT_H_
