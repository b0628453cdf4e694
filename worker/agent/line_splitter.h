// LineSplitter: bytes in, lines out, with a bound on what it keeps.
#ifndef HALVING_WORKER_AGENT_LINE_SPLITTER_H_
#define HALVING_WORKER_AGENT_LINE_SPLITTER_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace halving {

// A line without its newline. One that is too long holds its beginning only.
struct OutputLine {
  std::string text;
  bool too_long = false;
};

// LineSplitter cuts a stream at its newlines. Thread-compatible.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  void Append(absl::string_view bytes);

  // Ends the stream: what has come since the last newline is a line too.
  void Finish();

  // The next whole line, if there is one.
  std::optional<OutputLine> Next();

 private:
  const size_t max_line_bytes_;
  OutputLine partial_;
  std::deque<OutputLine> lines_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_LINE_SPLITTER_H_
