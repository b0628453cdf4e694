// SignalWatcher: turns SIGTERM, SIGINT and SIGHUP into the wish to leave.
#ifndef HALVING_WORKER_AGENT_SIGNAL_WATCHER_H_
#define HALVING_WORKER_AGENT_SIGNAL_WATCHER_H_

#include <signal.h>

#include <functional>
#include <thread>

#include "common/unique_fd.h"
#include "worker/agent/patience.h"
#include "worker/agent/wake_event.h"

namespace halving {

// SIGTERM, SIGINT and SIGHUP, but for those that whoever started us, such as nohup, has set to be
// ignored: blocked, they would come all the same.
sigset_t LeaveSignals();

// SignalWatcher blocks the signals and reads them on a thread of its own, so that no code runs in
// a handler. The first one requests `leave`; the second one ends the process at once (the trainer
// goes with it). A signal that was ignored, as SIGHUP under nohup, stays so.
//
// To be made before any other thread, which then inherits the mask. Thread-compatible.
class SignalWatcher {
 public:
  // `leave` is not owned. `on_leave` is called once, on the thread of ours, with the first signal.
  explicit SignalWatcher(Leave* leave, std::function<void()> on_leave = nullptr);
  ~SignalWatcher();

  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void Loop();

  Leave* const leave_;
  const std::function<void()> on_leave_;
  UniqueFd signal_fd_;
  WakeEvent quit_;
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_SIGNAL_WATCHER_H_
