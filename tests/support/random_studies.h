// Studies and faults from a seed, for whole runs of the simulator.
#ifndef HALVING_TESTS_SUPPORT_RANDOM_STUDIES_H_
#define HALVING_TESTS_SUPPORT_RANDOM_STUDIES_H_

#include <cstdint>

#include "tests/support/simulator.h"

namespace halving {

// One to three studies of any limits, ladder, policy, search space and searcher (but the Gaussian
// process, which is slow), up to twelve workers, and SimFaults::Rough(). The same seed gives the
// same options.
SimOptions RandomOptions(uint64_t seed);

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_RANDOM_STUDIES_H_
