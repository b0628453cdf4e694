// CheckpointDir: the folder where a worker has checkpoints at hand.
#ifndef HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_
#define HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace halving {

// CheckpointDir names, finds and removes checkpoint files. It never looks inside one.
//
// A file whose name is a checkpoint's id and `@<tag>` is a copy of what the server has, so that it
// need not be fetched; workers of one machine may share the folder, and the tag tells servers
// apart. All others are hidden: what a trainer
// writes to first is `.worker-<16 hex>.<n>.tmp`; a lock held on `.worker-<16 hex>.lock` says that
// its worker lives, whatever the process number, container or host, so that the next one to start
// may remove what a dead one left.
//
// The folder may be the server's own, on a file system that both see; then the copies are the
// checkpoints themselves, and the server's to remove.
//
// Thread-safe.
class CheckpointDir {
 public:
  // Makes the folder if need be, and removes the temporary files of dead workers.
  // FAILED_PRECONDITION when it cannot be used.
  static absl::StatusOr<std::unique_ptr<CheckpointDir>> Open(const std::string& path,
                                                             const std::string& tag);

  // Removes this worker's temporary files.
  ~CheckpointDir();

  CheckpointDir(const CheckpointDir&) = delete;
  CheckpointDir& operator=(const CheckpointDir&) = delete;

  // A new path that nobody else writes to, absolute.
  std::string NewTemporary();

  // Gives the file at `temporary` another hidden name and returns its path, so that a trainer that
  // writes there again does not reach it. NOT_FOUND: no such file.
  absl::StatusOr<std::string> TakeAway(const std::string& temporary);

  // The file holds what the server has under that id: it becomes the copy, or goes.
  void Keep(const std::string& file, const std::string& id);

  // Whether a server keeps its checkpoints right here.
  bool IsServers() const;

  // The last part of a path in this folder.
  static std::string NameOf(const std::string& path);

  // A hidden name of its own for a checkpoint that Find() knows, which nobody else removes.
  absl::StatusOr<std::string> PrivateName(const std::string& id);

  // The absolute path of a checkpoint that can be read. INVALID_ARGUMENT when the id is not a
  // plain file name, NOT_FOUND when there is no such file here, PERMISSION_DENIED when it cannot
  // be read.
  absl::StatusOr<std::string> Find(const std::string& id) const;

  // The ids of copies that are this worker's to remove, in no order; 1,000 at most.
  std::vector<std::string> Copies() const;

  // Removes a copy; one of the server's own folder stays. Nothing happens if there is none.
  void RemoveCopy(const std::string& id);
  // The same of a hidden file, by its path.
  void RemoveTemporary(const std::string& temporary);
  // And of all that a trainer made beside it, under its name with something appended.
  void RemoveAllOf(const std::string& temporary);

  // Absolute.
  const std::string& path() const { return path_; }

 private:
  CheckpointDir(std::string path, const std::string& tag)
      : path_(std::move(path)), suffix_("@" + tag) {}

  absl::Status TakeLock();
  void RemoveStale();

  std::string CopyOf(const std::string& id) const { return path_ + "/" + id + suffix_; }

  const std::string path_;
  const std::string suffix_;
  std::string worker_;  // ".worker-<16 hex>"
  UniqueFd lock_;
  std::atomic<int64_t> temporaries_{0};
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_CHECKPOINT_DIR_H_
