#include "worker/agent/line_splitter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace halving {

void LineSplitter::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const absl::string_view piece = bytes.substr(0, newline);
    const size_t room = max_line_bytes_ - partial_.text.size();
    absl::StrAppend(&partial_.text, piece.substr(0, room));
    if (piece.size() > room) partial_.too_long = true;
    if (newline == absl::string_view::npos) return;
    lines_.push_back(std::exchange(partial_, OutputLine()));
    bytes.remove_prefix(newline + 1);
  }
}

void LineSplitter::Finish() {
  if (!partial_.text.empty()) lines_.push_back(std::exchange(partial_, OutputLine()));
}

std::optional<OutputLine> LineSplitter::Next() {
  if (lines_.empty()) return std::nullopt;
  OutputLine line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

}  // namespace halving
