// Draws: the random numbers of one proposal.
#ifndef HALVING_SERVER_CORE_DRAWS_H_
#define HALVING_SERVER_CORE_DRAWS_H_

#include <cmath>
#include <cstdint>

#include "common/random.h"

namespace halving {

// A sequence that (seed, trial, attempt) fixes: whoever makes the same proposal again draws the
// same numbers. Thread-compatible.
class Draws {
 public:
  Draws(uint64_t seed, int64_t trial, uint64_t attempt)
      : seed_(attempt == 0 ? seed : MixBits(seed, attempt)),
        trial_(static_cast<uint64_t>(trial)),
        attempt_(attempt) {}

  int64_t trial() const { return static_cast<int64_t>(trial_); }
  uint64_t attempt() const { return attempt_; }

  // Uniform in [0, 1).
  double Unit() { return UnitInterval(MixBits(seed_, trial_, drawn_++)); }

  // Uniform in [0, bound); bound >= 1.
  int64_t Below(int64_t bound) {
    return static_cast<int64_t>(
        BoundedBits(MixBits(seed_, trial_, drawn_++), static_cast<uint64_t>(bound)));
  }

  // Standard normal, by Box and Muller.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Unit()));
    return radius * std::cos(2 * M_PI * Unit());
  }

 private:
  uint64_t seed_;
  uint64_t trial_;
  uint64_t attempt_;
  uint64_t drawn_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_DRAWS_H_
