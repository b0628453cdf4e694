#include "tests/store/sample_events.h"

#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kStandsForNan = -987654.25;

const absl::Time kTime = absl::FromUnixNanos(1'700'000'000'123'456'789);

StudySpec FullSpec() {
  StudySpec spec{
      .name = "lenet_7",
      .objective = "lenet",
      .objective_options_json = R"({"classes":10})",
      .parameters = {{"batch_size", IntRange{.min = 16, .max = 256, .log = true, .step = 8}},
                     {"learning_rate", FloatRange{.min = 0.01, .max = 1, .log = true}},
                     {"unit", Choice{{std::string("relu"), 2.5, true}}}},
      .initial_configs = {{{"batch_size", 32.0}, {"learning_rate", 0.1}, {"unit", true}}},
      .halving = {.min_epochs = 2, .max_epochs = 10, .eta = 3, .prefactor = 1.5},
      .policy = PolicyKind::kHalvingPerRound,
      .searcher = SearcherKind::kSobol,
      .max_attempts = 4,
      .lease = absl::Milliseconds(90'500),
      .seed = 0xfedcba9876543210,
      .keep_checkpoints = 3};
  spec.limits = {.max_evaluations = 30,
                 .max_rounds = 2,
                 .max_total_epochs = 500,
                 .max_wall_time = absl::Hours(3),
                 .target_error = 0.05};
  return spec;
}

Digest SomeDigest() { return {.high = 0x8000000000000001, .low = 2}; }

std::vector<Event> StudyEvents() {
  return {
      StudyCreated{.study = 7, .spec = FullSpec(), .time = kTime},
      StudyPaused{.study = 7, .running_time = absl::Seconds(5)},
      StudyResumed{.study = 7, .time = kTime},
      StudyEnded{.study = 7,
                 .state = StudyState::kStopped,
                 .reason = "stopped by request",
                 .running_time = absl::Seconds(6),
                 .time = kTime},
      StudyExtended{
          .study = 7, .limits = {.max_evaluations = 60, .target_error = -kInfinity}, .time = kTime},
      StudyDeleted{.study = 7},
      RunningTimeCounted{.study = 7, .running_time = absl::Nanoseconds(1), .time = kTime},
  };
}

std::vector<Event> TrialEvents() {
  return {
      WorkerStarted{.worker = "gpu-1", .incarnation = "abc", .time = kTime},
      TrialSampled{.study = 7,
                   .trial = 3,
                   .round = 2,
                   .group = {.bracket = 1, .round = 2},
                   .config = {32, 0.1, 2}},
      TrialLeased{.study = 7,
                  .trial = 3,
                  .attempt = 2,
                  .worker = "gpu-1",
                  .incarnation = "abc",
                  .request_id = "r1",
                  .from_epoch = 4,
                  .checkpoint_id = "c1",
                  .time = absl::FromUnixNanos(-1'500'000'001)},  // Before 1970.
      AttemptFailed{.study = 7,
                    .trial = 3,
                    .attempt = 2,
                    .cause = FailureCause::kReported,
                    .reason = "out of memory",
                    .final = true,
                    .digest = SomeDigest(),
                    .time = kTime},
      AttemptReturned{.study = 7,
                      .trial = 3,
                      .attempt = 2,
                      .reason = "leaving",
                      .unusable_checkpoint_id = "c0",
                      .digest = SomeDigest(),
                      .time = kTime},
      LateReasonRecorded{.study = 7,
                         .trial = 3,
                         .attempt = 2,
                         .reason = "late",
                         .unusable_checkpoint_id = "c0",
                         .digest = SomeDigest()},
      TrialProgressed{.study = 7,
                      .trial = 3,
                      .attempt = 2,
                      .points = {{5, 0.5}, {6, kNan}, {7, kInfinity}},
                      .checkpoint_id = "c2",
                      .checkpoint_epoch = 6,
                      .revived = true,
                      .time = kTime},
  };
}

std::vector<Event> ResultEvents() {
  return {
      TrialReported{.study = 7,
                    .trial = 3,
                    .attempt = 2,
                    .error = kNan,
                    .points = {{8, -kInfinity}, {9, -0.0}},
                    .metrics = {{"bad", kNan}, {"test_error", 0.25}},
                    .checkpoint_id = "c3",
                    .train_time = absl::Milliseconds(1'234),
                    .digest = SomeDigest(),
                    .time = kTime},
      CheckpointStored{.study = 7,
                       .trial = 3,
                       .attempt = 2,
                       .checkpoint_id = "7.3.2.6.00112233445566778899aabbccddeeff",
                       .epoch = 6,
                       .bytes = int64_t{5} << 40,
                       .sha256 = std::string("\0\xff", 2) + std::string(30, 'x')},
      CheckpointLost{
          .study = 7, .trial = 3, .checkpoint_id = "7.3.2.6.00112233445566778899aabbccddeeff"},
      RungClosed{.study = 7,
                 .group = {.bracket = 1, .round = 2},
                 .rung = 1,
                 .promoted = {3, 1},
                 .eliminated = {2, 4, 5},
                 .drained = true},
      TrialPromoted{.study = 7, .trial = 3, .drained = true},
  };
}

void ReplaceNan(double& value) {
  if (std::isnan(value)) value = kStandsForNan;
}

}  // namespace

std::vector<Event> OneOfEachKind() {
  std::vector<Event> events;
  for (const auto& part : {StudyEvents(), TrialEvents(), ResultEvents()}) {
    events.insert(events.end(), part.begin(), part.end());
  }
  return events;
}

std::string KindOf(const Event& event) {
  constexpr std::array<const char*, 22> kNames = {
      "StudyCreated",       "StudyPaused",     "StudyResumed",       "StudyEnded",
      "StudyExtended",      "StudyDeleted",    "RunningTimeCounted", "WorkerStarted",
      "TrialSampled",       "TrialLeased",     "AttemptFailed",      "AttemptReturned",
      "LateReasonRecorded", "TrialProgressed", "TrialReported",      "CheckpointStored",
      "CheckpointLost",     "RungClosed",      "TrialPromoted",      "WorkerSeen",
      "LeaseRenewed",       "TimePassed"};
  static_assert(kNames.size() == std::variant_size_v<Event>, "a kind is new: give samples of it");
  return kNames[event.index()];
}

Event ComparableNan(Event event) {
  if (auto* progressed = std::get_if<TrialProgressed>(&event)) {
    for (CurvePoint& point : progressed->points) ReplaceNan(point.error);
  } else if (auto* reported = std::get_if<TrialReported>(&event)) {
    ReplaceNan(reported->error);
    for (CurvePoint& point : reported->points) ReplaceNan(point.error);
    for (auto& [name, value] : reported->metrics) ReplaceNan(value);
  }
  return event;
}

std::vector<Event> SmallEvents(int first, int count) {
  std::vector<Event> events;
  for (int i = first; i < first + count; ++i) {
    events.emplace_back(WorkerStarted{.worker = absl::StrCat("worker-", i),
                                      .incarnation = absl::StrCat(i),
                                      .time = absl::FromUnixSeconds(1'700'000'000 + i)});
  }
  return events;
}

}  // namespace halving
