// Arithmetic that stops at the largest number instead of running over.
//
// No limit can be as large as what overflows here, so the largest number serves as well.
#ifndef HALVING_SERVER_CORE_SATURATED_H_
#define HALVING_SERVER_CORE_SATURATED_H_

#include <cstdint>
#include <limits>

namespace halving {

// Of numbers that are not negative.
inline int64_t MultiplySaturated(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}
inline int64_t AddSaturated(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SATURATED_H_
