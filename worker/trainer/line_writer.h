// Keeps standard output for the protocol alone.
#ifndef HALVING_WORKER_TRAINER_LINE_WRITER_H_
#define HALVING_WORKER_TRAINER_LINE_WRITER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace halving {

// LineWriter owns the descriptor that was standard output when the process started.
//
// Thread-compatible: only the thread that runs jobs writes.
class LineWriter {
 public:
  // From now on all that the process prints, a library's notices included, goes to standard error,
  // and only this writer reaches the worker.
  static absl::StatusOr<LineWriter> TakeStandardOutput();

  LineWriter(LineWriter&& other) noexcept;
  LineWriter& operator=(LineWriter&&) = delete;
  ~LineWriter();

  // Writes the line and a newline at once, unbuffered. UNAVAILABLE: the reader is gone.
  absl::Status Write(const std::string& line);

 private:
  explicit LineWriter(int fd) : fd_(fd) {}

  int fd_;  // -1 when moved from.
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_LINE_WRITER_H_
