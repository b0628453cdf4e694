// TrainerLogBuffer: what a trainer printed for people, until the server has it.
#ifndef HALVING_WORKER_AGENT_TRAINER_LOG_H_
#define HALVING_WORKER_AGENT_TRAINER_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "halving/v1/worker.pb.h"

namespace halving {

// Numbers the lines of one attempt from 1 and keeps those that the server has not acknowledged. Of
// too many the oldest are dropped, which leaves a gap in the numbers.
//
// Thread-safe.
class TrainerLogBuffer {
 public:
  // Of all lines together, as they count here: each has a little more than its bytes.
  static constexpr size_t kMaxBytes = 64 << 10;
  static constexpr size_t kMaxLineBytes = 2048;

  // Takes a line without its newline, whatever bytes it holds. True when it has made the buffer
  // half full, so that the server should hear of it before more is dropped.
  bool Add(absl::string_view line) ABSL_LOCKS_EXCLUDED(mu_);

  // What the server has not acknowledged; none when that is nothing.
  std::optional<v1::TrainerLog> Unacknowledged() const ABSL_LOCKS_EXCLUDED(mu_);

  // The server has these.
  void Acknowledge(const v1::TrainerLog& sent) ABSL_LOCKS_EXCLUDED(mu_);

  bool IsHalfFull() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void DropFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mu_);
  int64_t first_line_ ABSL_GUARDED_BY(mu_) = 1;  // The number of lines_.front(), or of the next.
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TRAINER_LOG_H_
