// Randomness of both kinds: a pure function of its inputs, and the operating system's.
#ifndef HALVING_COMMON_RANDOM_H_
#define HALVING_COMMON_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace halving {

// A well-mixed 64-bit function of its inputs: the same on every machine and in every release.
// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), applied once for each input.
uint64_t MixBits(uint64_t a, uint64_t b = 0, uint64_t c = 0);

// Uniform in [0, 1), from the top 53 bits of `bits`.
double UnitInterval(uint64_t bits);

// Uniform in [0, bound), from `bits`; bound >= 1. The bias is below bound / 2^64.
uint64_t BoundedBits(uint64_t bits, uint64_t bound);

// Where `index` goes when [0, size) is shuffled by `key`: every place is taken exactly once.
// index < size. Takes constant time and no memory.
uint64_t ShuffledIndex(uint64_t index, uint64_t size, uint64_t key);

// `size` bytes that nobody can guess, from the operating system. Ends the process if it has none.
std::string SecureRandomBytes(size_t size);

// The same, as 2 * size lower-case hexadecimal digits.
std::string SecureRandomHex(size_t size);

// The same, as a number that is never 0.
uint64_t SecureRandomNonZero();

}  // namespace halving

#endif  // HALVING_COMMON_RANDOM_H_
