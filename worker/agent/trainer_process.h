// TrainerProcess: one run of the trainer program, its pipes and its process group.
#ifndef HALVING_WORKER_AGENT_TRAINER_PROCESS_H_
#define HALVING_WORKER_AGENT_TRAINER_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "worker/agent/line_splitter.h"
#include "worker/agent/wake_event.h"

namespace halving {

// The trainer has ended, and every line it left was read.
struct TrainerExit {
  int wait_status = 0;  // As waitpid() gives it.

  // "exited with status 3", "was killed by signal 11 (SIGSEGV)".
  std::string Describe() const;
};

// It printed nothing for too long.
struct TrainerSilent {};

// One of the caller's events is set.
struct TrainerWoken {};

using TrainerEvent = std::variant<OutputLine, TrainerExit, TrainerSilent, TrainerWoken>;

// TrainerProcess runs a command line by the shell, in a process group of its own, and reads and
// writes its standard streams. It does not know what the lines mean.
//
// The group dies with the worker, even when that is killed by SIGKILL; see trainer_guard.h.
// Thread-compatible: the worker's main thread owns it. SIGPIPE must be ignored in the process.
class TrainerProcess {
 public:
  struct Options {
    std::string guard;                     // Path of the worker's own executable.
    std::string command;                   // For `sh -c`.
    std::vector<std::string> environment;  // "NAME=value", over what the worker has.
    size_t max_line_bytes = 1 << 20;
  };

  static absl::StatusOr<std::unique_ptr<TrainerProcess>> Start(const Options& options);

  // Kills the group with SIGKILL if anything of it still runs.
  ~TrainerProcess();

  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  // Queues a line for the trainer's standard input; Next() does the writing, since a trainer that
  // prints before it reads would otherwise block both. A new StderrTail() begins: what was said
  // about earlier work explains nothing that comes after.
  void Send(absl::string_view line);

  // Called with each line of stderr, valid UTF-8, until another one is set; null: nobody. Lines
  // that were read together with some of stdout come behind those: last words are mostly of stderr.
  void set_on_stderr(std::function<void(const std::string&)> on_stderr);

  // Waits for what comes first. Lines that were read come before all else. TrainerSilent when
  // neither stdout nor stderr brought anything for `silence_limit`, nor a line was sent to it.
  TrainerEvent Next(absl::Duration silence_limit, absl::Span<const WakeEvent* const> wakes);

  // As Next(), but gives up at `deadline`, however much it prints until then: empty.
  std::optional<TrainerEvent> NextUntil(absl::Time deadline,
                                        absl::Span<const WakeEvent* const> wakes);

  // What stands in the pipe now, without waiting; empty when nothing does.
  std::optional<TrainerEvent> Poll();

  // Sends SIGTERM to the group and returns: the program may still say something. TrainerExit then
  // comes only when nobody holds its output any more, since the shell dies of the signal at once
  // while the program below it takes its time. The caller bounds that by NextUntil() and Stop().
  void Terminate();

  // Ends the group: SIGTERM, and after `grace` SIGKILL for what is left of it. What it
  // prints in that time is thrown away. Without a grace nothing is: what stands in the pipes comes
  // from Next(), before TrainerExit.
  void Stop(absl::Duration grace);

  // Closes its standard input, upon which a trainer should end.
  void CloseInput();

  // The same, and after `close_grace` stops it.
  void CloseAndStop(absl::Duration close_grace, absl::Duration stop_grace);

  // The last lines it wrote to stderr since Send(): 50 at most, 8 KiB at most, valid UTF-8.
  std::string StderrTail() const;

 private:
  TrainerProcess(size_t max_line_bytes, pid_t pid);

  // A line or the exit that was read already.
  std::optional<TrainerEvent> Ready();
  void PollOnce(absl::Duration timeout, absl::Span<const WakeEvent* const> wakes);
  void WriteStdin();
  void ReadStdout();
  void ReadStderr();
  void KeepStderrTail();
  void TellStderr();  // What on_stderr_ was not told yet.
  void OnExit();      // Kills what is left of the group and reads what is left in the pipes.
  void AwaitGroup(absl::Time deadline);

  const pid_t pid_;  // Of the guard, and the group.
  UniqueFd stdin_;
  UniqueFd stdout_;
  UniqueFd stderr_;
  UniqueFd lifeline_;
  std::string unsent_;
  LineSplitter stdout_lines_;
  LineSplitter stderr_lines_;
  std::deque<std::string> stderr_tail_;
  size_t stderr_tail_bytes_ = 0;
  std::function<void(const std::string&)> on_stderr_;
  std::vector<std::string> untold_stderr_;
  absl::Time last_life_;
  bool terminated_ = false;   // By Terminate().
  bool shell_ended_ = false;  // The group may live on.
  std::optional<TrainerExit> exit_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TRAINER_PROCESS_H_
