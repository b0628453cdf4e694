#include "bench/simulate/chance.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "common/random.h"

namespace halving {

// Box and Muller (1958), of whose two numbers one is enough.
double Normal(uint64_t bits) {
  const double radius = std::sqrt(-2 * std::log1p(-UnitInterval(MixBits(bits, 1))));
  return radius * std::cos(2 * std::numbers::pi * UnitInterval(MixBits(bits, 2)));
}

double FirstEvent(double rate, double unit) {
  if (rate <= 0) return std::numeric_limits<double>::infinity();
  return std::log1p(-unit) / std::log1p(-rate);
}

}  // namespace halving
