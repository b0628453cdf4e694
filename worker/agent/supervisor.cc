#include "worker/agent/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/argv.h"
#include "common/check.h"
#include "common/clock.h"
#include "spdlog/spdlog.h"
#include "worker/agent/signal_watcher.h"

namespace halving {
namespace {

constexpr int kDiedBySignal = 128;  // As a shell says it.

absl::Time Now() { return Clock::Real()->Now(); }

// The child's end must not be kSupervisorFd already, where it would be closed on exec.
UniqueFd AboveSupervisorFd(int fd) {
  UniqueFd moved(fcntl(fd, F_DUPFD_CLOEXEC, kSupervisorFd + 1));
  HV_CHECK(moved.get() >= 0) << "fcntl: " << std::strerror(errno);
  close(fd);
  return moved;
}

// The process id, or the negative error.
int Spawn(std::vector<std::string> arguments, const sigset_t& mask, int lifeline) {
  std::vector<char*> argv = Argv(arguments);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, lifeline, kSupervisorFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -error;
}

// `arguments` without an option that takes a value, "--name value" or "--name=value".
std::vector<std::string> Without(const std::vector<std::string>& arguments,
                                 const std::string& name) {
  std::vector<std::string> kept;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == name) {
      ++i;
    } else if (!absl::StartsWith(arguments[i], absl::StrCat(name, "="))) {
      kept.push_back(arguments[i]);
    }
  }
  return kept;
}

}  // namespace

std::vector<std::string> SupervisedArguments(const std::vector<std::string>& arguments,
                                             const std::string& device, const std::string& id,
                                             bool says_count, size_t count) {
  std::vector<std::string> own = Without(arguments, "--device");
  own.insert(own.end(), {"--device", device, kSupervisedFlag});
  if (!says_count) own.insert(own.end(), {"--workers-on-host", absl::StrCat(count)});
  if (!id.empty()) {
    own = Without(own, "--id");
    own.insert(own.end(), {"--id", absl::StrCat(id, ":", device)});
  }
  return own;
}

Supervisor::Supervisor(Options options) : options_(std::move(options)) {
  for (const Program& program : options_.programs) children_.push_back({.program = program});
  // The children are born with these blocked, and take up what came meanwhile once they listen.
  sigset_t signals = LeaveSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  pthread_sigmask(SIG_BLOCK, nullptr, &childrens_mask_);
  sigaddset(&signals, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  HV_CHECK(signal_fd_.get() >= 0) << "signalfd: " << std::strerror(errno);
  int fds[2];
  HV_CHECK(pipe2(fds, O_CLOEXEC) == 0) << "pipe: " << std::strerror(errno);
  childrens_end_ = AboveSupervisorFd(fds[0]);
  lifeline_.Reset(fds[1]);
}

int Supervisor::Run() {
  for (Child& child : children_) Start(&child);
  while (!IsOver()) {
    Await();
    ReadSignals();
    Reap();
    for (Child& child : children_) {
      if (child.pid == 0 && !child.is_over && child.start_at <= Now()) Start(&child);
    }
  }
  return worst_;
}

bool Supervisor::IsOver() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.is_over; });
}

void Supervisor::Start(Child* child) {
  const int pid = Spawn(child->program.arguments, childrens_mask_, childrens_end_.get());
  child->started = Now();
  if (pid < 0) {
    return StartLater(child, absl::StrCat("could not be started: ", std::strerror(-pid)));
  }
  child->pid = pid;
  spdlog::info("worker on {} is process {}", child->program.name, pid);
}

void Supervisor::Await() {
  absl::Time due = absl::InfiniteFuture();
  for (const Child& child : children_) {
    if (child.pid == 0 && !child.is_over) due = std::min(due, child.start_at);
  }
  pollfd fds[] = {{signal_fd_.get(), POLLIN, 0}};
  PollFor(absl::MakeSpan(fds), due - Now());
}

void Supervisor::ReadSignals() {
  signalfd_siginfo info = {};
  while (read(signal_fd_.get(), &info, sizeof(info)) == sizeof(info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number != SIGCHLD) PassOn(number);
  }
}

void Supervisor::PassOn(int signal) {
  spdlog::info("SIG{}: passed on to the workers; a second signal ends them at once",
               sigabbrev_np(signal));
  leaving_ = true;
  for (Child& child : children_) {
    if (child.pid > 0) {
      kill(child.pid, signal);
    } else if (!child.is_over) {
      Finish(&child, 0);
    }
  }
}

void Supervisor::Reap() {
  for (Child& child : children_) {
    int wait_status = 0;
    if (child.pid > 0 && waitpid(child.pid, &wait_status, WNOHANG) == child.pid) {
      OnEnd(&child, wait_status);
    }
  }
}

void Supervisor::OnEnd(Child* child, int wait_status) {
  child->pid = 0;
  if (WIFEXITED(wait_status)) return Finish(child, WEXITSTATUS(wait_status));
  const int number = WTERMSIG(wait_status);
  if (leaving_) return Finish(child, kDiedBySignal + number);
  StartLater(child, absl::StrCat("was killed by signal ", number));
}

void Supervisor::StartLater(Child* child, const std::string& why) {
  const bool was_early = Now() - child->started <= options_.max_wait;
  child->wait = was_early && child->wait > absl::ZeroDuration()
                    ? std::min(child->wait * 2, options_.max_wait)
                    : options_.first_wait;
  child->start_at = Now() + child->wait;
  spdlog::warn("worker on {} {}; starting it again in {}", child->program.name, why,
               absl::FormatDuration(child->wait));
}

void Supervisor::Finish(Child* child, int status) {
  spdlog::info("worker on {} has ended with status {}", child->program.name, status);
  child->is_over = true;
  worst_ = std::max(worst_, status);
}

absl::StatusOr<std::unique_ptr<SupervisorWatch>> SupervisorWatch::Start(Leave* leave) {
  struct stat pipe = {};
  if (fstat(kSupervisorFd, &pipe) != 0 || !S_ISFIFO(pipe.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        kSupervisedFlag, " is how --device auto starts its workers; give --device cuda:N"));
  }
  fcntl(kSupervisorFd, F_SETFD, FD_CLOEXEC);  // Not for the trainer.
  return std::unique_ptr<SupervisorWatch>(new SupervisorWatch(leave));
}

SupervisorWatch::SupervisorWatch(Leave* leave) : leave_(leave), thread_([this] { Loop(); }) {}

SupervisorWatch::~SupervisorWatch() {
  quit_.Set();
  thread_.join();
}

void SupervisorWatch::Loop() {
  pollfd fds[] = {{quit_.fd(), POLLIN, 0}, {kSupervisorFd, POLLIN, 0}};
  while (PollFor(absl::MakeSpan(fds), absl::InfiniteDuration()) == 0) {
  }
  if (fds[1].revents == 0) return;
  spdlog::warn("the supervisor of this worker has died: leaving");
  leave_->Request("worker is leaving (its supervisor has died)");
}

}  // namespace halving
