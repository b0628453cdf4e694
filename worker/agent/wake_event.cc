#include "worker/agent/wake_event.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "common/check.h"
#include "common/clock.h"

namespace halving {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

WakeEvent::WakeEvent() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), set_nanos_(kNever) {
  HV_CHECK(fd_.get() >= 0) << "eventfd: " << std::strerror(errno);
}

void WakeEvent::Set() {
  int64_t expected = kNever;
  const int64_t now = absl::ToUnixNanos(Clock::Real()->Now());
  if (!set_nanos_.compare_exchange_strong(expected, now)) return;
  const uint64_t one = 1;
  HV_CHECK(write(fd_.get(), &one, sizeof(one)) == sizeof(one)) << std::strerror(errno);
}

absl::Time WakeEvent::set_time() const {
  const int64_t nanos = set_nanos_.load();
  return nanos == kNever ? absl::InfiniteFuture() : absl::FromUnixNanos(nanos);
}

bool WakeEvent::WaitFor(absl::Duration timeout) const {
  pollfd poll_fd = {fd_.get(), POLLIN, 0};
  return PollFor(absl::MakeSpan(&poll_fd, 1), timeout) > 0;
}

int PollFor(absl::Span<pollfd> fds, absl::Duration timeout) {
  const absl::Time deadline = Clock::Real()->Now() + timeout;
  for (;;) {
    const absl::Duration left = std::clamp(deadline - Clock::Real()->Now(), absl::ZeroDuration(),
                                           absl::Duration(absl::Hours(24)));
    // Rounded up, or the last fraction of a millisecond would be a busy loop.
    const int64_t millis = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(millis));
    if (ready >= 0) return ready;
    HV_CHECK(errno == EINTR) << "poll: " << std::strerror(errno);
  }
}

}  // namespace halving
