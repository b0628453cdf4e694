// Trial: one config on its way through the rungs. Plain data: Study owns and changes it.
#ifndef HALVING_SERVER_CORE_TRIAL_H_
#define HALVING_SERVER_CORE_TRIAL_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "server/core/events.h"

namespace halving {

enum class TrialState {
  kQueued = 1,
  kRunning = 2,
  kWaiting = 3,  // Reported; its rung is not decided yet.
  kEliminated = 4,
  kCompleted = 5,
  kFailed = 6,
  kStopped = 7,  // Only shown: its study ended while it was queued, running or waiting.
};

// The newest attempt of a trial, until a report ends it. It outlives its own expiry, so that a
// result which comes late still counts while the trial is queued.
struct Lease {
  std::string worker;
  std::string incarnation;
  std::string request_id;
  int64_t from_epoch = 0;
  std::string checkpoint_id;
  absl::Time start;
  absl::Time renewed;            // Last sign of life; the lease ends a lease duration later.
  bool failure_charged = false;  // Its expiry counted as a failure, which Progress takes back.
};

struct RungResult {
  int rung = 0;
  double error = 0;
  absl::Duration train_time;
  const std::string* worker = nullptr;  // Its Study keeps the name: few workers bring many results.
  Metrics metrics;
  absl::Time end_time;
  int64_t from_epoch = 0;
  int64_t study_epochs = 0;  // Epochs that the study had trained when this came in.
};

struct Checkpoint {
  std::string id;
  int64_t epoch = 0;
  // Of one that lies on the server; of another only its workers know where it is.
  bool stored = false;
  int64_t bytes = 0;
  std::string sha256;    // 32 bytes.
  bool offered = false;  // Stored, and not named by any report yet: nobody goes on from it.
};

// An attempt that a report ended, and what that report said.
struct EndedAttempt {
  int32_t attempt = 0;
  Digest digest;
};

// A curve point and the attempt that it came from.
struct TrialPoint {
  int64_t epoch = 0;
  double error = 0;
  int32_t attempt = 0;
};

struct Trial {
  TrialId id = 0;
  int64_t round = 0;
  GroupKey group;
  Config config;
  TrialState state = TrialState::kQueued;
  int rung = 0;                // Where it is queued, running, waiting, or ended.
  int32_t attempts = 0;        // Hand-outs, over all rungs.
  int32_t failures = 0;        // At this rung.
  bool out_of_memory = false;  // One of them, at this rung.
  bool charged = false;        // This (trial, rung) pair was counted against the limits.
  int64_t queue_position = 0;  // While queued.
  int64_t position = 0;        // Epoch that the newest attempt is known to have reached.
  int64_t furthest = 0;        // Epoch that any attempt is known to have reached.
  std::unique_ptr<Lease> lease;
  // Most trials end at their first rung: what that takes lies here, without memory of its own.
  absl::InlinedVector<RungResult, 1> results;  // In order of rungs.
  absl::InlinedVector<TrialPoint, 1> curve;    // In order of epochs.
  std::vector<Checkpoint> checkpoints;         // In order of epochs; those that may be needed.
  absl::InlinedVector<EndedAttempt, 1> ended;
  std::unique_ptr<const std::string> last_failure;  // Null: none.

  // The reason of the last one; empty when there is none.
  std::string Failure() const { return last_failure == nullptr ? "" : *last_failure; }
  void SetFailure(const std::string& reason) {
    last_failure = std::make_unique<const std::string>(reason);
  }

  // What an attempt that trains to `epochs` goes on from: the newest checkpoint below it, since one
  // that stands there leaves nothing to train. With an empty id: from scratch.
  Checkpoint ResumePoint(int64_t epochs) const {
    for (auto at = checkpoints.rbegin(); at != checkpoints.rend(); ++at) {
      if (at->epoch < epochs && !at->offered) return *at;
    }
    return {};
  }

  // The newest that a report has named; nullptr when there is none.
  const Checkpoint* NewestCheckpoint() const {
    for (auto at = checkpoints.rbegin(); at != checkpoints.rend(); ++at) {
      if (!at->offered) return &*at;
    }
    return nullptr;
  }

  // The epoch of the newest that no report has named yet; 0 when there is none.
  int64_t NewestOffered() const {
    int64_t epoch = 0;
    for (const Checkpoint& known : checkpoints) {
      if (known.offered) epoch = known.epoch;
    }
    return epoch;
  }

  // nullptr when it has none of that id.
  const Checkpoint* FindCheckpoint(const std::string& id) const {
    const auto at = std::find_if(checkpoints.rbegin(), checkpoints.rend(),
                                 [&](const Checkpoint& known) { return known.id == id; });
    return at == checkpoints.rend() ? nullptr : &*at;
  }
};

// Ranks errors: finite ones by size, all others behind them, alike.
inline double RankedError(double error) {
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_TRIAL_H_
