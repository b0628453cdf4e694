#include "worker/trainer/stop_signal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

// What the handler writes to; a handler takes no argument of ours.
std::atomic<int> handler_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free, "a handler must not wait for a lock");

void HandleSigterm(int) {
  const int error = errno;
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the descriptor is readable already.
  [[maybe_unused]] const ssize_t written = write(handler_fd, &one, sizeof(one));
  errno = error;
}

}  // namespace

absl::StatusOr<StopSignal> StopSignal::TakeSigterm() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return absl::InternalError(absl::StrCat("cannot set SIGTERM aside: ", std::strerror(errno)));
  }
  handler_fd = fd;
  struct sigaction action {};
  action.sa_handler = HandleSigterm;
  // No library's read or write may fail because of it.
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  return StopSignal(fd);
}

bool StopSignal::Raised() const {
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&waiting, 1, /*timeout=*/0);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace halving
