// WaitingLine: those who wait for a trial.
#ifndef HALVING_SERVER_ENGINE_WAITING_LINE_H_
#define HALVING_SERVER_ENGINE_WAITING_LINE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/time/time.h"

namespace halving {

// Keeps them in the order they came. What it does in each batch does not depend on how many wait:
// ten thousand idle workers must not slow down the busy ones. `Waiting` has `ask`, an Ask, and
// `deadline`, an absl::Time. Thread-compatible: the Engine owns it.
template <typename Waiting>
class WaitingLine {
 public:
  void Add(Waiting waiting) {
    const int64_t place = next_++;
    by_deadline_.insert({waiting.deadline, place});
    by_kind_[KindOf(waiting)].insert(place);
    line_.emplace(place, std::move(waiting));
  }

  // Offers work to each in its turn, who leaves if `take` says true. When it says false, nobody
  // who asks for the same objectives of the same studies is tried any more: he would get the same
  // answer.
  template <typename Take>
  void Offer(Take take) {
    absl::btree_map<int64_t, const Kind*> first;  // Of each kind that is not in vain.
    for (const auto& [kind, places] : by_kind_) first[*places.begin()] = &kind;
    while (!first.empty()) {
      const auto [place, kind] = *first.begin();
      first.erase(first.begin());
      if (!take(line_.at(place))) continue;
      const auto places = by_kind_.find(*kind);
      const auto next = places->second.upper_bound(place);
      if (next != places->second.end()) first[*next] = kind;
      Erase(place);
    }
  }

  // Hands over all whose deadline has come.
  template <typename Take>
  void TakeDue(absl::Time now, Take take) {
    while (NextDeadline() <= now) {
      const int64_t place = by_deadline_.begin()->second;
      take(line_.at(place));
      Erase(place);
    }
  }

  // Looks at all of them; those leave for whom `take` says true.
  template <typename Take>
  void TakeIf(Take take) {
    std::vector<int64_t> taken;
    for (auto& [place, waiting] : line_) {
      if (take(waiting)) taken.push_back(place);
    }
    for (const int64_t place : taken) Erase(place);
  }

  absl::Time NextDeadline() const {
    return by_deadline_.empty() ? absl::InfiniteFuture() : by_deadline_.begin()->first;
  }
  size_t size() const { return line_.size(); }
  bool empty() const { return line_.empty(); }

 private:
  // Objectives and scope: what the answer depends on.
  using Kind = std::pair<std::vector<std::string>, std::string>;

  static Kind KindOf(const Waiting& waiting) { return {waiting.ask.objectives, waiting.ask.scope}; }

  void Erase(int64_t place) {
    const auto at = line_.find(place);
    by_deadline_.erase({at->second.deadline, place});
    const auto places = by_kind_.find(KindOf(at->second));
    places->second.erase(place);
    if (places->second.empty()) by_kind_.erase(places);
    line_.erase(at);
  }

  int64_t next_ = 0;
  std::map<int64_t, Waiting> line_;  // By place.
  absl::btree_set<std::pair<absl::Time, int64_t>> by_deadline_;
  std::map<Kind, absl::btree_set<int64_t>> by_kind_;
};

}  // namespace halving

#endif  // HALVING_SERVER_ENGINE_WAITING_LINE_H_
