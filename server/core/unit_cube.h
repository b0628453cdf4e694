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

// How many ways there are to choose all ints and choices, conditions aside; 0 for more than fit.
int64_t CountCombinations(const SearchSpace& space);

// The point of combination number `index` of so many; a float's coordinate is that of `floats`.
// Some give equal configs, where conditions exclude a parameter.
Point CombinationNumber(const SearchSpace& space, int64_t index, const Point& floats);

// Whether there are infinitely many configs, as far as conditions let one tell: it has a float.
bool HasFloat(const SearchSpace& space);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_UNIT_CUBE_H_
