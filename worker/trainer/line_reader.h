// Lines from a descriptor, until somebody says stop.
#ifndef HALVING_WORKER_TRAINER_LINE_READER_H_
#define HALVING_WORKER_TRAINER_LINE_READER_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace halving {

// LineReader waits for the next line and for the end of waiting at once. It owns neither
// descriptor.
//
// Thread-compatible: the thread that runs jobs reads.
class LineReader {
 public:
  // Reads from `input_fd` until `stop_fd` becomes readable.
  LineReader(int input_fd, int stop_fd) : input_fd_(input_fd), stop_fd_(stop_fd) {}

  // The next line without its newline; the last one needs none. None at the end of the input, and
  // as soon as `stop_fd` is readable, whatever has been read by then. UNAVAILABLE: it cannot be
  // read.
  absl::StatusOr<std::optional<std::string>> ReadLine();

 private:
  // Waits for input, unless a line is there already; whether it is time to stop.
  absl::StatusOr<bool> WaitForInputOrStop(bool have_line) const;
  absl::Status ReadMore();

  const int input_fd_;
  const int stop_fd_;
  std::string pending_;  // Read, but not given out yet.
  bool at_end_ = false;
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_LINE_READER_H_
