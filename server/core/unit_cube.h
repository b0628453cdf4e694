// Between configs and points of the unit cube, where searchers look for the next one.
#ifndef HALVING_SERVER_CORE_UNIT_CUBE_H_
#define HALVING_SERVER_CORE_UNIT_CUBE_H_

#include <cstdint>
#include <vector>

#include "server/core/search_space.h"

namespace halving {

// One coordinate in [0, 1) for each parameter: linear in its value, or in the logarithm. Each
// value of an int or a choice has an interval of its own. kInactive stays kInactive.
using Point = std::vector<double>;

// The config at the point, with what its conditions exclude left out.
Config ConfigAt(const SearchSpace& space, const Point& point);

// A point that gives the config: of an int or a choice the middle of its interval.
Point PointOf(const SearchSpace& space, const Config& config);

// Of a choice: how many values it has; of all else 0.
int64_t ChoicesOf(const Parameter& parameter);

// How many configs there are, conditions aside; 0 for infinitely or uncountably many.
int64_t CountConfigs(const SearchSpace& space);

// The config number `index` of so many. Some are equal where conditions exclude a parameter.
Config ConfigNumber(const SearchSpace& space, int64_t index);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_UNIT_CUBE_H_
