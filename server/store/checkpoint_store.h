// CheckpointStore: the files of checkpoints on the server's disk.
#ifndef HALVING_SERVER_STORE_CHECKPOINT_STORE_H_
#define HALVING_SERVER_STORE_CHECKPOINT_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto.h"
#include "common/file_io.h"
#include "common/mutex.h"
#include "common/pipeline_stage.h"
#include "common/unique_fd.h"
#include "server/core/commands.h"

namespace halving {

class CheckpointStore;

// What is to come in.
struct CheckpointUpload {
  LeaseKey lease;
  std::string checkpoint_id;
  int64_t bytes = 0;
  std::string sha256;  // 32 bytes.
};

// A checkpoint on its way in. What has come stays when the object goes, so that another one may go
// on from there. Thread-compatible; its methods block on the disk.
class IncomingCheckpoint {
 public:
  ~IncomingCheckpoint();
  IncomingCheckpoint(const IncomingCheckpoint&) = delete;
  IncomingCheckpoint& operator=(const IncomingCheckpoint&) = delete;

  // INVALID_ARGUMENT: more bytes than were declared. RESOURCE_EXHAUSTED: the disk is full, or soon
  // would be; what came is dropped. ABORTED: another upload of the same bytes has taken over.
  absl::Status Append(std::string chunk);

  // Makes it a whole file, durable, under its id. INVALID_ARGUMENT when bytes are missing (what
  // came stays), or are not those whose hash was declared (all is dropped).
  absl::Status Finish();

 private:
  friend class CheckpointStore;
  struct Turn;

  IncomingCheckpoint(CheckpointStore* store, CheckpointUpload upload, std::string part,
                     std::shared_ptr<Turn> turn);
  absl::Status Open(int64_t offset);
  absl::Status CheckWhole();

  CheckpointStore* const store_;
  const CheckpointUpload upload_;
  const std::string part_;  // Its path until it is whole.
  const std::shared_ptr<Turn> turn_;
  UniqueFd fd_;
  int64_t began_at_ = 0;
  int64_t received_ = 0;
  int64_t noted_ = 0;      // Up to where the store was told.
  PassThrough memory_{0};  // Checkpoints are stored often and fetched seldom.
  Sha256Stream hash_;
  PipelineStage<std::string> hashing_;  // Of one chunk while the next one is written.
};

// CheckpointStore keeps whole files under their ids, and parts of those on their way. It does not
// know which ones are needed: it is told. Quotas hold for what is declared, before it comes.
//
// Thread-safe. Methods block on the disk, except where they say that they do not.
class CheckpointStore {
 public:
  struct Quotas {
    int64_t each_bytes = int64_t{16} << 30;
    int64_t total_bytes = int64_t{256} << 30;
    int64_t free_bytes = int64_t{1} << 30;  // That stay free on the disk, for the journal.
  };

  // Makes the folder if need be, and marks it as `owner`'s. FAILED_PRECONDITION: another server
  // uses it, or did; PERMISSION_DENIED and others: what the system says.
  static absl::StatusOr<std::unique_ptr<CheckpointStore>> Open(const std::string& folder,
                                                               const std::string& owner,
                                                               const Quotas& quotas);

  // At the start: keeps the files in `needed` and the parts of leases that are open, and removes
  // all other ones of its own kind. The ids in `needed` that have no whole file.
  absl::StatusOr<std::vector<std::string>> Sweep(const std::vector<std::string>& needed,
                                                 const std::function<bool(LeaseKey)>& is_open);

  // How much of an upload has come in.
  int64_t OffsetOf(const LeaseKey& lease, absl::string_view sha256);

  // Begins an upload, or goes on with one; another one that is under way ends then.
  // RESOURCE_EXHAUSTED: a quota, and which. ABORTED: `offset` is behind what has come, or yet
  // another one took over.
  absl::StatusOr<std::unique_ptr<IncomingCheckpoint>> Begin(const CheckpointUpload& upload,
                                                            int64_t offset);

  // Takes over a durable file that a worker has put into this folder; it may remove its own name
  // then. NOT_FOUND: it is not there, or cannot be read. INVALID_ARGUMENT: its name is none that
  // workers use, or its size is not the declared one.
  absl::Status Adopt(const CheckpointUpload& upload, const std::string& name);

  // NOT_FOUND when it has no whole file of that id.
  absl::StatusOr<UniqueFd> OpenToRead(const std::string& checkpoint_id) const;
  std::string PathOf(const std::string& checkpoint_id) const;

  // These are not needed any more. Does not block: RemoveDoomed() does the work.
  void Doom(const std::vector<std::string>& checkpoint_ids) ABSL_LOCKS_EXCLUDED(doomed_mu_);
  void RemoveDoomed() ABSL_LOCKS_EXCLUDED(mu_, doomed_mu_, removing_mu_);
  // The leases of parts that nobody is sending at present, and the end of those parts.
  std::vector<LeaseKey> IdleParts() ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveParts(const LeaseKey& lease) ABSL_LOCKS_EXCLUDED(mu_);

  // Whether this server has never used the folder before. Disown() leaves it as one that it never
  // used.
  bool is_newly_made() const { return newly_made_; }
  void Disown();

  // Of whole files and of declared parts.
  int64_t total_bytes() const ABSL_LOCKS_EXCLUDED(mu_);
  const std::string& folder() const { return folder_; }

 private:
  friend class IncomingCheckpoint;
  struct Part {
    LeaseKey lease;
    int64_t bytes = 0;     // Declared.
    int64_t received = 0;  // About.
    std::weak_ptr<IncomingCheckpoint::Turn> turn;
  };

  CheckpointStore(std::string folder, const Quotas& quotas)
      : folder_(std::move(folder)), quotas_(quotas) {}

  absl::Status Own(const std::string& owner);
  // What is free on the disk, in bytes.
  absl::StatusOr<int64_t> FreeBytes() const;
  // Of what is free, `coming` bytes of this one and all that others have declared are spoken for.
  absl::Status CheckFree(int64_t free, int64_t coming) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckQuotas(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Enters the part, whose turn is `turn`'s now; the turn before it, if there is one.
  absl::StatusOr<std::shared_ptr<IncomingCheckpoint::Turn>> Enter(
      const std::string& name, const CheckpointUpload& upload, int64_t offset, int64_t free,
      const std::shared_ptr<IncomingCheckpoint::Turn>& turn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckNotDoomed(const std::string& checkpoint_id) ABSL_LOCKS_EXCLUDED(doomed_mu_);
  // It is a whole file now; what came of it in this turn, if in one, is no part any more.
  void Count(const CheckpointUpload& upload, const IncomingCheckpoint::Turn* turn)
      ABSL_LOCKS_EXCLUDED(mu_);
  // So much of a part has come. RESOURCE_EXHAUSTED: less stays free than should.
  absl::Status Note(const std::string& part, int64_t received) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes a part, unless another turn has begun.
  void DropPart(const std::string& part, const IncomingCheckpoint::Turn* turn)
      ABSL_LOCKS_EXCLUDED(mu_);

  const std::string folder_;
  const Quotas quotas_;
  UniqueFd lock_;
  bool newly_made_ = false;

  Mutex removing_mu_;  // One at a time.
  Mutex doomed_mu_;    // Never held over a system call: the engine's thread takes it.
  absl::btree_set<std::string> doomed_ ABSL_GUARDED_BY(doomed_mu_);
  mutable Mutex mu_;                                                  // Nor this one.
  absl::btree_map<std::string, int64_t> whole_ ABSL_GUARDED_BY(mu_);  // By id, in bytes.
  absl::btree_map<std::string, Part> parts_ ABSL_GUARDED_BY(mu_);     // By file name.
  int64_t total_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_CHECKPOINT_STORE_H_
