#include "common/random.h"

#include <sys/random.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "common/check.h"

namespace halving {
namespace {

uint64_t SplitMix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t MixBits(uint64_t a, uint64_t b, uint64_t c) {
  return SplitMix64(SplitMix64(SplitMix64(a) ^ b) ^ c);
}

double UnitInterval(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1.0p-53; }

uint64_t BoundedBits(uint64_t bits, uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(bits) * bound) >> 64);
}

uint64_t ShuffledIndex(uint64_t index, uint64_t size, uint64_t key) {
  HV_CHECK(index < size) << index << " of " << size;
  // A Feistel network shuffles the smallest square power of two that holds them all; what falls
  // outside is shuffled on until it falls inside (Black and Rogaway 2002).
  int half = 1;
  while (half < 32 && (size - 1) >> (2 * half) != 0) ++half;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t low = index & mask;
      index = low << half | ((index >> half) ^ (MixBits(key, round, low) & mask));
    }
  } while (index >= size);
  return index;
}

std::string SecureRandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // getentropy gives at most 256 bytes a call.
  for (size_t at = 0; at < size; at += 256) {
    HV_CHECK(getentropy(bytes.data() + at, std::min<size_t>(256, size - at)) == 0)
        << "the operating system has no random bytes";
  }
  return bytes;
}

std::string SecureRandomHex(size_t size) { return absl::BytesToHexString(SecureRandomBytes(size)); }

uint64_t SecureRandomNonZero() {
  uint64_t value = 0;
  while (value == 0) {
    const std::string bytes = SecureRandomBytes(sizeof(value));
    std::memcpy(&value, bytes.data(), sizeof(value));
  }
  return value;
}

}  // namespace halving
