#include "worker/trainer/shuffle.h"

#include <numeric>
#include <utility>

#include "common/random.h"

namespace halving {

std::vector<int64_t> ShuffledIndices(int64_t count, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), int64_t{0});
  const uint64_t stream = MixBits(seed, static_cast<uint64_t>(epoch));
  // Fisher and Yates, from the end: each index takes one of those not yet placed.
  for (size_t left = indices.size(); left > 1; --left) {
    std::swap(indices[left - 1], indices[BoundedBits(MixBits(stream, left), left)]);
  }
  return indices;
}

}  // namespace halving
