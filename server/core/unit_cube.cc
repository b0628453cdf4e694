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

int64_t CountOf(const FloatRange&) { return 0; }
int64_t CountOf(const IntRange& range) { return (range.max - range.min) / range.step + 1; }
int64_t CountOf(const Choice& choice) { return static_cast<int64_t>(choice.values.size()); }
int64_t CountOf(const std::monostate&) { return 1; }  // No space has one.

double ValueNumber(const FloatRange& range, int64_t) { return range.min; }  // It has no numbers.
double ValueNumber(const IntRange& range, int64_t at) {
  return static_cast<double>(range.min + at * range.step);
}
double ValueNumber(const Choice&, int64_t at) { return static_cast<double>(at); }
double ValueNumber(const std::monostate&, int64_t) { return 0; }

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

double UnitOf(const FloatRange& range, double value) {
  if (!range.log) return (value - range.min) / (range.max - range.min);
  return (std::log(value) - std::log(range.min)) / (std::log(range.max) - std::log(range.min));
}

double UnitOf(const IntRange& range, double value) {
  if (range.log) return (std::log(value) - LowLog(range)) / (HighLog(range) - LowLog(range));
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

int64_t CountConfigs(const SearchSpace& space) {
  int64_t configs = 1;
  for (const Parameter& parameter : space.parameters()) {
    const int64_t count =
        std::visit([](const auto& domain) { return CountOf(domain); }, parameter.domain);
    if (count == 0 || __builtin_mul_overflow(configs, count, &configs)) return 0;
  }
  return configs;
}

Config ConfigNumber(const SearchSpace& space, int64_t index) {
  Config config;
  for (const Parameter& parameter : space.parameters()) {
    const int64_t count =
        std::visit([](const auto& domain) { return CountOf(domain); }, parameter.domain);
    config.push_back(std::visit(
        [&](const auto& domain) { return ValueNumber(domain, index % count); }, parameter.domain));
    index /= count;
  }
  space.Settle(&config);
  return config;
}

}  // namespace halving
