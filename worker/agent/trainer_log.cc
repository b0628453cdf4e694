#include "worker/agent/trainer_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

// Many short lines must not be much more than few long ones, on the wire and in memory.
constexpr size_t kBytesBesideText = 16;

size_t CostOf(const std::string& line) { return line.size() + kBytesBesideText; }

// As a terminal leaves it: a progress bar draws itself anew after each carriage return.
absl::string_view LastDrawn(absl::string_view line) {
  line = absl::StripTrailingAsciiWhitespace(line);
  return line.substr(line.rfind('\r') + 1);  // npos + 1 is 0.
}

}  // namespace

bool TrainerLogBuffer::Add(absl::string_view line) {
  std::string text = FirstOf(LastDrawn(line), kMaxLineBytes);
  MutexLock lock(&mu_);
  const size_t before = bytes_;
  bytes_ += CostOf(text);
  lines_.push_back(std::move(text));
  const bool became_half_full = before <= kMaxBytes / 2 && bytes_ > kMaxBytes / 2;
  while (bytes_ > kMaxBytes) DropFirst();
  return became_half_full;
}

void TrainerLogBuffer::DropFirst() {
  bytes_ -= CostOf(lines_.front());
  lines_.pop_front();
  ++first_line_;
}

std::optional<v1::TrainerLog> TrainerLogBuffer::Unacknowledged() const {
  MutexLock lock(&mu_);
  if (lines_.empty()) return std::nullopt;
  v1::TrainerLog log;
  log.set_first_line(first_line_);
  for (const std::string& line : lines_) log.add_lines(line);
  return log;
}

void TrainerLogBuffer::Acknowledge(const v1::TrainerLog& sent) {
  MutexLock lock(&mu_);
  const int64_t next = sent.first_line() + sent.lines_size();
  while (!lines_.empty() && first_line_ < next) DropFirst();
}

bool TrainerLogBuffer::IsHalfFull() const {
  MutexLock lock(&mu_);
  return bytes_ > kMaxBytes / 2;
}

}  // namespace halving
