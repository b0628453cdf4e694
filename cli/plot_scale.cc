#include "cli/plot_scale.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/check.h"

namespace halving {
namespace {

constexpr int kMostDecimals = 6;
constexpr size_t kEnoughTicks = 5;
constexpr double kTickSlack = 1e-9;  // Of a step: a tick at the very end counts as inside.

bool IsTick(double value, double min, double max) {
  return value >= min * (1 - kTickSlack) && value <= max * (1 + kTickSlack);
}

}  // namespace

Scale::Scale(double min, double max, double pixel_at_min, double pixel_at_max, bool log)
    : min_(min), max_(max), pixel_at_min_(pixel_at_min), pixel_at_max_(pixel_at_max), log_(log) {
  HV_CHECK(!log || min > 0) << min;
  if (max_ > min_) return;
  const double room = min_ == 0 ? 1 : std::fabs(min_) / 2;
  min_ -= room;
  max_ += room;
}

double Scale::operator()(double value) const {
  // Halved before they are subtracted: the ends may be as far apart as doubles go.
  const double part = log_ ? std::log(value / min_) / std::log(max_ / min_)
                           : (value / 2 - min_ / 2) / (max_ / 2 - min_ / 2);
  return pixel_at_min_ + part * (pixel_at_max_ - pixel_at_min_);
}

std::vector<double> NiceTicks(double min, double max, int wanted) {
  HV_CHECK(max > min && wanted > 0) << min << " to " << max;
  const double raw = max / wanted - min / wanted;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double factor = raw / power;
  const double step = power * (factor <= 1.5 ? 1 : factor <= 3 ? 2 : factor <= 7 ? 5 : 10);
  std::vector<double> ticks;
  // By index, not by adding up: no error grows, and the loop ends where a step is lost in rounding.
  const double first = std::ceil(min / step - kTickSlack);
  const double last = std::floor(max / step + kTickSlack);
  for (int i = 0; i <= static_cast<int>(std::min(last - first, 2.0 * wanted + 2)); ++i) {
    ticks.push_back((first + i) * step);
  }
  return ticks;
}

std::vector<double> NiceLogTicks(double min, double max) {
  HV_CHECK(min > 0 && max > min) << min << " to " << max;
  if (max / min < 3) return NiceTicks(min, max, 6);
  const int lowest = static_cast<int>(std::floor(std::log10(min)));
  const int highest = static_cast<int>(std::ceil(std::log10(max)));
  const int every = std::max(1, (highest - lowest) / 8);  // Decades between two ticks.
  std::vector<double> ticks;
  // The fewest digits that give ticks enough.
  for (const std::vector<double>& digits :
       {std::vector<double>{1}, {1, 3}, {1, 2, 5}, {1, 2, 3, 5, 7}, {1, 1.5, 2, 3, 4, 5, 6, 8}}) {
    ticks.clear();
    for (int decade = lowest; decade <= highest; decade += every) {
      for (const double digit : digits) {
        const double tick = digit * std::pow(10, decade);
        if (IsTick(tick, min, max)) ticks.push_back(tick);
      }
    }
    if (ticks.size() >= kEnoughTicks) break;
  }
  return ticks;
}

std::vector<std::string> TickLabels(const std::vector<double>& ticks, bool log) {
  double greatest = 0;
  for (const double tick : ticks) greatest = std::max(greatest, std::fabs(tick));
  int decimals = 0;
  const auto is_whole = [&](double tick) {
    const double scaled = tick * std::pow(10, decimals);
    return std::fabs(scaled - std::nearbyint(scaled)) < 1e-4;
  };
  while (decimals <= kMostDecimals && !std::all_of(ticks.begin(), ticks.end(), is_whole)) {
    ++decimals;
  }
  std::vector<std::string> labels;
  for (const double tick : ticks) {
    const bool plain = !log && decimals <= kMostDecimals && greatest < 1e6;
    labels.push_back(plain ? absl::StrFormat("%.*f", decimals, tick)
                           : absl::StrFormat("%.3g", tick));
  }
  return labels;
}

}  // namespace halving
