// PipelineStage: work on a stream of chunks, beside what its caller does with the next one.
#ifndef HALVING_COMMON_PIPELINE_STAGE_H_
#define HALVING_COMMON_PIPELINE_STAGE_H_

#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/mutex.h"

namespace halving {

// Works on chunks in the order they came, on a thread of its own. At most two wait, so that memory
// stays flat when the work is slower than its caller. Thread-safe, for one caller at a time.
template <typename Chunk>
class PipelineStage {
 public:
  using Work = std::function<absl::Status(const Chunk& chunk)>;

  // `work` is called on the stage's thread; after its first error it is not called again.
  explicit PipelineStage(Work work) : work_(std::move(work)), thread_([this] { Loop(); }) {}
  // Works on what waits, then ends.
  ~PipelineStage();
  PipelineStage(const PipelineStage&) = delete;
  PipelineStage& operator=(const PipelineStage&) = delete;

  // Blocks while two chunks wait. The work's error, if it had one; the chunk is dropped then.
  absl::Status Add(Chunk chunk) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until all chunks are worked on. The work's error, if it had one. More may follow.
  absl::Status Flush() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  static constexpr size_t kMostWaiting = 2;

  const Work work_;
  Mutex mu_;
  CondVar changed_;
  std::deque<Chunk> waiting_ ABSL_GUARDED_BY(mu_);
  bool working_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // Made last, since it uses all of the others.
};

template <typename Chunk>
PipelineStage<Chunk>::~PipelineStage() {
  {
    MutexLock lock(&mu_);
    closed_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

template <typename Chunk>
absl::Status PipelineStage<Chunk>::Add(Chunk chunk) {
  MutexLock lock(&mu_);
  while (status_.ok() && waiting_.size() >= kMostWaiting) changed_.Wait(&mu_);
  if (!status_.ok()) return status_;
  waiting_.push_back(std::move(chunk));
  changed_.NotifyAll();
  return absl::OkStatus();
}

template <typename Chunk>
absl::Status PipelineStage<Chunk>::Flush() {
  MutexLock lock(&mu_);
  while (working_ || !waiting_.empty()) changed_.Wait(&mu_);
  return status_;
}

template <typename Chunk>
void PipelineStage<Chunk>::Loop() {
  for (;;) {
    Chunk chunk;
    {
      MutexLock lock(&mu_);
      working_ = false;
      changed_.NotifyAll();
      while (waiting_.empty() && !closed_) changed_.Wait(&mu_);
      if (waiting_.empty()) return;
      chunk = std::move(waiting_.front());
      waiting_.pop_front();
      working_ = true;
      changed_.NotifyAll();
    }
    const absl::Status status = work_(chunk);
    if (status.ok()) continue;
    MutexLock lock(&mu_);
    status_ = status;
    waiting_.clear();
    working_ = false;
    changed_.NotifyAll();
    return;
  }
}

}  // namespace halving

#endif  // HALVING_COMMON_PIPELINE_STAGE_H_
