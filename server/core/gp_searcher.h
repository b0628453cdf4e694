// A Gaussian process of the errors, and the point where it expects to improve most.
#ifndef HALVING_SERVER_CORE_GP_SEARCHER_H_
#define HALVING_SERVER_CORE_GP_SEARCHER_H_

#include <set>
#include <vector>

#include "server/core/gaussian_process.h"
#include "server/core/rung_results.h"
#include "server/core/searcher.h"

namespace halving {

// At the highest rung with at least d + 3 results, of d parameters: one time in five random, else
// the point of the largest expected improvement among random ones and such near the best. Trials
// that run are taken to give what the process predicts (kriging believer). Until a rung has so many
// results: random.
//
// The process sees the best and some of the other results, a bounded number; its lengths are fitted
// as the results at a rung grow by a quarter. So a proposal costs the same whatever came before.
// Thread-compatible.
class GpSearcher : public Searcher {
 public:
  GpSearcher(const SearchSpace* space, int rungs);

  void Begin(int64_t trial, const Config& config) override;
  void Learn(int64_t trial, int rung, double error) override;
  void Forget(int64_t trial) override { pending_.erase(trial); }
  Point Propose(Draws draws) const override;

 private:
  struct Data {
    std::vector<const Point*> points;
    std::vector<double> values;  // Of mean 0 and variance 1; outliers to the worse cut.
  };

  Data DataOf(const RungResults::Ranked& ranked, size_t most) const;
  Kernel Fit(const RungResults::Ranked& ranked) const;
  // The process with what it predicts of the trials that run.
  GaussianProcess Believe(const Kernel& kernel, Data data) const;

  RungResults results_;
  std::set<int64_t> pending_;    // Trials without a result.
  std::vector<Kernel> kernels_;  // By rung.
  std::vector<size_t> fit_at_;   // By rung: the number of results that calls for the next fit.
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_GP_SEARCHER_H_
