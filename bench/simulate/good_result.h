// How soon a policy has a good result.
#ifndef HALVING_BENCH_SIMULATE_GOOD_RESULT_H_
#define HALVING_BENCH_SIMULATE_GOOD_RESULT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/simulate/findings.h"
#include "bench/simulate/kinds.h"
#include "bench/simulate/problem.h"

namespace halving {

struct GoodResultSetup {
  const Problem* problem = nullptr;  // Not owned.
  double good_error = 0;             // Of the best share of random configs.
  int workers = 1;
  double time_noise = 0.24;
};

// A config is good whose final error is among the best `share` of 100,000 random ones.
double GoodError(const Problem& problem, double share);

struct GoodResult {
  bool found = false;
  double time =
      0;  // Until a trial with a good config had reported at max_epochs, or it was given up.
  double mean_checkpoints = 0;  // Over the time; the most at any one time:
  int64_t most_checkpoints = 0;
  int64_t most_resting_checkpoints = 0;  // That no running job began from.
};
absl::StatusOr<GoodResult> TimeToGoodResult(const GoodResultSetup& setup,
                                            const PolicyChoice& policy, uint64_t seed);

// On each of PowerLawProblems() with 8, 32 and 128 workers, for each policy: the mean time, its
// ratios to strict's and ASHA's, and the checkpoints held.
absl::StatusOr<Findings> GoodResultExperiment(const ExperimentOptions& options,
                                              const std::vector<PolicyChoice>& policies);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_GOOD_RESULT_H_
