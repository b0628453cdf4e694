#include "server/core/sampler.h"

#include <algorithm>
#include <cstring>

#include "common/random.h"
#include "server/core/unit_cube.h"

namespace halving {
namespace {

// Keep apart the streams for configs, for training seeds, and for the order of a finite space.
constexpr uint64_t kTrainingStream = 0x747261696e;
constexpr uint64_t kOrderStream = 0x6f72646572;

// A searcher that learns proposes in a millisecond; it gets few chances to be original.
constexpr uint64_t kSearcherDraws = 2;
constexpr uint64_t kRandomDraws = 32;
constexpr uint64_t kLastDraw = kSearcherDraws + kRandomDraws;

// Of more combinations 34 draws in a row are hardly ever all taken.
constexpr int64_t kMostCombinations = 1'000'000;
// Values that one call may look at.
constexpr int64_t kMostValues = 50'000;
constexpr int64_t kLeastSteps = 16;
constexpr double kNobodys = 0.6180339887498949;

int64_t CountedCombinations(const SearchSpace& space) {
  const int64_t combinations = CountCombinations(space);
  return combinations <= kMostCombinations ? combinations : 0;
}

uint64_t Fingerprint(const Config& config) {
  uint64_t bits = config.size();
  for (double value : config) {
    value += 0.0;  // -0 is 0.
    uint64_t one = 0;
    std::memcpy(&one, &value, sizeof(one));
    bits = MixBits(bits, one);
  }
  return bits;
}

}  // namespace

Sampler::Sampler(const StudySpec& spec, const SearchSpace* space, int rungs)
    : space_(space),
      seed_(spec.seed),
      finite_(!HasFloat(*space)),
      combinations_(CountedCombinations(*space)),
      steps_(std::max(kLeastSteps, kMostValues / static_cast<int64_t>(space->parameters().size()))),
      random_(space->parameters().size()),
      searcher_(Searcher::Create(spec, space, rungs)) {}

Config Sampler::Next(int64_t trial) const {
  Config first = ConfigAt(*space_, searcher_->Propose(Draws(seed_, trial, 0)));
  if (!WasHandedOut(first) || Exhausted()) return first;
  for (uint64_t attempt = 1; attempt < kLastDraw; ++attempt) {
    const Draws draws(seed_, trial, attempt);
    Config config = ConfigAt(
        *space_, attempt < kSearcherDraws ? searcher_->Propose(draws) : random_.Propose(draws));
    if (!WasHandedOut(config)) return config;
  }
  const Point floats = random_.Propose(Draws(seed_, trial, kLastDraw));
  const int64_t most = std::min(steps_, combinations_ - cursor_);
  for (int64_t ahead = 0; ahead < most; ++ahead) {
    Config config = AtCursor(ahead, floats);
    if (!WasHandedOut(config)) return config;
  }
  return first;
}

void Sampler::Record(int64_t trial, const Config& config) {
  searcher_->Begin(trial, config);
  handed_out_.insert(Fingerprint(config));
  // A combination in which a float exists has no end of configs: the cursor stays there, since
  // nobody hands out this coordinate.
  const Point floats(config.size(), kNobodys);
  for (int64_t step = 0; step < steps_ && cursor_ < combinations_; ++step) {
    if (!WasHandedOut(AtCursor(0, floats))) return;
    ++cursor_;
  }
}

bool Sampler::WasHandedOut(const Config& config) const {
  return handed_out_.contains(Fingerprint(config));
}

Config Sampler::AtCursor(int64_t ahead, const Point& floats) const {
  const auto shuffled = static_cast<int64_t>(ShuffledIndex(static_cast<uint64_t>(cursor_ + ahead),
                                                           static_cast<uint64_t>(combinations_),
                                                           seed_ ^ kOrderStream));
  return ConfigAt(*space_, CombinationNumber(*space_, shuffled, floats));
}

int32_t TrainingSeed(uint64_t study_seed, int64_t trial_id) {
  return static_cast<int32_t>(
      MixBits(study_seed ^ kTrainingStream, static_cast<uint64_t>(trial_id)) >> 33);
}

}  // namespace halving
