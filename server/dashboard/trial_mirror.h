// TrialMirror: what lists and pictures need of one study's trials, outside the engine.
#ifndef HALVING_SERVER_DASHBOARD_TRIAL_MIRROR_H_
#define HALVING_SERVER_DASHBOARD_TRIAL_MIRROR_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/mutex.h"
#include "common/random.h"
#include "server/core/study.h"
#include "server/engine/engine.h"

namespace halving {

struct MirroredResult {
  int rung = 0;
  double error = 0;
  double seconds = 0;  // Since the study was created.
  int64_t study_epochs = 0;
};

struct MirroredTrial {
  TrialId id = 0;
  TrialState state = TrialState::kQueued;  // As people see it.
  int64_t round = 0;
  int32_t attempts = 0;
  Config config;
  absl::InlinedVector<MirroredResult, 1> results;
};

// A result that was better than all before it, at any rung.
struct MirroredIncumbent {
  TrialId trial = 0;
  MirroredResult result;
};

// What does not change while a study lives.
struct StudyFacts {
  StudyUid uid = 0;
  std::string name;
  std::string owner;
  absl::Time create_time;
  SearchSpace space;
  std::vector<int64_t> rungs;  // Epochs.
};

// Sorting a million trials, or choosing those that a picture shows, would hold up the workers if
// the engine did it. So it copies here what has changed, a few hundred trials at a time, once for
// all pages that look at the study. Thread-safe.
class TrialMirror {
 public:
  // Not owned.
  TrialMirror(Engine* engine, StudyFacts facts) : engine_(engine), facts_(std::move(facts)) {}

  const StudyFacts& facts() const { return facts_; }

  // The event is of this study and on disk. Called by who has the engine's turn.
  void Note(const Event& event) ABSL_LOCKS_EXCLUDED(noted_mu_);

  // Copies what has changed, unless that was done within the last half second. NOT_FOUND: the study
  // was deleted. UNAVAILABLE: see AskEngine().
  absl::Status Refresh() ABSL_LOCKS_EXCLUDED(refresh_mu_, noted_mu_, mu_);

  // Calls `look(trials, incumbents)`, the trials by id from 1, while nothing changes.
  template <typename Look>
  auto Read(Look look) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return look(trials_, incumbents_);
  }

  // Tells this mirror's versions from those of one before it, of the same study.
  uint64_t nonce() const { return nonce_; }
  // Changes when the trials do.
  uint64_t version() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return version_;
  }

 private:
  struct Noted {
    bool all = false;
    std::set<TrialId> trials;
  };

  void NoteTrials(absl::Span<const TrialId> trials) ABSL_EXCLUSIVE_LOCKS_REQUIRED(noted_mu_);
  absl::Status Copy(const Noted& noted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CopySlice(std::vector<TrialId> ids) ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<TrialId> CopyNew(TrialId after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Take(std::vector<MirroredTrial> copied) ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Extends the incumbents by the results that came since the last time.
  void TakeIncumbents() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_) ABSL_LOCKS_EXCLUDED(mu_);

  Engine* const engine_;
  const StudyFacts facts_;
  const uint64_t nonce_ = SecureRandomNonZero();

  Mutex refresh_mu_;  // One refreshes at a time. Taken before the others.
  absl::Time refreshed_ ABSL_GUARDED_BY(refresh_mu_) = absl::InfinitePast();
  std::vector<MirroredIncumbent> fresh_ ABSL_GUARDED_BY(refresh_mu_);  // Results, in any order.

  Mutex noted_mu_;  // Taken by who has the engine's turn: held for moments only.
  Noted noted_ ABSL_GUARDED_BY(noted_mu_);

  mutable Mutex mu_;
  std::vector<MirroredTrial> trials_ ABSL_GUARDED_BY(mu_);
  std::vector<MirroredIncumbent> incumbents_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
};

// What a mirror must know of a study. Called by who has the turn.
StudyFacts FactsOf(const Study& study);

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_TRIAL_MIRROR_H_
