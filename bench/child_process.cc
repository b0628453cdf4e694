#include "bench/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/argv.h"
#include "common/clock.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr char kListening[] = "listening on ";
constexpr absl::Duration kStartTime = absl::Minutes(5);
constexpr absl::Duration kLookEvery = absl::Milliseconds(20);
constexpr absl::Duration kSampleEvery = absl::Milliseconds(50);

// A line of /proc/PID/status such as "VmRSS:      5432 kB".
int64_t StatusBytes(pid_t pid, absl::string_view field) {
  const std::string status = ContentOf(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(": \t"), absl::SkipEmpty());
    int64_t kibibytes = 0;
    if (words.size() == 3 && words[0] == field && absl::SimpleAtoi(words[1], &kibibytes)) {
      return kibibytes << 10;
    }
  }
  return 0;
}

}  // namespace

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

absl::StatusOr<pid_t> Spawn(std::vector<std::string> arguments, const std::string& log) {
  std::vector<char*> argv = Argv(arguments);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return pid;
  return absl::InternalError(
      absl::StrCat("cannot start ", arguments[0], ": ", std::strerror(error)));
}

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(
    std::vector<std::string> arguments, const std::string& log) {
  HV_ASSIGN_OR_RETURN(const pid_t pid, Spawn(std::move(arguments), log));
  std::unique_ptr<ServerProcess> process(new ServerProcess(pid));
  HV_RETURN_IF_ERROR(process->AwaitAddress(log));
  return process;
}

absl::Status ServerProcess::AwaitAddress(const std::string& log) {
  const absl::Time deadline = Clock::Real()->Now() + kStartTime;
  for (;;) {
    const std::string said = ContentOf(log);
    const size_t at = said.find(kListening);
    const size_t end = at == std::string::npos ? at : said.find(',', at);
    if (end != std::string::npos) {
      const size_t begin = at + std::strlen(kListening);
      address_ = said.substr(begin, end - begin);
      return absl::OkStatus();
    }
    is_running_ = waitpid(pid_, nullptr, WNOHANG) == 0;
    if (!is_running_ || Clock::Real()->Now() > deadline) {
      return absl::InternalError(absl::StrCat("the server ",
                                              is_running_ ? "does not come to serve" : "has ended",
                                              "; it says:\n", said));
    }
    halving::SleepFor(kLookEvery);
  }
}

ServerProcess::~ServerProcess() {
  if (!is_running_) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

int64_t ResidentBytes(pid_t pid) { return StatusBytes(pid, "VmRSS"); }

int64_t PeakResidentBytes(pid_t pid) { return StatusBytes(pid, "VmHWM"); }

MemoryWatch::MemoryWatch(pid_t pid)
    : thread_([this, pid] {
        do {
          most_bytes_ = std::max(most_bytes_.load(), ResidentBytes(pid));
        } while (!over_.WaitFor(kSampleEvery));
      }) {}

MemoryWatch::~MemoryWatch() {
  over_.Set();
  thread_.join();
}

}  // namespace halving
