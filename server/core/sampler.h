// Random search: config i of a study as a pure function of (seed, i).
#ifndef HALVING_SERVER_CORE_SAMPLER_H_
#define HALVING_SERVER_CORE_SAMPLER_H_

#include <cstdint>

#include "server/core/search_space.h"

namespace halving {

// Uniform in the space (in the logarithm for log ranges), the same on every call. `index` counts
// the trials of a study from 1.
Config SampleRandom(const SearchSpace& space, uint64_t seed, int64_t index);

// The seed that a trial trains with: in [0, 2^31), the same on every attempt.
int32_t TrainingSeed(uint64_t study_seed, int64_t trial_id);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SAMPLER_H_
