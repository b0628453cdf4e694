#include "server/core/searcher.h"

#include "common/check.h"
#include "server/core/gp_searcher.h"
#include "server/core/perturb_searcher.h"
#include "server/core/sobol_searcher.h"
#include "server/core/tpe_searcher.h"

namespace halving {

Point RandomSearcher::Propose(Draws draws) const {
  Point point(parameters_);
  for (double& at : point) at = draws.Unit();
  return point;
}

std::unique_ptr<Searcher> Searcher::Create(const StudySpec& spec, const SearchSpace* space,
                                           int rungs) {
  const size_t parameters = space->parameters().size();
  switch (spec.searcher) {
    case SearcherKind::kRandom:
      return std::make_unique<RandomSearcher>(parameters);
    case SearcherKind::kSobol:
      return std::make_unique<SobolSearcher>(parameters, spec.seed);
    case SearcherKind::kPerturb:
      return std::make_unique<PerturbSearcher>(space, rungs);
    case SearcherKind::kTpe:
      return std::make_unique<TpeSearcher>(space, rungs);
    case SearcherKind::kGp:
      return std::make_unique<GpSearcher>(space, rungs);
  }
  HV_CHECK(false) << "searcher " << static_cast<int>(spec.searcher);
  return nullptr;
}

}  // namespace halving
