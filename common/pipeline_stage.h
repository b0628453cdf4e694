// PipelineStage: work on a stream of chunks, beside what its caller does with the next one.
#ifndef HALVING_COMMON_PIPELINE_STAGE_H_
#define HALVING_COMMON_PIPELINE_STAGE_H_

#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace halving {

// Works on chunks in the order they came, on a thread of its own. At most two wait, so that memory
// stays flat when the work is slower than its caller. Thread-safe, for one caller at a time.
class PipelineStage {
 public:
  // `work` is called on the stage's thread; after its first error it is not called again.
  explicit PipelineStage(std::function<absl::Status(absl::string_view chunk)> work);
  // Works on what waits, then ends.
  ~PipelineStage();
  PipelineStage(const PipelineStage&) = delete;
  PipelineStage& operator=(const PipelineStage&) = delete;

  // Blocks while two chunks wait. The work's error, if it had one; the chunk is dropped then.
  absl::Status Add(std::string chunk) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until all chunks are worked on. The work's error, if it had one. More may follow.
  absl::Status Flush() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<absl::Status(absl::string_view)> work_;
  Mutex mu_;
  CondVar changed_;
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mu_);
  bool working_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // Made last, since it uses all of the others.
};

}  // namespace halving

#endif  // HALVING_COMMON_PIPELINE_STAGE_H_
