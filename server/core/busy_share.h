// BusyShare: how much of its time a worker held a trial, of late.
#ifndef HALVING_SERVER_CORE_BUSY_SHARE_H_
#define HALVING_SERVER_CORE_BUSY_SHARE_H_

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/time/time.h"

namespace halving {

// A share of time in which what lies ten minutes back weighs about an eighth of what is now: a few
// numbers, where a window would take a list for each of ten thousand workers. Intervals may be told
// late, but in order: what lies before an earlier one's end is passed over. Thread-compatible.
class BusyShare {
 public:
  // It held a trial from `from` until `to`.
  void AddBusy(absl::Time from, absl::Time to) {
    Advance(from, /*weight=*/1, /*busy=*/false);
    Advance(to, /*weight=*/1, /*busy=*/true);
  }

  // It was away until `now`: that was neither busy nor idle.
  void SkipTo(absl::Time now) { Advance(now, /*weight=*/0, /*busy=*/false); }

  // 0 to 1, at `now`; `busy_since` while it holds a trial.
  double Share(absl::Time now, std::optional<absl::Time> busy_since) const {
    BusyShare then = *this;
    if (busy_since.has_value()) {
      then.AddBusy(*busy_since, now);
    } else {
      then.Advance(now, /*weight=*/1, /*busy=*/false);
    }
    return then.known_ > 0 ? then.busy_ / then.known_ : 0;
  }

 private:
  static constexpr absl::Duration kForgetsIn = absl::Minutes(5);

  void Advance(absl::Time now, double weight, bool busy) {
    if (at_ == absl::InfinitePast()) at_ = now;
    if (now <= at_) return;
    const double kept = std::exp(-absl::FDivDuration(now - at_, kForgetsIn));
    known_ = known_ * kept + weight * (1 - kept);
    busy_ = busy_ * kept + (busy ? weight * (1 - kept) : 0);
    at_ = now;
  }

  absl::Time at_ = absl::InfinitePast();  // Up to then it is counted.
  double known_ = 0;
  double busy_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_BUSY_SHARE_H_
