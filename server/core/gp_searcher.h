// A Gaussian process of the errors, and the point where it expects to improve most.
#ifndef HALVING_SERVER_CORE_GP_SEARCHER_H_
#define HALVING_SERVER_CORE_GP_SEARCHER_H_

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "server/core/gaussian_process.h"
#include "server/core/rung_results.h"
#include "server/core/searcher.h"

namespace halving {

// At the highest rung with at least d + 3 results, of d parameters: one time in five random, else
// the point of the largest expected improvement there, among random points and such near the best.
// The process sees results of all rungs; the rung is a coordinate of its points, and those of lower
// rungs have a noise of their own, so that it learns how much they say. Trials that run are taken
// to give what it predicts (kriging believer). Until a rung has so many results: random.
//
// It sees a bounded number of results, best ones first, and its lengths are fitted anew as the
// results grow by a quarter. So a proposal costs the same whatever came before. Thread-compatible.
class GpSearcher : public Searcher {
 public:
  GpSearcher(const SearchSpace* space, int rungs);

  void Begin(int64_t trial, const Config& config) override;
  void Learn(int64_t trial, int rung, double error) override;
  void Forget(int64_t trial) override { pending_.erase(trial); }
  Point Propose(Draws draws) const override;

 private:
  // Points have one coordinate more than the space has parameters: the rung's, 1 at the top.
  struct Data {
    std::vector<Point> points;
    std::vector<double> values;  // Of mean 0 and variance 1; outliers to the worse cut.
    std::vector<bool> lower;     // Whether of a rung below the one that is judged.
  };
  struct Model {
    Kernel kernel;
    double noise = 1e-3;
    double lower_noise = 1e-3;
  };

  // The rung that is judged; -1 while none has enough results.
  int JudgedRung() const;
  Data DataOf(int judged, size_t most) const;
  static GaussianProcess ProcessOf(const Model& model, const Data& data);
  // Adds up to `most` results of the rung, the best ones and some of the others.
  void AddRung(int rung, int judged, double shift, size_t most, Data* data) const;
  Point WithRung(Point point, int rung) const;
  Model Fit(int judged) const;
  // Adds what the process predicts of the trials that run.
  void Believe(int judged, Data* data) const;

  RungResults results_;
  const int rungs_;
  std::set<int64_t> pending_;              // Trials without a result.
  std::vector<double> last_;               // By trial: its newest error; NaN before the first.
  std::vector<std::deque<double>> steps_;  // By rung: what errors changed by on the way to it.
  size_t count_ = 0;                       // Results, of all rungs.
  size_t fit_at_ = 0;                      // The count that calls for the next fit.
  Model model_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_GP_SEARCHER_H_
