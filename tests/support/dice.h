// Dice: a stream of random choices that a seed fixes.
#ifndef HALVING_TESTS_SUPPORT_DICE_H_
#define HALVING_TESTS_SUPPORT_DICE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/random.h"

namespace halving {

// The same seed gives the same throws on every machine. Thread-compatible.
class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(seed) {}

  uint64_t Bits() { return MixBits(seed_, ++throws_); }
  double Unit() { return UnitInterval(Bits()); }  // In [0, 1).
  bool Chance(double probability) { return Unit() < probability; }
  // In [low, high], both included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(BoundedBits(Bits(), static_cast<uint64_t>(high - low) + 1));
  }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return low + Unit() * (high - low);
  }

 private:
  const uint64_t seed_;
  uint64_t throws_ = 0;
};

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_DICE_H_
