#include "worker/agent/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/argv.h"
#include "common/clock.h"
#include "common/unique_fd.h"
#include "worker/agent/text.h"
#include "worker/agent/wake_event.h"

namespace halving {
namespace {

constexpr size_t kMaxOutputBytes = 1 << 20;
constexpr size_t kReadBytes = 65536;
// A program inside a driver call that hangs does not even die of SIGKILL.
constexpr absl::Duration kKillTime = absl::Seconds(1);

absl::StatusOr<pid_t> Spawn(std::vector<std::string>& arguments, int out) {
  std::vector<char*> argv = Argv(arguments);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return pid;
  const std::string why = absl::StrCat("cannot start ", arguments[0], ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(why) : absl::UnavailableError(why);
}

// Until the end of the stream; false at the deadline.
bool ReadAll(int fd, absl::Time deadline, std::string* output) {
  for (;;) {
    pollfd fds[] = {{fd, POLLIN, 0}};
    if (PollFor(absl::MakeSpan(fds), deadline - Clock::Real()->Now()) == 0) return false;
    char buffer[kReadBytes];
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size == 0 || (size < 0 && errno != EINTR)) return true;
    if (size < 0 || output->size() >= kMaxOutputBytes) continue;
    output->append(buffer, static_cast<size_t>(size));
  }
}

// Waits for its end; false at the deadline.
bool WaitUntil(pid_t pid, absl::Time deadline, int* status) {
  // By its number: the header of glibc 2.36 declares pidfd_open() for C only.
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd fds[] = {{process.get(), POLLIN, 0}};
  // Without a descriptor (a kernel of before 5.3), poll() just waits.
  while (waitpid(pid, status, WNOHANG) != pid) {
    const absl::Duration left = deadline - Clock::Real()->Now();
    if (left <= absl::ZeroDuration()) return false;
    PollFor(absl::MakeSpan(fds), process.get() >= 0 ? left : absl::Milliseconds(10));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> RunProgram(std::vector<std::string> arguments,
                                       absl::Duration time_limit) {
  const absl::Time deadline = Clock::Real()->Now() + time_limit;
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  const UniqueFd ours(fds[0]);
  UniqueFd childs(fds[1]);
  const absl::StatusOr<pid_t> pid = Spawn(arguments, childs.get());
  if (!pid.ok()) return pid.status();
  childs.Reset();
  std::string output;
  int status = 0;
  if (!ReadAll(ours.get(), deadline, &output) || !WaitUntil(*pid, deadline, &status)) {
    kill(*pid, SIGKILL);
    WaitUntil(*pid, Clock::Real()->Now() + kKillTime, &status);
    return absl::UnavailableError(
        absl::StrCat(arguments[0], " was not done after ", absl::FormatDuration(time_limit)));
  }
  if (status == 0) return output;
  const std::string how = WIFSIGNALED(status)
                              ? absl::StrCat("was killed by signal ", WTERMSIG(status))
                              : absl::StrCat("exited with status ", WEXITSTATUS(status));
  return absl::UnavailableError(
      absl::StrCat(arguments[0], " ", how, " and printed ", Quoted(output)));
}

}  // namespace halving
