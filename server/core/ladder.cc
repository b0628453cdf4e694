#include "server/core/ladder.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace halving {
namespace {

std::vector<int64_t> Epochs(const LadderOptions& o) {
  std::vector<int64_t> epochs;
  int64_t budget = o.min_epochs;
  while (budget < o.max_epochs) {
    epochs.push_back(budget);
    if (budget > o.max_epochs / o.eta) break;  // The next one would pass the top.
    budget *= o.eta;
  }
  epochs.push_back(o.max_epochs);
  return epochs;
}

// Sizes from the top rung down to the first, as doubles: eta^K may pass any integer.
std::vector<double> SizesFromTheTop(size_t rungs, const LadderOptions& o) {
  std::vector<double> sizes;
  double power = 1;
  for (size_t i = 0; i < rungs; ++i, power *= static_cast<double>(o.eta)) {
    // The last bits of a decimal prefactor must not cost a trial: 0.29 * 100 is 28.999999999999996.
    sizes.push_back(std::floor(o.prefactor * power * (1 + 1e-12)));
  }
  return sizes;
}

}  // namespace

absl::StatusOr<RungLadder> RungLadder::Create(const LadderOptions& o) {
  if (o.min_epochs < 1 || o.max_epochs < o.min_epochs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "halving.min_epochs is ", o.min_epochs, " and halving.max_epochs ", o.max_epochs,
        "; need 1 <= min <= max, since each rung trains at least as long as the one before"));
  }
  if (o.eta < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("halving.eta is ", o.eta, "; it must be at least 2, or no trial is ever cut"));
  }
  if (!(o.prefactor > 0) || !std::isfinite(o.prefactor)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "halving.prefactor is ", o.prefactor, "; it must be a number above 0 (unset means 1)"));
  }
  RungLadder ladder;
  ladder.eta_ = o.eta;
  ladder.epochs_ = Epochs(o);
  const std::vector<double> sizes = SizesFromTheTop(ladder.epochs_.size(), o);
  if (sizes.back() < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "halving.prefactor is ", o.prefactor, ", which leaves no trial for the first rung: ",
        "prefactor * eta^", sizes.size() - 1, " must be at least 1"));
  }
  if (sizes.back() > static_cast<double>(kMaxRungSize)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the first rung would hold ", sizes.back(), " trials (prefactor ", o.prefactor,
                     " * eta ", o.eta, "^", sizes.size() - 1, "); at most ", kMaxRungSize,
                     ": raise min_epochs or lower prefactor"));
  }
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    ladder.sizes_.push_back(std::max<int64_t>(1, static_cast<int64_t>(*size)));
  }
  return ladder;
}

}  // namespace halving
