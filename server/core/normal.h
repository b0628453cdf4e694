// The standard normal distribution.
#ifndef HALVING_SERVER_CORE_NORMAL_H_
#define HALVING_SERVER_CORE_NORMAL_H_

#include <cmath>

namespace halving {

inline constexpr double kRootOfTwoPi = 2.5066282746310002;

inline double NormalCumulative(double z) { return 0.5 * std::erfc(-z * M_SQRT1_2); }
inline double NormalDensity(double z) { return 0.3989422804014327 * std::exp(-z * z / 2); }

}  // namespace halving

#endif  // HALVING_SERVER_CORE_NORMAL_H_
