// DownloadReactor: one caller of Download.
#ifndef HALVING_SERVER_SERVICE_DOWNLOAD_REACTOR_H_
#define HALVING_SERVER_SERVICE_DOWNLOAD_REACTOR_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file_io.h"
#include "common/mutex.h"
#include "common/unique_fd.h"
#include "grpcpp/support/server_callback.h"
#include "halving/v1/checkpoint.pb.h"
#include "server/access/access.h"
#include "server/service/checkpoint_keeper.h"
#include "server/service/lease_id.h"

namespace halving {

// Asks the engine which checkpoint is meant, then sends it chunk by chunk; the next one is read
// from the disk while one is on its way. It deletes itself when gRPC is done with it. Thread-safe
// as gRPC uses it.
class DownloadReactor : public grpc::ServerWriteReactor<v1::DownloadResponse> {
 public:
  // Ends at once with `caller`'s error.
  DownloadReactor(CheckpointKeeper* keeper, const LeaseIds* lease_ids, const Access* access,
                  const absl::StatusOr<Caller>& caller, grpc::CallbackServerContext* context,
                  const v1::DownloadRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  ~DownloadReactor() override = default;

  void Find();
  absl::StatusOr<Checkpoint> FindIn(const Scheduler& scheduler) const;
  absl::StatusOr<const Trial*> TrialIn(const Scheduler& scheduler) const;
  // On one of the keeper's threads, these.
  void Begin();
  absl::Status Open();
  void ReadNext();

  bool Send() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End() ABSL_LOCKS_EXCLUDED(mu_);

  CheckpointKeeper* const keeper_;
  const LeaseIds* const lease_ids_;
  const Access* const access_;
  const Caller caller_;
  grpc::CallbackServerContext* const context_;
  const v1::DownloadRequest request_;
  CheckpointKeeper::Transfer transfer_;
  Checkpoint checkpoint_;
  UniqueFd fd_;
  PassThrough memory_{0};  // Hardly ever fetched twice in a row.

  Mutex mu_;
  int64_t offset_ ABSL_GUARDED_BY(mu_) = 0;  // Of what is read next.
  v1::DownloadResponse sending_ ABSL_GUARDED_BY(mu_);
  std::optional<v1::DownloadResponse> next_ ABSL_GUARDED_BY(mu_);
  v1::DownloadResponse spare_ ABSL_GUARDED_BY(mu_);  // Sent; its memory serves the one after next.
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_DOWNLOAD_REACTOR_H_
