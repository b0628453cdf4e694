// ThreadPool: a few threads for work that blocks.
#ifndef HALVING_COMMON_THREAD_POOL_H_
#define HALVING_COMMON_THREAD_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace halving {

// Runs tasks in the order they came, as many at a time as it has threads. Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  // Stops.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // After Stop() a task is run by its poster.
  void Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mu_);

  // Runs it again and again, `interval` after it ended, until Stop(). It takes a thread while it
  // runs only.
  void PostEvery(absl::Duration interval, std::function<void()> task) ABSL_LOCKS_EXCLUDED(mu_);

  // Runs what was posted, and ends the threads.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Repeated {
    absl::Duration interval;
    absl::Time due;
    std::function<void()> task;
    bool running = false;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  // The next task, once there is one; none at the end.
  std::function<void()> Next() ABSL_LOCKS_EXCLUDED(mu_);
  std::function<void()> TakeDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Duration UntilDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  std::deque<Repeated> repeated_ ABSL_GUARDED_BY(mu_);  // A deque: what it holds does not move.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace halving

#endif  // HALVING_COMMON_THREAD_POOL_H_
