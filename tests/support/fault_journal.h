// FaultJournal: a MemoryJournal whose disk can be full, broken or unreadable.
#ifndef HALVING_TESTS_SUPPORT_FAULT_JOURNAL_H_
#define HALVING_TESTS_SUPPORT_FAULT_JOURNAL_H_

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "server/store/memory_journal.h"

namespace halving {

// Also remembers which events came together, so that a test can see what was one transaction.
// Thread-safe, so that a test may change its faults while an engine runs on it.
class FaultJournal : public Journal {
 public:
  // The next `appends` find no room; then there is some again.
  void FillDisk(int appends = std::numeric_limits<int>::max()) {
    Fail(appends, absl::ResourceExhaustedError("no space left on device"));
  }
  void MakeRoom() { Fail(0, absl::OkStatus()); }
  // Every append leaves it unknown what is on the disk.
  void BreakDisk() {
    Fail(std::numeric_limits<int>::max(), absl::InternalError("fsync failed: I/O error"));
  }
  // Called after each append that went well, on its thread.
  void OnAppend(std::function<void(const std::vector<Event>&)> callback) {
    MutexLock lock(&mu_);
    on_append_ = std::move(callback);
  }
  void FailReplay(absl::Status status) {
    MutexLock lock(&mu_);
    replay_status_ = std::move(status);
  }

  absl::Status Append(const std::vector<Event>& events) override {
    MutexLock lock(&mu_);
    attempts_.push_back(events);
    if (failures_left_ > 0) {
      --failures_left_;
      return failure_;
    }
    transactions_.push_back(events);
    if (on_append_) on_append_(events);
    return memory_.Append(events);
  }
  absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) override {
    MutexLock lock(&mu_);
    return replay_status_.ok() ? memory_.Replay(apply) : replay_status_;
  }
  absl::StatusOr<std::unique_ptr<JournalBackup>> StartBackup() override {
    MutexLock lock(&mu_);
    return memory_.StartBackup();
  }
  const std::string& secret() const override { return secret_; }

  // What is on the disk, one after the other, and by transactions.
  std::vector<Event> events() const {
    MutexLock lock(&mu_);
    return memory_.events();
  }
  std::vector<std::vector<Event>> transactions() const {
    MutexLock lock(&mu_);
    return transactions_;
  }
  // All appends, also those that failed.
  std::vector<std::vector<Event>> attempts() const {
    MutexLock lock(&mu_);
    return attempts_;
  }

 private:
  void Fail(int appends, absl::Status status) {
    MutexLock lock(&mu_);
    failures_left_ = appends;
    failure_ = std::move(status);
  }

  mutable Mutex mu_;
  MemoryJournal memory_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<Event>> transactions_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<Event>> attempts_ ABSL_GUARDED_BY(mu_);
  int failures_left_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::function<void(const std::vector<Event>&)> on_append_ ABSL_GUARDED_BY(mu_);
  absl::Status replay_status_ ABSL_GUARDED_BY(mu_);
  const std::string secret_ = std::string(32, 's');
};

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_FAULT_JOURNAL_H_
