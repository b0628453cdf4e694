#include "worker/agent/trainer_guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace halving {
namespace {

constexpr int kUsage = 2;
constexpr int kCannotRun = 127;  // As a shell says it.

int Fail(const char* what, int error) {
  std::fprintf(stderr, "halving-worker %s: %s: %s\n", kExecTrainerFlag, what, std::strerror(error));
  return kCannotRun;
}

// Killing our group must hit the trainer's processes and nobody else's.
bool StartedByWorker() {
  struct stat lifeline = {};
  return fstat(kLifelineFd, &lifeline) == 0 && S_ISSOCK(lifeline.st_mode) && getpgrp() == getpid();
}

int SpawnShell(const char* command, pid_t* child) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  for (const int signal : {SIGPIPE, SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    sigaddset(&signals, signal);
  }
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const char* const arguments[] = {"sh", "-c", command, nullptr};
  const int error = posix_spawn(child, "/bin/sh", nullptr, &attributes,
                                const_cast<char* const*>(arguments), environ);
  posix_spawnattr_destroy(&attributes);
  return error;
}

[[noreturn]] void KillGroup() {
  kill(-getpid(), SIGKILL);  // Ourselves too.
  _exit(kCannotRun);
}

// Until the worker is gone, or kills us.
[[noreturn]] void Watch(pid_t child, int signal_fd) {
  for (;;) {
    pollfd fds[] = {{kLifelineFd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) KillGroup();
    if (fds[0].revents != 0) KillGroup();
    if (fds[1].revents != 0) {
      signalfd_siginfo info;
      [[maybe_unused]] const ssize_t size = read(signal_fd, &info, sizeof(info));
      int status = 0;
      if (waitpid(child, &status, WNOHANG) != child) continue;
      if (send(kLifelineFd, &status, sizeof(status), MSG_NOSIGNAL) != sizeof(status)) KillGroup();
    }
  }
}

}  // namespace

int RunTrainerGuard(const char* command) {
  if (!StartedByWorker()) {
    std::fprintf(stderr, "halving-worker %s is how a worker starts its trainer; see --help\n",
                 kExecTrainerFlag);
    return kUsage;
  }
  fcntl(kLifelineFd, F_SETFD, FD_CLOEXEC);
  close_range(kLifelineFd + 1, ~0U, 0);  // Whatever a library of the worker's left open.
  // The worker signals the whole group; how that ends is for the trainer to say, not for us.
  sigset_t signals;
  sigfillset(&signals);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  if (signal_fd < 0) return Fail("signalfd", errno);
  pid_t child = 0;
  if (const int error = SpawnShell(command, &child); error != 0) return Fail("/bin/sh", error);
  // The pipes end when the trainer's last process closes them, not when we do.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(fd);
  Watch(child, signal_fd);
}

}  // namespace halving
