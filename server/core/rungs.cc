#include "server/core/rungs.h"

#include <algorithm>

namespace halving {

void RungTable::FoldIfDone(GroupKey key) {
  const auto group = groups_.find(key);
  if (key.round == 0 || group == groups_.end()) return;
  const Levels& levels = group->second;
  if (std::any_of(levels.begin(), levels.end(), [](const Level& l) { return l.Busy(); })) return;
  for (int k = 0; k < rungs_; ++k) {
    closed_[k].reported += levels[k].reported;
    closed_[k].failed += levels[k].failed;
    closed_[k].promoted += levels[k].promoted;
    closed_[k].errors.Add(levels[k].errors);
  }
  groups_.erase(group);
}

}  // namespace halving
