// UploadReactor: one caller of Upload.
#ifndef HALVING_SERVER_SERVICE_UPLOAD_REACTOR_H_
#define HALVING_SERVER_SERVICE_UPLOAD_REACTOR_H_

#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "halving/v1/checkpoint.pb.h"
#include "server/access/access.h"
#include "server/service/checkpoint_keeper.h"
#include "server/service/lease_id.h"

namespace halving {

// Takes the header, asks the engine whether the lease may upload, then writes chunk after chunk
// while the next ones come in, and at the end has the engine record the whole file. It deletes
// itself when gRPC is done with it. Thread-safe as gRPC uses it.
class UploadReactor : public grpc::ServerReadReactor<v1::UploadRequest> {
 public:
  // Ends at once with `caller`'s error.
  UploadReactor(CheckpointKeeper* keeper, const LeaseIds* lease_ids, const Access* access,
                const absl::StatusOr<Caller>& caller, grpc::CallbackServerContext* context,
                v1::UploadResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  ~UploadReactor() override = default;

  absl::Status ReadHeader();
  void Check();
  // On one of the keeper's threads, these.
  void Begin();
  void Work();
  void Record();

  void OnChunk(bool ok) ABSL_LOCKS_EXCLUDED(mu_);
  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  CheckpointKeeper* const keeper_;
  const LeaseIds* const lease_ids_;
  const Access* const access_;
  const Caller caller_;
  grpc::CallbackServerContext* const context_;
  v1::UploadResponse* const response_;
  CheckpointKeeper::Transfer transfer_;

  bool has_header_ = false;  // Until then one thing happens at a time.
  v1::CheckpointHeader header_;
  CheckpointUpload upload_;
  std::unique_ptr<IncomingCheckpoint> incoming_;  // Of the thread that works.

  v1::UploadRequest request_;  // Of gRPC while it reads.
  Mutex mu_;
  std::deque<std::string> chunks_ ABSL_GUARDED_BY(mu_);  // Not written yet.
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool working_ ABSL_GUARDED_BY(mu_) = false;
  bool all_came_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_UPLOAD_REACTOR_H_
