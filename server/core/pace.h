// Pace: how long evaluations to one rung take of late, and how often one ends.
#ifndef HALVING_SERVER_CORE_PACE_H_
#define HALVING_SERVER_CORE_PACE_H_

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace halving {

// Remembers the last 64. Thread-compatible.
class Pace {
 public:
  // One that took so long ended at `time`.
  void Add(absl::Time time, absl::Duration took) {
    if (last_.size() < kKept) {
      last_.push_back({time, took});
    } else {
      last_[next_] = {time, took};
    }
    next_ = (next_ + 1) % kKept;
  }

  // Time ran again only at `now`: since the last one none has passed.
  void ResumeAt(absl::Time now) {
    absl::Time newest = absl::InfinitePast();
    for (const Ended& ended : last_) newest = std::max(newest, ended.time);
    for (Ended& ended : last_) ended.time += now - newest;
  }

  // Of what is remembered; unset before the third.
  std::optional<absl::Duration> MedianTime() const {
    if (last_.size() < kLeast) return std::nullopt;
    std::vector<absl::Duration> times;
    times.reserve(last_.size());
    for (const Ended& ended : last_) times.push_back(ended.took);
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  }

  // How long until so many more have ended. The time since the last one counts, so that a
  // standstill shows. Unset before the third.
  std::optional<absl::Duration> TimeFor(double count, absl::Time now) const {
    if (last_.size() < kLeast) return std::nullopt;
    absl::Time first = now;
    for (const Ended& ended : last_) first = std::min(first, ended.time);
    return (now - first) / static_cast<double>(last_.size()) * count;
  }

 private:
  static constexpr size_t kKept = 64;
  static constexpr size_t kLeast = 3;
  struct Ended {
    absl::Time time;
    absl::Duration took;
  };

  std::vector<Ended> last_;  // A ring, once it is full.
  size_t next_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_PACE_H_
