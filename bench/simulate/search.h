// How much budget a searcher, or a policy, needs to come near the optimum.
#ifndef HALVING_BENCH_SIMULATE_SEARCH_H_
#define HALVING_BENCH_SIMULATE_SEARCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/simulate/findings.h"
#include "bench/simulate/kinds.h"
#include "bench/simulate/problem.h"

namespace halving {

// What is compared.
struct Contender {
  std::string name;
  PolicyChoice policy = {kDefault, PolicyKind::kHalving};
  SearcherKind searcher = SearcherKind::kRandom;
};

// The searchers under the default policy, and the policies with random search.
std::vector<Contender> ContendersOf(const std::vector<SearcherChoice>& searchers);
std::vector<Contender> ContendersOf(const std::vector<PolicyChoice>& policies);

struct Spent {
  double epochs = 0;
  double evaluations = 0;
};

// From some point of a run on, the incumbent has this regret. The incumbent is what the study's
// status calls best: the lowest error at the highest rung that has one. Its regret is
// Problem::Regret(), which no noise touches.
struct RegretStep {
  Spent spent;
  double regret = 1;
};

struct SearchRun {
  std::vector<RegretStep> steps;  // In order; none before the first result.
  Spent total;
};

// Ends when the regret is at most `goal`, or `max_epochs_spent` epochs were spent.
absl::StatusOr<SearchRun> RunSearch(const Problem& problem, const Contender& contender, double goal,
                                    int64_t max_epochs_spent, uint64_t seed);

// What was spent when the regret was at most `goal` for the first time, if it ever was.
std::optional<Spent> SpentUntil(const SearchRun& run, double goal);

// After so many epochs; 1 before the first result.
double RegretAt(const SearchRun& run, double epochs);

struct SearchQuestion {
  std::string title;  // "Searchers".
  std::string file;   // Of the picture.
  std::vector<Contender> contenders;
  std::string reference;  // The contender whose budget the others' are compared with.
  bool has_aims = false;  // Those of searchers.
};

absl::StatusOr<Findings> SearchExperiment(const ExperimentOptions& options,
                                          const SearchQuestion& question,
                                          const std::vector<const Problem*>& problems);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_SEARCH_H_
