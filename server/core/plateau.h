// Plateau: how long no trial has been better than the best one so far.
#ifndef HALVING_SERVER_CORE_PLATEAU_H_
#define HALVING_SERVER_CORE_PLATEAU_H_

#include <cmath>
#include <cstdint>
#include <limits>

namespace halving {

// Counts trials since the last improvement, whatever their order of errors before. Small steps add
// up: an error is compared with the one that last counted as an improvement. Thread-compatible.
class Plateau {
 public:
  // A trial's last error. NaN and infinite ones improve nothing.
  void Add(double error, double delta) {
    ++since_;
    // A step of just `delta` counts, whatever its last bits.
    if (!std::isfinite(error) || error >= best_ || best_ - error < delta * (1 - 1e-9)) return;
    best_ = error;
    since_ = 0;
  }

  // A study that was extended gets as many trials again.
  void Extend() { since_ = 0; }

  int64_t since() const { return since_; }
  double best() const { return best_; }  // Infinite before the first finite error.

 private:
  double best_ = std::numeric_limits<double>::infinity();
  int64_t since_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_PLATEAU_H_
