// Sampler: which config a new trial gets, and never the same one twice.
#ifndef HALVING_SERVER_CORE_SAMPLER_H_
#define HALVING_SERVER_CORE_SAMPLER_H_

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "server/core/search_space.h"
#include "server/core/searcher.h"
#include "server/core/spec.h"

namespace halving {

// Sampler asks the study's searcher, and asks again, or anybody, where a config was handed out
// before. A finite space is so handed out to its last config; only then do configs come again.
// (Not where a million combinations of values and more, by their conditions, stand for few configs:
// no call looks through more than some thousands.) Next() is a function of what was recorded and
// the seed.
//
// Thread-compatible: its Study owns it.
class Sampler {
 public:
  // The spec must be normalised; the space is its own, not owned.
  Sampler(const StudySpec& spec, const SearchSpace* space, int rungs);

  // The config for a new trial. Changes nothing: Record() does.
  Config Next(int64_t trial) const;

  // What happened, in its order; see Searcher.
  void Record(int64_t trial, const Config& config);
  void Learn(int64_t trial, int rung, double error) { searcher_->Learn(trial, rung, error); }
  void Forget(int64_t trial) { searcher_->Forget(trial); }

  // Whether every config of a finite space was handed out.
  bool Exhausted() const { return finite_ && combinations_ > 0 && cursor_ == combinations_; }

 private:
  bool WasHandedOut(const Config& config) const;
  // The config of a combination from the cursor on, in an order of the seed's.
  Config AtCursor(int64_t ahead, const Point& floats) const;

  const SearchSpace* const space_;
  const uint64_t seed_;
  const bool finite_;
  const int64_t combinations_;  // Of the values of ints and choices; 0 for too many to count.
  const int64_t steps_;         // Combinations that one call may look at.
  const RandomSearcher random_;
  const std::unique_ptr<Searcher> searcher_;
  // Fingerprints of 64 bits: a wrong match costs one config out of as many as that.
  absl::flat_hash_set<uint64_t> handed_out_;
  int64_t cursor_ = 0;  // All configs of the combinations before it were handed out.
};

// The seed that a trial trains with: in [0, 2^31), the same on every attempt.
int32_t TrainingSeed(uint64_t study_seed, int64_t trial_id);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SAMPLER_H_
