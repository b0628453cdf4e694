#include "worker/agent/trainer_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/argv.h"
#include "common/check.h"
#include "common/clock.h"
#include "spdlog/spdlog.h"
#include "worker/agent/text.h"
#include "worker/agent/trainer_guard.h"

namespace halving {
namespace {

constexpr size_t kStderrTailLines = 50;
constexpr size_t kStderrTailBytes = 8192;
constexpr size_t kReadBytes = 65536;
constexpr int kDrainReads = 256;
constexpr absl::Duration kDrainTime = absl::Seconds(2);

absl::Time Now() { return Clock::Real()->Now(); }

// The two ends of one of the child's streams.
struct Stream {
  UniqueFd ours;
  UniqueFd childs;
};

absl::Status SystemError(absl::string_view what, int error) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(error)));
}

// dup2() of the child's ends onto 0 to 3 must not run over one that is still to be duplicated.
int AboveStandard(int fd) {
  if (fd > kLifelineFd) return fd;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kLifelineFd + 1);
  close(fd);
  return moved;
}

absl::StatusOr<Stream> MakePipe(bool child_reads) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return SystemError("pipe", errno);
  Stream stream;
  stream.ours.Reset(fds[child_reads ? 1 : 0]);
  stream.childs.Reset(AboveStandard(fds[child_reads ? 0 : 1]));
  // Ours only: the flag belongs to the end of the pipe, and trainers expect theirs to block.
  fcntl(stream.ours.get(), F_SETFL, fcntl(stream.ours.get(), F_GETFL) | O_NONBLOCK);
  return stream;
}

absl::StatusOr<Stream> MakeLifeline() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return SystemError("socketpair", errno);
  }
  Stream stream;
  stream.ours.Reset(fds[0]);
  stream.childs.Reset(AboveStandard(fds[1]));
  return stream;
}

// A trainer is somebody's program, and need not call the server.
constexpr absl::string_view kSecret = "HALVING_TOKEN=";

// The worker's environment with `changes` over it.
std::vector<std::string> Environment(const std::vector<std::string>& changes) {
  std::vector<std::string> environment = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const absl::string_view name_and_equals(*variable, std::string_view(*variable).find('=') + 1);
    const bool changed = std::any_of(changes.begin(), changes.end(), [&](const std::string& c) {
      return absl::StartsWith(c, name_and_equals);
    });
    if (!changed && name_and_equals != kSecret) environment.emplace_back(*variable);
  }
  return environment;
}

// Starts the guard, leader of a new group, with `childs_ends` as descriptors 0 to 3.
absl::StatusOr<pid_t> SpawnGuard(const TrainerProcess::Options& options,
                                 absl::Span<const int> childs_ends) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (size_t fd = 0; fd < childs_ends.size(); ++fd) {
    posix_spawn_file_actions_adddup2(&actions, childs_ends[fd], static_cast<int>(fd));
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = {options.guard, kExecTrainerFlag, options.command};
  std::vector<std::string> environment = Environment(options.environment);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.guard.c_str(), &actions, &attributes,
                                Argv(arguments).data(), Argv(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return SystemError(absl::StrCat("cannot start ", options.guard), error);
  return pid;
}

// Reads what is there into `lines`. False at the end of the stream.
bool ReadInto(int fd, LineSplitter* lines, bool* got_any) {
  char buffer[kReadBytes];
  const ssize_t size = read(fd, buffer, sizeof(buffer));
  *got_any = size > 0;
  if (size > 0) lines->Append(absl::string_view(buffer, static_cast<size_t>(size)));
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  return size > 0;
}

}  // namespace

std::string TrainerExit::Describe() const {
  const auto name = [](int number) {
    const char* short_name = sigabbrev_np(number);
    return short_name == nullptr ? std::string("?") : absl::StrCat("SIG", short_name);
  };
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    return absl::StrCat("was killed by signal ", number, " (", name(number), ")");
  }
  const int status = WEXITSTATUS(wait_status);
  std::string text = absl::StrCat("exited with status ", status);
  if (status > 128 && sigabbrev_np(status - 128) != nullptr) {
    absl::StrAppend(&text, " (how a shell says: killed by ", name(status - 128), ")");
  }
  return text;
}

absl::StatusOr<std::unique_ptr<TrainerProcess>> TrainerProcess::Start(const Options& options) {
  Stream streams[4];
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    absl::StatusOr<Stream> pipe = MakePipe(fd == STDIN_FILENO);
    if (!pipe.ok()) return pipe.status();
    streams[fd] = *std::move(pipe);
  }
  absl::StatusOr<Stream> lifeline = MakeLifeline();
  if (!lifeline.ok()) return lifeline.status();
  streams[kLifelineFd] = *std::move(lifeline);
  const int childs_ends[] = {streams[0].childs.get(), streams[1].childs.get(),
                             streams[2].childs.get(), streams[3].childs.get()};
  const absl::StatusOr<pid_t> pid = SpawnGuard(options, childs_ends);
  if (!pid.ok()) return pid.status();
  std::unique_ptr<TrainerProcess> process(new TrainerProcess(options.max_line_bytes, *pid));
  process->stdin_ = std::move(streams[STDIN_FILENO].ours);
  process->stdout_ = std::move(streams[STDOUT_FILENO].ours);
  process->stderr_ = std::move(streams[STDERR_FILENO].ours);
  process->lifeline_ = std::move(streams[kLifelineFd].ours);
  return process;
}

TrainerProcess::TrainerProcess(size_t max_line_bytes, pid_t pid)
    : pid_(pid),
      stdout_lines_(max_line_bytes),
      stderr_lines_(kStderrTailBytes),
      last_life_(Now()) {}

TrainerProcess::~TrainerProcess() {
  Stop(absl::ZeroDuration());
  TellStderr();
}

void TrainerProcess::set_on_stderr(std::function<void(const std::string&)> on_stderr) {
  TellStderr();
  on_stderr_ = std::move(on_stderr);
}

void TrainerProcess::Send(absl::string_view line) {
  absl::StrAppend(&unsent_, line, "\n");
  stderr_tail_.clear();
  stderr_tail_bytes_ = 0;
  last_life_ = Now();
}

std::optional<TrainerEvent> TrainerProcess::Ready() {
  if (std::optional<OutputLine> line = stdout_lines_.Next()) return *std::move(line);
  TellStderr();
  if (exit_.has_value()) return *exit_;
  return std::nullopt;
}

TrainerEvent TrainerProcess::Next(absl::Duration silence_limit,
                                  absl::Span<const WakeEvent* const> wakes) {
  for (;;) {
    // Anything printed meanwhile moves the end.
    const absl::Time end = last_life_ + silence_limit;
    if (std::optional<TrainerEvent> event = NextUntil(end, wakes)) return *std::move(event);
    if (last_life_ + silence_limit <= Now()) return TrainerSilent();
  }
}

std::optional<TrainerEvent> TrainerProcess::NextUntil(absl::Time deadline,
                                                      absl::Span<const WakeEvent* const> wakes) {
  for (;;) {
    if (std::optional<TrainerEvent> event = Ready()) return event;
    for (const WakeEvent* wake : wakes) {
      if (wake->IsSet()) return TrainerWoken();
    }
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    PollOnce(left, wakes);
  }
}

std::optional<TrainerEvent> TrainerProcess::Poll() {
  if (!exit_.has_value()) PollOnce(absl::ZeroDuration(), {});
  return Ready();
}

void TrainerProcess::PollOnce(absl::Duration timeout, absl::Span<const WakeEvent* const> wakes) {
  const int writing = unsent_.empty() ? -1 : stdin_.get();
  std::vector<pollfd> fds = {{shell_ended_ ? -1 : lifeline_.get(), POLLIN, 0},
                             {stdout_.get(), POLLIN, 0},
                             {stderr_.get(), POLLIN, 0},
                             {writing, POLLOUT, 0}};
  for (const WakeEvent* wake : wakes) fds.push_back({wake->fd(), POLLIN, 0});
  if (PollFor(absl::MakeSpan(fds), timeout) == 0) return;
  const bool has_stderr = fds[2].revents != 0;
  if (has_stderr) ReadStderr();
  // What was printed before these lines of stderr is there by now, whatever poll() saw before.
  if (fds[1].revents != 0 || (has_stderr && stdout_.get() >= 0)) ReadStdout();
  if (fds[3].revents != 0) WriteStdin();
  if (fds[0].revents != 0) shell_ended_ = true;
  const bool is_silent_for_good = stdout_.get() < 0 && stderr_.get() < 0;
  if (shell_ended_ && (!terminated_ || is_silent_for_good)) OnExit();
}

void TrainerProcess::WriteStdin() {
  const ssize_t size = write(stdin_.get(), unsent_.data(), unsent_.size());
  if (size >= 0) {
    unsent_.erase(0, static_cast<size_t>(size));
  } else if (errno != EAGAIN && errno != EINTR) {
    // It reads no more. Whether that matters, its exit or its silence will say.
    unsent_.clear();
    stdin_.Reset();
  }
}

void TrainerProcess::ReadStdout() {
  bool got_any = false;
  if (!ReadInto(stdout_.get(), &stdout_lines_, &got_any)) {
    stdout_lines_.Finish();
    stdout_.Reset();
  }
  if (got_any) last_life_ = Now();
}

void TrainerProcess::ReadStderr() {
  bool got_any = false;
  if (!ReadInto(stderr_.get(), &stderr_lines_, &got_any)) {
    stderr_lines_.Finish();
    stderr_.Reset();
  }
  if (got_any) last_life_ = Now();
  KeepStderrTail();
}

void TrainerProcess::KeepStderrTail() {
  while (std::optional<OutputLine> line = stderr_lines_.Next()) {
    std::string text = ValidUtf8(line->text);
    spdlog::info("trainer stderr: {}", text);
    if (on_stderr_ != nullptr) untold_stderr_.push_back(text);
    stderr_tail_bytes_ += text.size() + 1;
    stderr_tail_.push_back(std::move(text));
    while (stderr_tail_.size() > kStderrTailLines ||
           (stderr_tail_bytes_ > kStderrTailBytes && stderr_tail_.size() > 1)) {
      stderr_tail_bytes_ -= stderr_tail_.front().size() + 1;
      stderr_tail_.pop_front();
    }
  }
}

void TrainerProcess::TellStderr() {
  const std::vector<std::string> lines = std::exchange(untold_stderr_, {});
  for (const std::string& line : lines) on_stderr_(line);
}

std::string TrainerProcess::StderrTail() const {
  return LastOf(absl::StrJoin(stderr_tail_, "\n"), kStderrTailBytes);
}

void TrainerProcess::OnExit() {
  int status = 0;
  const bool has_status =
      recv(lifeline_.get(), &status, sizeof(status), MSG_DONTWAIT) == sizeof(status);
  // What the trainer left running must not train beside its successor. The guard is still there or
  // at least not reaped, so the group's number cannot belong to anybody else.
  kill(-pid_, SIGKILL);
  TrainerExit exit;
  while (waitpid(pid_, &exit.wait_status, 0) < 0 && errno == EINTR) {
  }
  if (has_status) exit.wait_status = status;  // Of the command, not of its guard.
  exit_ = exit;
  stdin_.Reset();
  lifeline_.Reset();
  // What stands in the pipes still counts, and their end says that all are really gone: a GPU is
  // free only then. One that left the group may hold them open, hence the bounds.
  const absl::Time deadline = Now() + kDrainTime;
  for (int reads = 0; reads < kDrainReads && (stdout_.get() >= 0 || stderr_.get() >= 0); ++reads) {
    pollfd fds[] = {{stdout_.get(), POLLIN, 0}, {stderr_.get(), POLLIN, 0}};
    if (PollFor(absl::MakeSpan(fds), deadline - Now()) == 0) break;
    if (fds[0].revents != 0) ReadStdout();
    if (fds[1].revents != 0) ReadStderr();
  }
  stdout_lines_.Finish();
  stdout_.Reset();
  stderr_lines_.Finish();
  KeepStderrTail();
  stderr_.Reset();
}

void TrainerProcess::AwaitGroup(absl::Time deadline) {
  // The shell may be gone while the program under it still writes its last words: the group is
  // there as long as somebody holds its pipes.
  while (Now() < deadline && !(shell_ended_ && stdout_.get() < 0 && stderr_.get() < 0)) {
    pollfd fds[] = {{shell_ended_ ? -1 : lifeline_.get(), POLLIN, 0},
                    {stdout_.get(), POLLIN, 0},
                    {stderr_.get(), POLLIN, 0}};
    if (PollFor(absl::MakeSpan(fds), deadline - Now()) == 0) return;
    if (fds[0].revents != 0) shell_ended_ = true;
    if (fds[1].revents != 0) ReadStdout();
    if (fds[2].revents != 0) ReadStderr();
    while (stdout_lines_.Next().has_value()) {
    }
  }
}

void TrainerProcess::Terminate() {
  if (exit_.has_value()) return;
  terminated_ = true;
  kill(-pid_, SIGTERM);
}

void TrainerProcess::Stop(absl::Duration grace) {
  if (exit_.has_value()) return;
  if (grace > absl::ZeroDuration()) {
    kill(-pid_, SIGTERM);
    AwaitGroup(Now() + grace);
  }
  OnExit();
}

void TrainerProcess::CloseInput() {
  stdin_.Reset();
  unsent_.clear();
}

void TrainerProcess::CloseAndStop(absl::Duration close_grace, absl::Duration stop_grace) {
  if (exit_.has_value()) return;
  CloseInput();
  AwaitGroup(Now() + close_grace);
  Stop(stop_grace);
}

}  // namespace halving
