#include "worker/agent/signal_watcher.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

bool IsIgnored(int number) {
  struct sigaction action = {};
  return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

sigset_t LeaveSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    if (!IsIgnored(number)) sigaddset(&signals, number);
  }
  return signals;
}

SignalWatcher::SignalWatcher(Leave* leave, std::function<void()> on_leave)
    : leave_(leave), on_leave_(std::move(on_leave)) {
  const sigset_t signals = LeaveSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  HV_CHECK(signal_fd_.get() >= 0) << "signalfd: " << std::strerror(errno);
  thread_ = std::thread([this] { Loop(); });
}

SignalWatcher::~SignalWatcher() {
  quit_.Set();
  thread_.join();
}

void SignalWatcher::Loop() {
  while (!quit_.IsSet()) {
    pollfd fds[] = {{quit_.fd(), POLLIN, 0}, {signal_fd_.get(), POLLIN, 0}};
    PollFor(absl::MakeSpan(fds), absl::InfiniteDuration());
    signalfd_siginfo info = {};
    if (read(signal_fd_.get(), &info, sizeof(info)) != sizeof(info)) continue;
    const int number = static_cast<int>(info.ssi_signo);
    if (leave_->requested()) _exit(128 + number);
    spdlog::info("SIG{}: leaving; a second signal ends at once", sigabbrev_np(number));
    leave_->Request(absl::StrCat("worker is leaving (SIG", sigabbrev_np(number), ")"));
    if (on_leave_ != nullptr) on_leave_();
  }
}

}  // namespace halving
