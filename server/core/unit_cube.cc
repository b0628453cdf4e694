#include "server/core/unit_cube.h"

#include <algorithm>
#include <cmath>

namespace halving {
namespace {

// The largest double below 1.
constexpr double kAlmostOne = 1 - 0x1.0p-53;

// The logarithms between which a log range of integers lies: half a unit beyond both ends, so that
// they are as likely as their neighbours on the log scale.
double LowLog(const IntRange& range) { return std::log(static_cast<double>(range.min) - 0.5); }
double HighLog(const IntRange& range) { return std::log(static_cast<double>(range.max) + 0.5); }

int64_t CountOf(const FloatRange&) { return 1; }  // Not its values: its part in a combination.
int64_t CountOf(const IntRange& range) { return (range.max - range.min) / range.step + 1; }
int64_t CountOf(const Choice& choice) { return static_cast<int64_t>(choice.values.size()); }
int64_t CountOf(const std::monostate&) { return 1; }  // No space has one.

double ValueNumber(const IntRange& range, int64_t at) {
  return static_cast<double>(range.min + at * range.step);
}

// The interval that `u` is in, of `count` equal ones.
int64_t IntervalOf(double u, int64_t count) {
  return std::min(static_cast<int64_t>(u * static_cast<double>(count)), count - 1);
}

double ValueAt(const FloatRange& range, double u) {
  const double value =
      range.log ? std::exp(std::log(range.min) + u * (std::log(range.max) - std::log(range.min)))
                : range.min + u * (range.max - range.min);
  return std::clamp(value, range.min, range.max);  // exp(log(x)) may miss x by a bit.
}

double ValueAt(const IntRange& range, double u) {
  const int64_t count = CountOf(range);
  if (!range.log) return ValueNumber(range, IntervalOf(u, count));
  const double value = std::exp(LowLog(range) + u * (HighLog(range) - LowLog(range)));
  const double steps =
      std::nearbyint((value - static_cast<double>(range.min)) / static_cast<double>(range.step));
  return ValueNumber(range, std::clamp<int64_t>(static_cast<int64_t>(steps), 0, count - 1));
}

double ValueAt(const Choice& choice, double u) {
  return static_cast<double>(IntervalOf(u, CountOf(choice)));
}

double ValueAt(const std::monostate&, double) { return 0; }

// Where `x` lies from `low` to `high`. Logarithms of a narrow range may be equal.
double PartOf(double x, double low, double high) {
  return high > low ? (x - low) / (high - low) : 0.5;
}

double UnitOf(const FloatRange& range, double value) {
  if (!range.log) return PartOf(value, range.min, range.max);
  return PartOf(std::log(value), std::log(range.min), std::log(range.max));
}

double UnitOf(const IntRange& range, double value) {
  if (range.log) return PartOf(std::log(value), LowLog(range), HighLog(range));
  const double at = (value - static_cast<double>(range.min)) / static_cast<double>(range.step);
  return (at + 0.5) / static_cast<double>(CountOf(range));
}

double UnitOf(const Choice& choice, double value) {
  return (value + 0.5) / static_cast<double>(CountOf(choice));
}

double UnitOf(const std::monostate&, double) { return 0; }

}  // namespace

Config ConfigAt(const SearchSpace& space, const Point& point) {
  Config config(point.size());
  for (size_t i = 0; i < point.size(); ++i) {
    const double u = std::clamp(point[i], 0.0, kAlmostOne);
    config[i] = std::visit([u](const auto& domain) { return ValueAt(domain, u); },
                           space.parameters()[i].domain);
  }
  space.Settle(&config);
  return config;
}

Point PointOf(const SearchSpace& space, const Config& config) {
  Point point(config.size(), kInactive);
  for (size_t i = 0; i < config.size(); ++i) {
    if (config[i] == kInactive) continue;
    const double u = std::visit([&](const auto& domain) { return UnitOf(domain, config[i]); },
                                space.parameters()[i].domain);
    point[i] = std::clamp(u, 0.0, kAlmostOne);
  }
  return point;
}

int64_t ChoicesOf(const Parameter& parameter) {
  const auto* choice = std::get_if<Choice>(&parameter.domain);
  return choice == nullptr ? 0 : CountOf(*choice);
}

int64_t CountCombinations(const SearchSpace& space) {
  int64_t combinations = 1;
  for (const Parameter& parameter : space.parameters()) {
    const int64_t count =
        std::visit([](const auto& domain) { return CountOf(domain); }, parameter.domain);
    if (__builtin_mul_overflow(combinations, count, &combinations)) return 0;
  }
  return combinations;
}

Point CombinationNumber(const SearchSpace& space, int64_t index, const Point& floats) {
  Point point = floats;
  for (size_t i = 0; i < point.size(); ++i) {
    const Parameter& parameter = space.parameters()[i];
    if (std::holds_alternative<FloatRange>(parameter.domain)) continue;
    const int64_t count =
        std::visit([](const auto& domain) { return CountOf(domain); }, parameter.domain);
    const auto* range = std::get_if<IntRange>(&parameter.domain);
    const int64_t at = index % count;
    index /= count;
    point[i] = range != nullptr ? UnitOf(*range, ValueNumber(*range, at))
                                : (static_cast<double>(at) + 0.5) / static_cast<double>(count);
  }
  return point;
}

bool HasFloat(const SearchSpace& space) {
  return std::any_of(space.parameters().begin(), space.parameters().end(), [](const Parameter& p) {
    return std::holds_alternative<FloatRange>(p.domain);
  });
}

}  // namespace halving
