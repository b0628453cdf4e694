// Local search: often a small step from one of the best so far.
#ifndef HALVING_SERVER_CORE_PERTURB_SEARCHER_H_
#define HALVING_SERVER_CORE_PERTURB_SEARCHER_H_

#include "server/core/rung_results.h"
#include "server/core/searcher.h"

namespace halving {

// At the highest rung with at least d + 3 results, of d parameters: one time in three random, else
// one of the best max(3, 5%) with normal noise in each coordinate of the unit cube, reflected at
// its walls. A choice changes seldom. Until a rung has so many: random. Thread-compatible.
class PerturbSearcher : public Searcher {
 public:
  PerturbSearcher(const SearchSpace* space, int rungs) : results_(space, rungs) {}

  void Begin(int64_t, const Config& config) override { results_.Begin(config); }
  void Learn(int64_t trial, int rung, double error) override { results_.Add(trial, rung, error); }
  Point Propose(Draws draws) const override;

 private:
  RungResults results_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_PERTURB_SEARCHER_H_
