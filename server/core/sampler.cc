#include "server/core/sampler.h"

#include <cstring>

#include "common/random.h"
#include "server/core/unit_cube.h"

namespace halving {
namespace {

// Keep apart the streams for configs, for training seeds, and for the order of a finite space.
constexpr uint64_t kTrainingStream = 0x747261696e;
constexpr uint64_t kOrderStream = 0x6f72646572;

// A searcher that learns proposes in a millisecond; it gets few chances to be original.
constexpr uint64_t kSearcherDraws = 3;
constexpr uint64_t kRandomDraws = 32;

// A space of more configs counts as infinite: the cursor passes every one of them, and where
// conditions make most of them equal it may have to pass millions of millions at once.
constexpr int64_t kMostConfigs = 1'000'000;

int64_t CountedConfigs(const SearchSpace& space) {
  const int64_t configs = CountConfigs(space);
  return configs <= kMostConfigs ? configs : 0;
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
      configs_(CountedConfigs(*space)),
      random_(space->parameters().size()),
      searcher_(Searcher::Create(spec, space, rungs)) {}

Config Sampler::Next(int64_t trial) const {
  Config first = ConfigAt(*space_, searcher_->Propose(Draws(seed_, trial, 0)));
  if (!WasHandedOut(first) || Exhausted()) return first;
  for (uint64_t attempt = 1; attempt < kSearcherDraws; ++attempt) {
    Config config = ConfigAt(*space_, searcher_->Propose(Draws(seed_, trial, attempt)));
    if (!WasHandedOut(config)) return config;
  }
  for (uint64_t attempt = 0; attempt < kRandomDraws; ++attempt) {
    Config config =
        ConfigAt(*space_, random_.Propose(Draws(seed_, trial, kSearcherDraws + attempt)));
    if (!WasHandedOut(config)) return config;
  }
  return configs_ > 0 ? AtCursor() : first;
}

void Sampler::Record(int64_t trial, const Config& config) {
  searcher_->Begin(trial, config);
  handed_out_.insert(Fingerprint(config));
  while (cursor_ < configs_ && WasHandedOut(AtCursor())) ++cursor_;
}

bool Sampler::WasHandedOut(const Config& config) const {
  return handed_out_.contains(Fingerprint(config));
}

Config Sampler::AtCursor() const {
  return ConfigNumber(*space_, static_cast<int64_t>(ShuffledIndex(static_cast<uint64_t>(cursor_),
                                                                  static_cast<uint64_t>(configs_),
                                                                  seed_ ^ kOrderStream)));
}

int32_t TrainingSeed(uint64_t study_seed, int64_t trial_id) {
  return static_cast<int32_t>(
      MixBits(study_seed ^ kTrainingStream, static_cast<uint64_t>(trial_id)) >> 33);
}

}  // namespace halving
