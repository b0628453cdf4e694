// Uploader: takes the checkpoints of one job to the server while its training goes on.
#ifndef HALVING_WORKER_AGENT_UPLOADER_H_
#define HALVING_WORKER_AGENT_UPLOADER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/wake_event.h"

namespace halving {

// One upload at a time, on a thread of its own. While one is under way only the newest of those
// that came meanwhile is kept: nobody would go on from the others. Thread-safe.
class Uploader {
 public:
  // Called on the uploader's thread, once the server has a checkpoint.
  using OnStored = std::function<void(const std::string& id, int64_t epoch)>;

  // `name` is for the log. Nothing is owned.
  Uploader(CheckpointClient* client, CheckpointDir* folder, std::string lease_id, std::string name,
           OnStored on_stored);
  // Breaks off what is under way.
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Takes the file over.
  void Add(std::string file, int64_t epoch) ABSL_LOCKS_EXCLUDED(mu_);

  // The newest file holds this epoch, after all. False when there is none any more.
  bool Relabel(int64_t epoch) ABSL_LOCKS_EXCLUDED(mu_);

  // No more files will be added. `done()` is set once all that can be stored has been.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);
  const WakeEvent& done() const { return done_; }

  // The id of this epoch's checkpoint; empty when the server does not have it.
  std::string StoredAt(int64_t epoch) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct File {
    std::string path;
    int64_t epoch = 0;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<File> Next() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the file was given another epoch while it was sent.
  bool Store(const File& file) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> Send(const File& file);

  CheckpointClient* const client_;
  CheckpointDir* const folder_;
  const std::string lease_id_;
  const std::string name_;
  const OnStored on_stored_;

  WakeEvent quit_;
  WakeEvent done_;
  mutable Mutex mu_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<File> waiting_ ABSL_GUARDED_BY(mu_);
  std::optional<File> sending_ ABSL_GUARDED_BY(mu_);
  std::string stored_id_ ABSL_GUARDED_BY(mu_);  // The newest.
  int64_t stored_epoch_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_UPLOADER_H_
