// One study on many workers in virtual time, on the real Scheduler.
#ifndef HALVING_BENCH_SIMULATE_WORKLOAD_H_
#define HALVING_BENCH_SIMULATE_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/search_space.h"
#include "server/core/spec.h"
#include "server/core/study.h"

namespace halving {

// One result that a worker reported. Times are in units: what an epoch takes without noise.
struct Evaluation {
  double time = 0;
  int64_t epochs_spent = 0;  // By all workers until then, with those of lost attempts.
  TrialId trial = 0;
  int rung = 0;
  int64_t epochs = 0;  // Of the rung.
  double error = 0;
};

struct WorkloadOptions {
  // The run sets its lease, attempts and objective, and a far limit if it has none.
  StudySpec spec;
  // Synchronous successive halving: while a round is unfinished no other one is begun, and workers
  // wait. For a policy whose rounds have rungs of their own.
  bool strict = false;
  int workers = 1;
  // A job takes (epochs to train) * (1 + |z|) units, where z is normal with this deviation, and the
  // same for equal (seed, trial, rung, attempt at that rung).
  double time_noise = 0;
  // The probability, in each unit of time, that a job is lost: it ends without a result or
  // checkpoint, and its worker says so at once.
  double loss = 0;
  // Else every trial starts from scratch at each rung.
  bool checkpoints = true;
  // The run ends at this time or once this was spent, whichever comes first, if not before.
  double max_time = std::numeric_limits<double>::infinity();
  int64_t max_epochs_spent = std::numeric_limits<int64_t>::max();
  // What a trial reports; `seed` is the trial's own.
  std::function<double(const Config& config, int64_t epochs, uint64_t seed)> error;
  // Called after each result, if it is set; false ends the run.
  std::function<bool(const Evaluation& evaluation, const Study& study)> on_result;
};

struct WorkloadResult {
  std::vector<Evaluation> evaluations;  // In order of time.
  double end_time = 0;                  // max_time, or when it ended before.
  double busy_share = 0;                // Of all workers' time, how much was under jobs.
  int64_t trained_fully = 0;            // Trials that reported at max_epochs.
  int64_t epochs_spent = 0;             // Whole epochs of jobs that ended.
  int64_t lost_jobs = 0;
  int64_t asks = 0;
  // Stored and not dropped: the most at any one time, and the mean over the time.
  int64_t most_checkpoints = 0;
  double mean_checkpoints = 0;
  int64_t most_resting_checkpoints = 0;  // The most that no running job began from.
};

// Equal options give equal results. Errors: those of Normalise() and CreateStudy; OUT_OF_RANGE when
// a run without an end lasts longer than a lease can.
absl::StatusOr<WorkloadResult> RunWorkload(const WorkloadOptions& options);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_WORKLOAD_H_
