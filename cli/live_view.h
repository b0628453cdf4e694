// LiveView: text that is redrawn in place on a terminal.
#ifndef HALVING_CLI_LIVE_VIEW_H_
#define HALVING_CLI_LIVE_VIEW_H_

#include <string>
#include <utility>

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
  // `more` says where the lines are to be seen that do not fit. The console is not owned.
  LiveView(std::string more, Console* console) : more_(std::move(more)), console_(console) {}

  // Replaces the last frame. Lines are clipped to the terminal, and those of `text` that do not fit
  // on it are counted instead; the line `footer`, below a blank one, is always there unless empty.
  void Draw(absl::string_view text, const std::string& footer);

  // Takes the last frame away: what is written next stands in its place.
  void Clear();

 private:
  const std::string more_;
  Console* const console_;
  int drawn_lines_ = 0;
};

}  // namespace halving

#endif  // HALVING_CLI_LIVE_VIEW_H_
