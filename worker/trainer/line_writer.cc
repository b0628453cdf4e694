#include "worker/trainer/line_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace halving {

absl::StatusOr<LineWriter> LineWriter::TakeStandardOutput() {
  const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot set standard output aside: ", std::strerror(errno)));
  }
  return LineWriter(fd);
}

LineWriter::LineWriter(LineWriter&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LineWriter::~LineWriter() {
  if (fd_ >= 0) close(fd_);
}

absl::Status LineWriter::Write(const std::string& line) {
  const std::string whole = line + "\n";
  absl::string_view rest = whole;
  while (!rest.empty()) {
    const ssize_t written = write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot write to the worker: ", std::strerror(errno)));
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace halving
