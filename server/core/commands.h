// Commands: what callers want of the scheduler, and what it answers.
#ifndef HALVING_SERVER_CORE_COMMANDS_H_
#define HALVING_SERVER_CORE_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/core/events.h"

namespace halving {

struct CreateStudy {
  StudySpec spec;
  uint64_t fallback_seed = 1;  // Used where spec.seed is 0; itself not 0.
  Scope scope = {};
};
struct PauseStudy {
  std::string name;
  Scope scope = {};
};
struct ResumeStudy {
  std::string name;
  Scope scope = {};
};
struct StopStudy {
  std::string name;
  Scope scope = {};
};
struct ExtendStudy {
  std::string name;
  Limits limits;
  Scope scope = {};
};
struct DeleteStudy {
  std::string name;
  Scope scope = {};
};

// A worker asks for a trial. The answer has no assignment when there is none now.
struct Ask {
  std::string worker;
  std::string request_id;
  std::string incarnation;
  std::vector<std::string> objectives;  // None means any.
  std::string host;
  std::string device;
  Scope scope = {};
};

// Names one attempt.
struct LeaseKey {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  friend bool operator==(const LeaseKey&, const LeaseKey&) = default;
};

struct Progress {
  std::vector<CurvePoint> points;
  std::string checkpoint_id;
  int64_t checkpoint_epoch = 0;
};
struct Completed {
  double error = 0;
  std::vector<CurvePoint> points;
  Metrics metrics;
  std::string checkpoint_id;
  absl::Duration train_time;
};
struct Failed {
  std::string reason;
  bool retryable = false;
  bool out_of_memory = false;  // Tried once more, whatever `retryable` says; then it is final.
};
struct Returned {
  std::string reason;
  std::string unusable_checkpoint_id;
};
using Outcome = std::variant<Progress, Completed, Failed, Returned>;

struct Report {
  LeaseKey lease;
  Outcome outcome;
  Scope scope = {};
};

// The bytes of a checkpoint have come in, whole and durable.
struct StoreCheckpoint {
  LeaseKey lease;
  int64_t epoch = 0;
  int64_t bytes = 0;
  std::string sha256;  // 32 bytes.
  Scope scope = {};
};

// A stored checkpoint's bytes are gone, as after a backup was restored.
struct LoseCheckpoint {
  std::string checkpoint_id;
};

// Nobody asks for anything: due leases, limits and levels are looked at.
struct Tick {
  absl::Duration paused_for;  // How long the server stood still just now: leases get it back.
};

using Command = std::variant<CreateStudy, PauseStudy, ResumeStudy, StopStudy, ExtendStudy,
                             DeleteStudy, Ask, Report, StoreCheckpoint, LoseCheckpoint, Tick>;

struct Assignment {
  LeaseKey lease;
  std::string study;
  std::string objective;
  std::string objective_options_json;
  NamedConfig config;
  int64_t from_epoch = 0;
  int64_t to_epoch = 0;
  std::string checkpoint_id;
  absl::Duration lease_duration;
  int32_t seed = 0;
  int64_t max_epochs = 0;  // Of the top rung.
};

struct Answer {
  StudyUid study = 0;                    // To commands that name a study.
  std::optional<Assignment> assignment;  // To Ask.
  bool over = false;          // To Ask: it had one, whose lease is over; to wait is vain.
  bool duplicate = false;     // To Report: it was counted before.
  bool stop = false;          // To Progress: drop the trial, its study is over.
  std::string checkpoint_id;  // To StoreCheckpoint.
  std::string worker;         // To Report of an outcome that counted: who had the lease, now gone.
};

// Stands for the content of a final outcome; equal content gives equal digests, in every release.
// Curve points do not count: they are keyed by epoch, and a repeat may carry fewer.
Digest DigestOf(const Outcome& outcome);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_COMMANDS_H_
