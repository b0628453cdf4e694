// LiveView: text that is redrawn in place on a terminal.
#ifndef HALVING_CLI_LIVE_VIEW_H_
#define HALVING_CLI_LIVE_VIEW_H_

#include <string>

#include "absl/strings/string_view.h"
#include "cli/console.h"

namespace halving {

// Shows one frame over the other with plain cursor movements; nothing above it is touched, and the
// last frame stays. The cursor is hidden only while a frame is written, so that whatever ends the
// process between two frames leaves the terminal as it was.
//
// Thread-compatible: one command draws.
class LiveView {
 public:
  explicit LiveView(Console* console) : console_(console) {}  // Not owned.

  // Replaces the last frame. Lines are clipped to the terminal, and those that do not fit on it are
  // counted instead.
  void Draw(absl::string_view text);

 private:
  Console* const console_;
  int drawn_lines_ = 0;
};

}  // namespace halving

#endif  // HALVING_CLI_LIVE_VIEW_H_
