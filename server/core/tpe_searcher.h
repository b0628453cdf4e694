// TPE: kernel densities of good and bad results, as BOHB uses them (Falkner et al. 2018).
#ifndef HALVING_SERVER_CORE_TPE_SEARCHER_H_
#define HALVING_SERVER_CORE_TPE_SEARCHER_H_

#include "server/core/rung_results.h"
#include "server/core/searcher.h"

namespace halving {

// At the highest rung with at least d + 3 results, of d parameters: one time in three random, else
// the best, by the ratio of the two densities, of some draws from that of the best 15%. Until a
// rung has so many: random. Large rungs are thinned out evenly by rank, so that a proposal costs
// the same whatever came before. Thread-compatible.
class TpeSearcher : public Searcher {
 public:
  TpeSearcher(const SearchSpace* space, int rungs) : results_(space, rungs) {}

  void Begin(int64_t, const Config& config) override { results_.Begin(config); }
  void Learn(int64_t trial, int rung, double error) override { results_.Add(trial, rung, error); }
  Point Propose(Draws draws) const override;

 private:
  // Up to `most` of the points ranked from `first` on, `count` of them.
  std::vector<const Point*> PointsFrom(const RungResults::Ranked& ranked, size_t first,
                                       size_t count, size_t most) const;

  RungResults results_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_TPE_SEARCHER_H_
