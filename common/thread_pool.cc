#include "common/thread_pool.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace halving {

ThreadPool::ThreadPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Post(std::function<void()> task) {
  {
    MutexLock lock(&mu_);
    if (!stopping_) {
      tasks_.push_back(std::move(task));
      changed_.NotifyOne();
      return;
    }
  }
  task();
}

void ThreadPool::PostEvery(absl::Duration interval, std::function<void()> task) {
  MutexLock lock(&mu_);
  repeated_.push_back(
      {.interval = interval, .due = Clock::Real()->Now() + interval, .task = std::move(task)});
  changed_.NotifyOne();
}

void ThreadPool::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::Loop() {
  while (const std::function<void()> task = Next()) task();
}

std::function<void()> ThreadPool::Next() {
  MutexLock lock(&mu_);
  for (;;) {
    if (!tasks_.empty()) {
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      return task;
    }
    if (stopping_) return nullptr;
    if (std::function<void()> due = TakeDue()) return due;
    changed_.WaitFor(&mu_, UntilDue());
  }
}

std::function<void()> ThreadPool::TakeDue() {
  const absl::Time now = Clock::Real()->Now();
  for (Repeated& repeated : repeated_) {
    if (repeated.running || repeated.due > now) continue;
    repeated.running = true;
    return [this, &repeated] {
      repeated.task();
      MutexLock lock(&mu_);
      repeated.running = false;
      repeated.due = Clock::Real()->Now() + repeated.interval;
      changed_.NotifyOne();
    };
  }
  return nullptr;
}

absl::Duration ThreadPool::UntilDue() const {
  absl::Time due = absl::InfiniteFuture();
  for (const Repeated& repeated : repeated_) {
    if (!repeated.running) due = std::min(due, repeated.due);
  }
  return due - Clock::Real()->Now();
}

}  // namespace halving
