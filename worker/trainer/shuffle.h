// The order in which an epoch sees its examples.
#ifndef HALVING_WORKER_TRAINER_SHUFFLE_H_
#define HALVING_WORKER_TRAINER_SHUFFLE_H_

#include <cstdint>
#include <vector>

namespace halving {

// A permutation of 0 .. count - 1: a function of (seed, epoch) and the same on every machine and
// device. So a resumed trial sees what an unbroken one would have, with no generator state to keep.
std::vector<int64_t> ShuffledIndices(int64_t count, uint64_t seed, int64_t epoch);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_SHUFFLE_H_
