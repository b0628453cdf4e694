// Watchdog: tells the service manager that the engine still answers.
#ifndef HALVING_SERVER_DAEMON_WATCHDOG_H_
#define HALVING_SERVER_DAEMON_WATCHDOG_H_

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/sd_notify.h"
#include "server/engine/engine.h"

namespace halving {

// Watchdog posts a read to the engine twice within the manager's time, and says that all is well
// when the read comes back, and not before. An engine that refuses it answers too: a full disk is
// not a hang, and a restart would not help. Without a watchdog's time it does nothing.
//
// Thread-compatible. Neither is owned; the engine, which was started, must outlive it.
class Watchdog {
 public:
  Watchdog(Engine* engine, const SdNotifier& manager);
  ~Watchdog();

  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  // What a read that comes back late, after us, may still touch.
  struct State {
    Mutex mu;
    CondVar changed;
    bool answered ABSL_GUARDED_BY(mu) = false;
    bool quit ABSL_GUARDED_BY(mu) = false;
  };

  void Loop(absl::Duration every);
  // True once the engine has answered; false when we are to quit.
  bool AwaitAnswer();
  // False when we are to quit.
  bool PauseUntil(absl::Time time);

  Engine* const engine_;
  const SdNotifier& manager_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_SERVER_DAEMON_WATCHDOG_H_
