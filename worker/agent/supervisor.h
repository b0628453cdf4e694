// Supervisor: one worker process for each GPU of a machine, from one command.
#ifndef HALVING_WORKER_AGENT_SUPERVISOR_H_
#define HALVING_WORKER_AGENT_SUPERVISOR_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "worker/agent/patience.h"
#include "worker/agent/wake_event.h"

namespace halving {

// A supervised worker has it on its command line; people do not use it.
inline constexpr char kSupervisedFlag[] = "--supervised";

// The supervised worker's end of a pipe into which nobody writes, and whose other end only the
// supervisor holds. The kernel closes that one when the supervisor dies, however it dies.
inline constexpr int kSupervisorFd = 3;

// Supervisor starts programs and waits until all have ended. One that dies by a signal is started
// again after a wait, which doubles while it keeps dying early; one that exits has said its word.
// It knows neither the server nor what the programs do.
//
// SIGTERM, SIGINT and SIGHUP are passed on to each, and nothing is started from then on. They run
// in process groups of their own, so that Ctrl-C reaches them once, through the supervisor.
//
// Thread-compatible: the main thread of a process that has no other owns it, and no child beside.
class Supervisor {
 public:
  struct Program {
    std::string name;                    // For the log.
    std::vector<std::string> arguments;  // The first is the path.
  };
  struct Options {
    std::vector<Program> programs;
    absl::Duration first_wait = absl::Seconds(1);
    // One that has lived longer than this is no longer held against its early deaths.
    absl::Duration max_wait = absl::Minutes(1);
  };

  explicit Supervisor(Options options);

  // Returns the largest exit status, 128 + N for one that died by signal N while leaving.
  int Run();

 private:
  struct Child {
    Program program;
    pid_t pid = 0;         // 0: it does not run.
    bool is_over = false;  // It is not started again.
    absl::Time started;
    absl::Time start_at;  // When it does not run and is not over.
    absl::Duration wait;  // Before the last start; zero at first.
  };

  void Start(Child* child);
  // Until a signal comes or a start is due.
  void Await();
  void ReadSignals();
  void PassOn(int signal);
  void Reap();
  void OnEnd(Child* child, int wait_status);
  void StartLater(Child* child, const std::string& why);
  void Finish(Child* child, int status);
  bool IsOver() const;

  const Options options_;
  std::vector<Child> children_;
  sigset_t childrens_mask_;
  UniqueFd signal_fd_;
  UniqueFd lifeline_;       // Ours: closed by our death.
  UniqueFd childrens_end_;  // Of each as kSupervisorFd.
  bool leaving_ = false;
  int worst_ = 0;
};

// SupervisorWatch requests `leave` once the supervisor of this process has died. Thread-compatible.
class SupervisorWatch {
 public:
  // FAILED_PRECONDITION when no supervisor has started this process.
  static absl::StatusOr<std::unique_ptr<SupervisorWatch>> Start(Leave* leave);  // Not owned.
  ~SupervisorWatch();

  SupervisorWatch(const SupervisorWatch&) = delete;
  SupervisorWatch& operator=(const SupervisorWatch&) = delete;

 private:
  explicit SupervisorWatch(Leave* leave);

  void Loop();

  Leave* const leave_;
  WakeEvent quit_;
  std::thread thread_;
};

// The command line of the worker on `device`, one of `count` that `arguments`, one with --device
// auto, asks for. `id`: as given, or empty; it is made one of this worker's own by the device.
// `says_count`: the number of workers on this host was given.
std::vector<std::string> SupervisedArguments(const std::vector<std::string>& arguments,
                                             const std::string& device, const std::string& id,
                                             bool says_count, size_t count);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_SUPERVISOR_H_
