// Standings: the errors of one level in their order, and which of its trials still wait.
#ifndef HALVING_SERVER_CORE_STANDINGS_H_
#define HALVING_SERVER_CORE_STANDINGS_H_

#include <cstdint>
#include <set>
#include <utility>

#include "server/core/order_tree.h"

namespace halving {

// For policies that promote trials one by one, by their rank among all that ever reported at a
// level. Every call takes O(log n). Thread-compatible.
class Standings {
 public:
  using Key = std::pair<double, int64_t>;  // (finite error, trial id)

  void Add(Key key) {
    ranked_.insert(key);
    waiting_.insert(key);
    hopeful_.insert(key);
  }
  void Promote(Key key) {
    waiting_.erase(key);
    hopeful_.erase(key);
  }
  // Its checkpoint is gone; it may be promoted all the same.
  void GiveUp(Key key) { hopeful_.erase(key); }

  // How many stand before it.
  int64_t RankOf(Key key) const { return static_cast<int64_t>(ranked_.order_of_key(key)); }
  // Those that were not promoted, best first.
  const std::set<Key>& waiting() const { return waiting_; }
  // Those of them that were not given up.
  const std::set<Key>& hopeful() const { return hopeful_; }

 private:
  OrderTree<Key> ranked_;
  std::set<Key> waiting_;
  std::set<Key> hopeful_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_STANDINGS_H_
