#include "server/core/sobol_searcher.h"

#include <array>

#include "common/random.h"

namespace halving {
namespace {

constexpr int kBits = 32;

using Directions = std::array<uint32_t, kBits>;

// A primitive polynomial over two elements and the first direction numbers that go with it.
struct Dimension {
  int degree;
  uint32_t inner;  // The coefficients between the first and the last, which are 1.
  std::array<uint32_t, 7> first;
};

// Of dimensions 2 to 21: S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better
// two-dimensional projections", SIAM J. Sci. Comput. 30 (2008), file new-joe-kuo-6.
constexpr std::array<Dimension, kSobolDimensions - 1> kDimensions = {{
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
}};

// The recurrence of Bratley and Fox (1988), on numbers that stand at the top of 32 bits.
constexpr Directions DirectionsOf(const Dimension& dimension) {
  Directions v{};
  const int degree = dimension.degree;
  for (int k = 0; k < kBits; ++k) {
    if (k < degree) {
      v[k] = dimension.first[k] << (kBits - 1 - k);
      continue;
    }
    v[k] = v[k - degree] ^ (v[k - degree] >> degree);
    for (int j = 1; j < degree; ++j) {
      if (((dimension.inner >> (degree - 1 - j)) & 1) != 0) v[k] ^= v[k - j];
    }
  }
  return v;
}

constexpr std::array<Directions, kSobolDimensions> AllDirections() {
  std::array<Directions, kSobolDimensions> all{};
  for (int k = 0; k < kBits; ++k) all[0][k] = uint32_t{1} << (kBits - 1 - k);
  for (size_t d = 1; d < kSobolDimensions; ++d) all[d] = DirectionsOf(kDimensions[d - 1]);
  return all;
}

constexpr std::array<Directions, kSobolDimensions> kDirections = AllDirections();

uint32_t ReverseBits(uint32_t x) {
  uint32_t reversed = 0;
  for (int k = 0; k < kBits; ++k, x >>= 1) reversed = reversed << 1 | (x & 1);
  return reversed;
}

// Flips each bit by a hash of the bits above it, so that intervals are shuffled within intervals.
uint32_t Scramble(uint32_t x, uint32_t seed) {
  x = ReverseBits(x) + seed;
  x ^= x * 0x6c50b47cU;
  x ^= x * 0xb82f1e52U;
  x ^= x * 0xc7afe638U;
  x ^= x * 0x8d22f6e6U;
  return ReverseBits(x);
}

}  // namespace

uint32_t SobolBits(uint32_t index, size_t dimension) {
  uint32_t bits = 0;
  for (int k = 0; index != 0; ++k, index >>= 1) {
    if ((index & 1) != 0) bits ^= kDirections[dimension][k];
  }
  return bits;
}

Point SobolSearcher::Propose(Draws draws) const {
  Point point(parameters_);
  for (size_t d = 0; d < parameters_; ++d) {
    if (d >= kSobolDimensions || draws.attempt() > 0) {
      point[d] = draws.Unit();
      continue;
    }
    const auto seed = static_cast<uint32_t>(MixBits(seed_, d) >> 32);
    const uint32_t bits = Scramble(SobolBits(static_cast<uint32_t>(draws.trial() - 1), d), seed);
    point[d] = (static_cast<double>(bits) + 0.5) * 0x1.0p-32;
  }
  return point;
}

}  // namespace halving
