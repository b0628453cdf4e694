#include "server/core/leases.h"

namespace halving {

void LeaseTable::Set(Key key, const std::string& worker, absl::Time deadline) {
  Erase(key);
  leases_[key] = {.worker = worker, .deadline = deadline};
  by_deadline_.insert({deadline, key});
  by_worker_.insert({worker, key});
}

void LeaseTable::Erase(Key key) {
  const auto at = leases_.find(key);
  if (at == leases_.end()) return;
  by_deadline_.erase({at->second.deadline, key});
  by_worker_.erase({at->second.worker, key});
  leases_.erase(at);
}

std::optional<LeaseTable::Key> LeaseTable::FirstDue(absl::Time now) const {
  if (by_deadline_.empty() || by_deadline_.begin()->first > now) return std::nullopt;
  return by_deadline_.begin()->second;
}

absl::Time LeaseTable::NextDeadline() const {
  return by_deadline_.empty() ? absl::InfiniteFuture() : by_deadline_.begin()->first;
}

void LeaseTable::Postpone(absl::Duration by) {
  if (by <= absl::ZeroDuration()) return;
  absl::btree_set<std::pair<absl::Time, Key>> moved;
  for (auto& [key, held] : leases_) {
    held.deadline += by;
    moved.insert({held.deadline, key});
  }
  by_deadline_ = std::move(moved);
}

std::vector<LeaseTable::Key> LeaseTable::HeldBy(const std::string& worker) const {
  std::vector<Key> keys;
  for (auto at = by_worker_.lower_bound({worker, Key{}});
       at != by_worker_.end() && at->first == worker; ++at) {
    keys.push_back(at->second);
  }
  return keys;
}

std::vector<StudyUid> LeaseTable::Studies() const {
  std::vector<StudyUid> uids;
  for (auto at = leases_.begin(); at != leases_.end();
       at = leases_.lower_bound({at->first.first + 1, 0})) {
    uids.push_back(at->first.first);
  }
  return uids;
}

}  // namespace halving
