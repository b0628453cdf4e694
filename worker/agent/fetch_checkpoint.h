// FetchCheckpoint: the file that a trainer goes on from.
#ifndef HALVING_WORKER_AGENT_FETCH_CHECKPOINT_H_
#define HALVING_WORKER_AGENT_FETCH_CHECKPOINT_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/wake_event.h"

namespace halving {

// A file that can be read; one that nobody else needs goes with the object. Thread-compatible.
class FetchedCheckpoint {
 public:
  // `folder` is null when the file is not this object's to remove.
  FetchedCheckpoint(std::string path, CheckpointDir* folder)
      : path_(std::move(path)), folder_(folder) {}
  ~FetchedCheckpoint() {
    if (folder_ != nullptr) folder_->RemoveTemporary(path_);
  }
  FetchedCheckpoint(FetchedCheckpoint&& other) noexcept
      : path_(std::move(other.path_)), folder_(std::exchange(other.folder_, nullptr)) {}
  FetchedCheckpoint& operator=(FetchedCheckpoint&&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  CheckpointDir* folder_;
};

struct FetchRequest {
  std::string lease_id;
  std::string checkpoint_id;
  CheckpointClient* client = nullptr;
  CheckpointDir* folder = nullptr;
};

// Uses the copy in the folder if there is one with the bytes that the server stored; else fetches
// them, on a thread of its own. CANCELLED once `drop` or `leave` is set. NOT_FOUND, DATA_LOSS,
// INVALID_ARGUMENT: the checkpoint is of no use. Others: the server, the lease, or this disk.
absl::StatusOr<FetchedCheckpoint> FetchCheckpoint(const FetchRequest& request,
                                                  const WakeEvent& drop, const WakeEvent& leave);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_FETCH_CHECKPOINT_H_
