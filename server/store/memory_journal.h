// MemoryJournal: a Journal that forgets everything with the process, for tests and simulations.
#ifndef HALVING_SERVER_STORE_MEMORY_JOURNAL_H_
#define HALVING_SERVER_STORE_MEMORY_JOURNAL_H_

#include <memory>
#include <string>
#include <vector>

#include "server/store/journal.h"

namespace halving {

class MemoryJournal : public Journal {
 public:
  absl::Status Append(const std::vector<Event>& events) override {
    events_.insert(events_.end(), events.begin(), events.end());
    return absl::OkStatus();
  }
  absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) override {
    for (const Event& event : events_) apply(event);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<JournalBackup>> StartBackup() override {
    return absl::UnimplementedError("a journal in memory has no backups");
  }
  const std::string& secret() const override { return secret_; }

  const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Event> events_;
  const std::string secret_ = std::string(32, 's');
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_MEMORY_JOURNAL_H_
