#include "server/core/sampler.h"

#include <algorithm>
#include <cmath>

#include "common/random.h"

namespace halving {
namespace {

// Keeps the streams for configs and for training seeds apart.
constexpr uint64_t kTrainingStream = 0x747261696e;

double Sample(const FloatRange& range, uint64_t bits) {
  const double u = UnitInterval(bits);
  const double value =
      range.log ? std::exp(std::log(range.min) + u * (std::log(range.max) - std::log(range.min)))
                : range.min + u * (range.max - range.min);
  return std::clamp(value, range.min, range.max);  // exp(log(x)) may miss x by a bit.
}

double Sample(const IntRange& range, uint64_t bits) {
  const int64_t last = (range.max - range.min) / range.step;
  if (!range.log) {
    const uint64_t at = BoundedBits(bits, static_cast<uint64_t>(last) + 1);
    return static_cast<double>(range.min + static_cast<int64_t>(at) * range.step);
  }
  // Half a unit beyond both ends, so that they are as likely as their neighbours on the log scale.
  const double low = std::log(static_cast<double>(range.min) - 0.5);
  const double high = std::log(static_cast<double>(range.max) + 0.5);
  const double value = std::exp(low + UnitInterval(bits) * (high - low));
  const double steps =
      std::nearbyint((value - static_cast<double>(range.min)) / static_cast<double>(range.step));
  const auto at = std::clamp<int64_t>(static_cast<int64_t>(steps), 0, last);
  return static_cast<double>(range.min + at * range.step);
}

double Sample(const Choice& choice, uint64_t bits) {
  return static_cast<double>(BoundedBits(bits, choice.values.size()));
}

double Sample(const std::monostate&, uint64_t) { return 0; }  // No space has one.

}  // namespace

Config SampleRandom(const SearchSpace& space, uint64_t seed, int64_t index) {
  Config config;
  config.reserve(space.parameters().size());
  for (size_t i = 0; i < space.parameters().size(); ++i) {
    const uint64_t bits = MixBits(seed, static_cast<uint64_t>(index), i);
    config.push_back(std::visit([bits](const auto& domain) { return Sample(domain, bits); },
                                space.parameters()[i].domain));
  }
  return config;
}

int32_t TrainingSeed(uint64_t study_seed, int64_t trial_id) {
  return static_cast<int32_t>(
      MixBits(study_seed ^ kTrainingStream, static_cast<uint64_t>(trial_id)) >> 33);
}

}  // namespace halving
