// Sobol's sequence: points that cover the cube more evenly than random ones.
#ifndef HALVING_SERVER_CORE_SOBOL_SEARCHER_H_
#define HALVING_SERVER_CORE_SOBOL_SEARCHER_H_

#include <cstddef>
#include <cstdint>

#include "server/core/searcher.h"

namespace halving {

// Trial i gets point i of the sequence, scrambled by the seed (Owen's scrambling by hashes: Burley
// 2020). The first kSobolDimensions parameters are covered so; any beyond are random. Immutable.
class SobolSearcher : public Searcher {
 public:
  SobolSearcher(size_t parameters, uint64_t seed) : parameters_(parameters), seed_(seed) {}
  Point Propose(Draws draws) const override;

 private:
  const size_t parameters_;
  const uint64_t seed_;
};

inline constexpr size_t kSobolDimensions = 21;

// Coordinate `dimension` of point `index`, unscrambled, as a fraction of 2^32. Joe and Kuo's
// direction numbers (2008); dimension < kSobolDimensions.
uint32_t SobolBits(uint32_t index, size_t dimension);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SOBOL_SEARCHER_H_
