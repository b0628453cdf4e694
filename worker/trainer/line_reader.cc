#include "worker/trainer/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

absl::Status CannotRead(int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot read from the worker: ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::optional<std::string>> LineReader::ReadLine() {
  size_t searched = 0;
  while (true) {
    const size_t newline = pending_.find('\n', searched);
    const bool have_line = newline != std::string::npos || at_end_;
    HV_ASSIGN_OR_RETURN(const bool stopped, WaitForInputOrStop(have_line));
    if (stopped || (at_end_ && pending_.empty())) return std::nullopt;
    if (newline == std::string::npos && at_end_) return std::exchange(pending_, "");
    if (newline != std::string::npos) {
      std::string line = pending_.substr(0, newline);
      pending_.erase(0, newline + 1);
      return line;
    }
    searched = pending_.size();
    HV_RETURN_IF_ERROR(ReadMore());
  }
}

absl::StatusOr<bool> LineReader::WaitForInputOrStop(bool have_line) const {
  pollfd waiting[] = {{.fd = stop_fd_, .events = POLLIN, .revents = 0},
                      {.fd = input_fd_, .events = POLLIN, .revents = 0}};
  while (poll(waiting, 2, have_line ? 0 : -1) < 0) {
    if (errno != EINTR) return CannotRead(errno);
  }
  return waiting[0].revents != 0;
}

absl::Status LineReader::ReadMore() {
  const size_t before = pending_.size();
  pending_.resize(before + kReadBytes);
  const ssize_t got = read(input_fd_, pending_.data() + before, kReadBytes);
  const int error = errno;
  pending_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got < 0 && error != EINTR) return CannotRead(error);
  at_end_ = got == 0;
  return absl::OkStatus();
}

}  // namespace halving
