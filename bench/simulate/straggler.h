// How policies fare with stragglers and lost jobs.
#ifndef HALVING_BENCH_SIMULATE_STRAGGLER_H_
#define HALVING_BENCH_SIMULATE_STRAGGLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/simulate/findings.h"
#include "bench/simulate/kinds.h"
#include "bench/simulate/workload.h"

namespace halving {

// How bad it is; see WorkloadOptions.
struct StragglerCell {
  double time_noise = 0;
  double loss = 0;
};

// Those of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020), A.1: 16.
std::vector<StragglerCell> StragglerCells();

// One run of it: eta 4, 1 to 256 epochs, 25 workers, 2000 units of time.
WorkloadOptions StragglerRun(const PolicyChoice& policy, const StragglerCell& cell,
                             bool checkpoints, uint64_t seed);

// The busy share of workers and the trials trained to the end, for each policy in each cell.
absl::StatusOr<Findings> StragglerExperiment(const ExperimentOptions& options,
                                             const std::vector<PolicyChoice>& policies);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_STRAGGLER_H_
