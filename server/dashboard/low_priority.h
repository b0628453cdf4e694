// LowPriority: work of which nothing that workers wait for may feel anything.
#ifndef HALVING_SERVER_DASHBOARD_LOW_PRIORITY_H_
#define HALVING_SERVER_DASHBOARD_LOW_PRIORITY_H_

#include <sys/resource.h>
#include <unistd.h>

#include <functional>

#include "absl/synchronization/notification.h"
#include "common/thread_pool.h"

namespace halving {

// Sorting a million trials takes bursts of a core. Threads that give way do that; they must call
// neither the engine nor gRPC, and take no lock that those take: who waited for it would wait for
// a thread that is not run. Thread-safe.
class LowPriority {
 public:
  // Runs it, and returns when it is done.
  void Run(const std::function<void()>& work) {
    absl::Notification done;
    pool_.Post([&work, &done] {
      GiveWay();
      work();
      done.Notify();
    });
    done.WaitForNotification();
  }

 private:
  static constexpr int kThreads = 2;
  static constexpr int kNiceness = 10;

  // Linux has a niceness for each thread.
  static void GiveWay() {
    thread_local const bool done = setpriority(PRIO_PROCESS, gettid(), kNiceness) == 0;
    static_cast<void>(done);
  }

  ThreadPool pool_{kThreads};
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_LOW_PRIORITY_H_
