// CheckpointDir: the folder that the workers of one machine share for their checkpoints.
#ifndef HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_
#define HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"

namespace halving {

// CheckpointDir names, finds and removes checkpoint files. It never looks inside one.
//
// A checkpoint's id is its file name. What a trainer writes to first is hidden, `.worker-<16
// hex>.<n>.tmp`; a lock held on `.worker-<16 hex>.lock` says that its worker lives, whatever the
// process number, container or host, so that the next one to start may remove what a dead one left.
//
// Thread-compatible: the worker's main thread owns it.
class CheckpointDir {
 public:
  // Makes the folder if need be, and removes the temporary files of dead workers.
  // FAILED_PRECONDITION when it cannot be used.
  static absl::StatusOr<std::unique_ptr<CheckpointDir>> Open(const std::string& path);

  // Removes this worker's temporary files.
  ~CheckpointDir();

  CheckpointDir(const CheckpointDir&) = delete;
  CheckpointDir& operator=(const CheckpointDir&) = delete;

  // A new path that nobody else writes to, absolute.
  std::string NewTemporary();

  // Makes the whole file at `temporary` a checkpoint and returns its id. Renamed, not linked: a
  // trainer that overwrites its file in place must not reach this one. NOT_FOUND: no such file.
  absl::StatusOr<std::string> Publish(const std::string& temporary, absl::string_view study,
                                      int64_t trial_id, int64_t epoch);

  // Gives a checkpoint a new id, for another epoch; the old id is gone.
  absl::StatusOr<std::string> Relabel(const std::string& id, absl::string_view study,
                                      int64_t trial_id, int64_t epoch);

  // The absolute path of a checkpoint that can be read. INVALID_ARGUMENT when the id is not a
  // plain file name, NOT_FOUND when there is no such file here, PERMISSION_DENIED when it cannot
  // be read.
  absl::StatusOr<std::string> Find(const std::string& id) const;

  // Removes a checkpoint, or a temporary file by its path. Nothing happens if there is none.
  void Remove(const std::string& id);
  void RemoveTemporary(const std::string& temporary);

  // Absolute.
  const std::string& path() const { return path_; }

 private:
  explicit CheckpointDir(std::string path) : path_(std::move(path)) {}

  absl::Status TakeLock();
  void RemoveStale();
  absl::StatusOr<std::string> Rename(const std::string& from, absl::string_view study,
                                     int64_t trial_id, int64_t epoch);

  const std::string path_;
  std::string worker_;  // ".worker-<16 hex>"
  UniqueFd lock_;
  int64_t temporaries_ = 0;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_
