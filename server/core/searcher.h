// Searcher: where in the search space the next trial looks.
#ifndef HALVING_SERVER_CORE_SEARCHER_H_
#define HALVING_SERVER_CORE_SEARCHER_H_

#include <cstdint>
#include <memory>

#include "server/core/draws.h"
#include "server/core/search_space.h"
#include "server/core/spec.h"
#include "server/core/unit_cube.h"

namespace halving {

// A searcher hears of every trial and every result in the order in which they were recorded, and
// proposes points. What it proposes is a function of that and of the draws alone. It need not care
// for points that were tried before: the Sampler does.
//
// All calls come from the engine's thread, between the answers to workers, so none may take longer
// than a millisecond or two, whatever came before. Thread-compatible.
class Searcher {
 public:
  virtual ~Searcher() = default;

  // The trial was given that config, by this searcher or by a person.
  virtual void Begin(int64_t /*trial*/, const Config& /*config*/) {}

  // The trial's error at a rung of the ladder. NaN or infinite: it diverged.
  virtual void Learn(int64_t /*trial*/, int /*rung*/, double /*error*/) {}

  // The trial failed for good: no result will come.
  virtual void Forget(int64_t /*trial*/) {}

  virtual Point Propose(Draws draws) const = 0;

  // Of a spec that is normalised; the space is its own, not owned.
  static std::unique_ptr<Searcher> Create(const StudySpec& spec, const SearchSpace* space,
                                          int rungs);
};

// Uniform in the unit cube. Immutable.
class RandomSearcher : public Searcher {
 public:
  explicit RandomSearcher(size_t parameters) : parameters_(parameters) {}
  Point Propose(Draws draws) const override;

 private:
  const size_t parameters_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SEARCHER_H_
