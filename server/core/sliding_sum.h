// SlidingSum: a sum of durations over the last ten minutes.
#ifndef HALVING_SERVER_CORE_SLIDING_SUM_H_
#define HALVING_SERVER_CORE_SLIDING_SUM_H_

#include <array>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace halving {

// Exact to one slot of 30 seconds. Thread-compatible.
class SlidingSum {
 public:
  void Add(absl::Time now, absl::Duration amount) {
    const int64_t slot = SlotAt(now);
    Slot& entry = slots_[Modulo(slot, kSlots)];
    if (entry.number != slot) entry = {.number = slot, .sum = absl::ZeroDuration()};
    entry.sum += amount;
  }

  absl::Duration Sum(absl::Time now) const {
    absl::Duration sum;
    for (const Slot& entry : slots_) {
      if (entry.number > SlotAt(now) - kSlots && entry.number <= SlotAt(now)) sum += entry.sum;
    }
    return sum;
  }

 private:
  static constexpr int64_t kSlots = 20;
  static constexpr int64_t kSlotSeconds = 30;
  struct Slot {
    int64_t number = std::numeric_limits<int64_t>::min();
    absl::Duration sum;
  };
  // Never negative, also for a clock before 1970.
  static int64_t Modulo(int64_t a, int64_t b) { return (a % b + b) % b; }
  static int64_t SlotAt(absl::Time now) {
    const int64_t seconds = absl::ToUnixSeconds(now);
    return (seconds - Modulo(seconds, kSlotSeconds)) / kSlotSeconds;
  }

  std::array<Slot, kSlots> slots_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SLIDING_SUM_H_
