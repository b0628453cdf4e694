// RungLadder: how many epochs each rung trains to, and how many trials it holds.
#ifndef HALVING_SERVER_CORE_LADDER_H_
#define HALVING_SERVER_CORE_LADDER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace halving {

struct LadderOptions {
  int64_t min_epochs = 0;
  int64_t max_epochs = 0;
  int64_t eta = 0;
  double prefactor = 1;
  friend bool operator==(const LadderOptions&, const LadderOptions&) = default;
};

// RungLadder holds the levels r_0 < r_1 < ... < r_K of successive halving and the sizes
// n_k = max(1, floor(prefactor * eta^(K-k))). It knows nothing of trials. Immutable.
class RungLadder {
 public:
  // INVALID_ARGUMENT for 1 <= min_epochs <= max_epochs or 2 <= eta broken, for a prefactor that
  // leaves the first rung empty, and for a first rung above kMaxRungSize.
  static absl::StatusOr<RungLadder> Create(const LadderOptions& options);

  static constexpr int64_t kMaxRungSize = 1'000'000;

  int rungs() const { return static_cast<int>(epochs_.size()); }
  int top() const { return rungs() - 1; }
  int64_t epochs(int rung) const { return epochs_[rung]; }
  int64_t size(int rung) const { return sizes_[rung]; }
  int64_t eta() const { return eta_; }
  const std::vector<int64_t>& all_epochs() const { return epochs_; }
  const std::vector<int64_t>& all_sizes() const { return sizes_; }

 private:
  std::vector<int64_t> epochs_;
  std::vector<int64_t> sizes_;
  int64_t eta_ = 2;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_LADDER_H_
