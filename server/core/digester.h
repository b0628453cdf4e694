// Digester: a fingerprint of a sequence of values, the same in every release and on every machine.
#ifndef HALVING_SERVER_CORE_DIGESTER_H_
#define HALVING_SERVER_CORE_DIGESTER_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"
#include "common/random.h"
#include "server/core/events.h"

namespace halving {

// Mixes values into two independent halves; texts with their length, so that no two sequences run
// together. It withstands accidents, not an enemy. Thread-compatible.
class Digester {
 public:
  void Add(uint64_t value) {
    digest_.high = MixBits(digest_.high, value, 1);
    digest_.low = MixBits(digest_.low, value, 2);
  }
  void Add(absl::string_view text) {
    Add(uint64_t{text.size()});
    uint64_t word = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      word = word << 8 | static_cast<unsigned char>(text[i]);
      if (i % 8 == 7 || i + 1 == text.size()) {
        Add(word);
        word = 0;
      }
    }
  }
  void Add(double value) {
    // All NaNs say the same.
    Add(std::bit_cast<uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN()
                                                  : value));
  }
  Digest digest() const { return digest_; }

 private:
  Digest digest_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_DIGESTER_H_
