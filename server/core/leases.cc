#include "server/core/leases.h"

#include <algorithm>

namespace halving {

void LeaseTable::Set(Key key, const std::string& worker, absl::Time deadline) {
  const auto at = leases_.find(key);
  if (at != leases_.end() && at->second.worker == worker) {
    by_deadline_.erase({at->second.deadline, key});
    by_deadline_.insert({deadline, key});
    at->second.deadline = deadline;
    return;
  }
  Erase(key);
  leases_[key] = {.worker = worker, .deadline = deadline};
  by_deadline_.insert({deadline, key});
  std::vector<Key>& held = by_worker_[worker];
  held.insert(std::upper_bound(held.begin(), held.end(), key), key);
}

void LeaseTable::Erase(Key key) {
  const auto at = leases_.find(key);
  if (at == leases_.end()) return;
  by_deadline_.erase({at->second.deadline, key});
  const auto holder = by_worker_.find(at->second.worker);
  std::erase(holder->second, key);
  if (holder->second.empty()) by_worker_.erase(holder);
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

const std::vector<LeaseTable::Key>& LeaseTable::HeldBy(const std::string& worker) const {
  static const std::vector<Key>* const none = new std::vector<Key>;
  const auto at = by_worker_.find(worker);
  return at == by_worker_.end() ? *none : at->second;
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
