#include "cli/live_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/text.h"

namespace halving {

void LiveView::Draw(absl::string_view text, const std::string& footer) {
  const TerminalSize size = console_->size();
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  // The cursor rests on the line below the frame.
  const size_t room = static_cast<size_t>(std::max(2, size.rows - 1 - (footer.empty() ? 0 : 2)));
  std::string more;
  if (lines.size() > room) {
    more = absl::StrCat("... and ", Plural(static_cast<int64_t>(lines.size() - room + 1), "line"),
                        " more; ", more_);
    lines.resize(room - 1);
    lines.push_back(more);
  }
  if (!footer.empty()) lines.insert(lines.end(), {"", footer});
  std::string frame = "\x1b[?25l";
  if (drawn_lines_ > 0) absl::StrAppend(&frame, "\x1b[", drawn_lines_, "A");
  for (const absl::string_view line : lines) {
    // One column is kept free: some terminals wrap as soon as the last one is written.
    absl::StrAppend(&frame, ClipToWidth(line, size.columns - 1, console_->options.unicode),
                    "\x1b[K\n");
  }
  absl::StrAppend(&frame, "\x1b[J\x1b[?25h");
  *console_->out << frame << std::flush;
  drawn_lines_ = static_cast<int>(lines.size());
}

void LiveView::Clear() {
  if (drawn_lines_ > 0) *console_->out << "\x1b[" << drawn_lines_ << "A\x1b[J" << std::flush;
  drawn_lines_ = 0;
}

}  // namespace halving
