#include "server/store/event_codec.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "google/protobuf/arena.h"
#include "server/store/journal.pb.h"

namespace halving {
namespace {

namespace pb = ::halving::journal;

// ---- parts

int64_t Ns(absl::Time time) { return absl::ToUnixNanos(time); }
int64_t Ns(absl::Duration duration) { return absl::ToInt64Nanoseconds(duration); }
absl::Time TimeOf(int64_t ns) { return absl::FromUnixNanos(ns); }
absl::Duration DurationOf(int64_t ns) { return absl::Nanoseconds(ns); }

void To(const ParameterValue& from, pb::Value* to) {
  if (const bool* boolean = std::get_if<bool>(&from)) to->set_boolean(*boolean);
  if (const double* number = std::get_if<double>(&from)) to->set_number(*number);
  if (const auto* text = std::get_if<std::string>(&from)) to->set_text(*text);
}

ParameterValue From(const pb::Value& from) {
  if (from.value_case() == pb::Value::kBoolean) return from.boolean();
  if (from.value_case() == pb::Value::kNumber) return from.number();
  return from.text();
}

void To(const Parameter& from, pb::Parameter* to) {
  to->set_name(from.name);
  if (const auto* range = std::get_if<FloatRange>(&from.domain)) {
    to->mutable_float_range()->set_min(range->min);
    to->mutable_float_range()->set_max(range->max);
    to->mutable_float_range()->set_log(range->log);
  } else if (const auto* range = std::get_if<IntRange>(&from.domain)) {
    to->mutable_int_range()->set_min(range->min);
    to->mutable_int_range()->set_max(range->max);
    to->mutable_int_range()->set_log(range->log);
    to->mutable_int_range()->set_step(range->step);
  } else if (const auto* choice = std::get_if<Choice>(&from.domain)) {
    for (const ParameterValue& value : choice->values)
      To(value, to->mutable_choice()->add_values());
  }
  for (const Condition& condition : from.when) {
    pb::Condition* added = to->add_when();
    added->set_parameter(condition.parameter);
    for (const ParameterValue& value : condition.values) To(value, added->add_values());
  }
}

Parameter From(const pb::Parameter& from) {
  Parameter to{.name = from.name()};
  if (from.has_float_range()) {
    const auto& range = from.float_range();
    to.domain = FloatRange{.min = range.min(), .max = range.max(), .log = range.log()};
  } else if (from.has_int_range()) {
    const auto& range = from.int_range();
    to.domain =
        IntRange{.min = range.min(), .max = range.max(), .log = range.log(), .step = range.step()};
  } else if (from.has_choice()) {
    Choice choice;
    for (const pb::Value& value : from.choice().values()) choice.values.push_back(From(value));
    to.domain = std::move(choice);
  }
  for (const pb::Condition& condition : from.when()) {
    Condition& added = to.when.emplace_back(Condition{.parameter = condition.parameter()});
    for (const pb::Value& value : condition.values()) added.values.push_back(From(value));
  }
  return to;
}

void To(const Limits& from, pb::Limits* to) {
  to->set_max_evaluations(from.max_evaluations);
  to->set_max_rounds(from.max_rounds);
  to->set_max_total_epochs(from.max_total_epochs);
  to->set_max_wall_time_ns(Ns(from.max_wall_time));
  if (from.target_error.has_value()) to->set_target_error(*from.target_error);
  if (from.no_improvement != NoImprovement{}) {
    to->mutable_no_improvement()->set_trials(from.no_improvement.trials);
    to->mutable_no_improvement()->set_delta(from.no_improvement.delta);
  }
}

Limits From(const pb::Limits& from) {
  Limits to{.max_evaluations = from.max_evaluations(),
            .max_rounds = from.max_rounds(),
            .max_total_epochs = from.max_total_epochs(),
            .max_wall_time = DurationOf(from.max_wall_time_ns()),
            .no_improvement = {.trials = from.no_improvement().trials(),
                               .delta = from.no_improvement().delta()}};
  if (from.has_target_error()) to.target_error = from.target_error();
  return to;
}

void To(const StudySpec& from, pb::Spec* to) {
  to->set_name(from.name);
  to->set_objective(from.objective);
  to->set_objective_options_json(from.objective_options_json);
  for (const Parameter& parameter : from.parameters) To(parameter, to->add_parameters());
  for (const NamedConfig& config : from.initial_configs) {
    pb::NamedConfig* named = to->add_initial_configs();
    for (const auto& [name, value] : config) {
      pb::NamedValue* entry = named->add_values();
      entry->set_name(name);
      To(value, entry->mutable_value());
    }
  }
  to->set_min_epochs(from.halving.min_epochs);
  to->set_max_epochs(from.halving.max_epochs);
  to->set_eta(from.halving.eta);
  to->set_prefactor(from.halving.prefactor);
  to->set_policy(static_cast<int32_t>(from.policy));
  to->set_searcher(static_cast<int32_t>(from.searcher));
  To(from.limits, to->mutable_limits());
  to->set_max_attempts(from.max_attempts);
  to->set_lease_ns(Ns(from.lease));
  to->set_seed(from.seed);
  to->set_keep_checkpoints(from.keep_checkpoints);
  to->set_owner(from.owner);
  if (from.warm_start != WarmStart{}) {
    to->mutable_warm_start()->set_study(from.warm_start.study);
    to->mutable_warm_start()->set_trials(from.warm_start.trials);
    to->mutable_warm_start()->set_added(from.warm_start.added);
  }
}

StudySpec From(const pb::Spec& from) {
  StudySpec to{.name = from.name(),
               .objective = from.objective(),
               .objective_options_json = from.objective_options_json(),
               .warm_start = {.study = from.warm_start().study(),
                              .trials = from.warm_start().trials(),
                              .added = from.warm_start().added()},
               .halving = {.min_epochs = from.min_epochs(),
                           .max_epochs = from.max_epochs(),
                           .eta = from.eta(),
                           .prefactor = from.prefactor()},
               .policy = static_cast<PolicyKind>(from.policy()),
               .searcher = static_cast<SearcherKind>(from.searcher()),
               .limits = From(from.limits()),
               .max_attempts = from.max_attempts(),
               .lease = DurationOf(from.lease_ns()),
               .seed = from.seed(),
               .keep_checkpoints =
                   from.keep_checkpoints() == 0 ? kDefaultKeptCheckpoints : from.keep_checkpoints(),
               .owner = from.owner()};
  for (const pb::Parameter& parameter : from.parameters()) to.parameters.push_back(From(parameter));
  for (const pb::NamedConfig& named : from.initial_configs()) {
    NamedConfig& config = to.initial_configs.emplace_back();
    for (const auto& entry : named.values()) {
      config.emplace_back(entry.name(), From(entry.value()));
    }
  }
  return to;
}

template <typename Repeated>
void To(const std::vector<CurvePoint>& from, Repeated* to) {
  for (const CurvePoint& point : from) {
    pb::Point* added = to->Add();
    added->set_epoch(point.epoch);
    added->set_error(point.error);
  }
}

template <typename Repeated>
std::vector<CurvePoint> PointsFrom(const Repeated& from) {
  std::vector<CurvePoint> points;
  for (const pb::Point& point : from) {
    points.push_back({.epoch = point.epoch(), .error = point.error()});
  }
  return points;
}

void To(const Digest& from, pb::Digest* to) {
  to->set_high(from.high);
  to->set_low(from.low);
}

Digest From(const pb::Digest& from) { return {.high = from.high(), .low = from.low()}; }

// ---- events, one pair of functions each

void To(const StudyCreated& from, pb::Event* event) {
  pb::StudyCreated* to = event->mutable_study_created();
  to->set_study(from.study);
  To(from.spec, to->mutable_spec());
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::StudyCreated& from) {
  return StudyCreated{
      .study = from.study(), .spec = From(from.spec()), .time = TimeOf(from.time_ns())};
}

void To(const StudyPaused& from, pb::Event* event) {
  event->mutable_study_paused()->set_study(from.study);
  event->mutable_study_paused()->set_running_time_ns(Ns(from.running_time));
}
Event From(const pb::StudyPaused& from) {
  return StudyPaused{.study = from.study(), .running_time = DurationOf(from.running_time_ns())};
}

void To(const StudyResumed& from, pb::Event* event) {
  event->mutable_study_resumed()->set_study(from.study);
  event->mutable_study_resumed()->set_time_ns(Ns(from.time));
}
Event From(const pb::StudyResumed& from) {
  return StudyResumed{.study = from.study(), .time = TimeOf(from.time_ns())};
}

void To(const StudyEnded& from, pb::Event* event) {
  pb::StudyEnded* to = event->mutable_study_ended();
  to->set_study(from.study);
  to->set_state(static_cast<int32_t>(from.state));
  to->set_reason(from.reason);
  to->set_running_time_ns(Ns(from.running_time));
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::StudyEnded& from) {
  return StudyEnded{.study = from.study(),
                    .state = static_cast<StudyState>(from.state()),
                    .reason = from.reason(),
                    .running_time = DurationOf(from.running_time_ns()),
                    .time = TimeOf(from.time_ns())};
}

void To(const StudyExtended& from, pb::Event* event) {
  event->mutable_study_extended()->set_study(from.study);
  To(from.limits, event->mutable_study_extended()->mutable_limits());
  event->mutable_study_extended()->set_time_ns(Ns(from.time));
}
Event From(const pb::StudyExtended& from) {
  return StudyExtended{
      .study = from.study(), .limits = From(from.limits()), .time = TimeOf(from.time_ns())};
}

void To(const StudyDeleted& from, pb::Event* event) {
  event->mutable_study_deleted()->set_study(from.study);
}
Event From(const pb::StudyDeleted& from) { return StudyDeleted{.study = from.study()}; }

void To(const RunningTimeCounted& from, pb::Event* event) {
  pb::RunningTimeCounted* to = event->mutable_running_time_counted();
  to->set_study(from.study);
  to->set_running_time_ns(Ns(from.running_time));
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::RunningTimeCounted& from) {
  return RunningTimeCounted{.study = from.study(),
                            .running_time = DurationOf(from.running_time_ns()),
                            .time = TimeOf(from.time_ns())};
}

void To(const WorkerStarted& from, pb::Event* event) {
  pb::WorkerStarted* to = event->mutable_worker_started();
  to->set_worker(from.worker);
  to->set_incarnation(from.incarnation);
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::WorkerStarted& from) {
  return WorkerStarted{
      .worker = from.worker(), .incarnation = from.incarnation(), .time = TimeOf(from.time_ns())};
}

void To(const TrialSampled& from, pb::Event* event) {
  pb::TrialSampled* to = event->mutable_trial_sampled();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_round(from.round);
  to->set_group_bracket(from.group.bracket);
  to->set_group_round(from.group.round);
  to->mutable_config()->Add(from.config.begin(), from.config.end());
}
Event From(const pb::TrialSampled& from) {
  return TrialSampled{.study = from.study(),
                      .trial = from.trial(),
                      .round = from.round(),
                      .group = {.bracket = from.group_bracket(), .round = from.group_round()},
                      .config = Config(from.config().begin(), from.config().end())};
}

void To(const TrialLeased& from, pb::Event* event) {
  pb::TrialLeased* to = event->mutable_trial_leased();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_worker(from.worker);
  to->set_incarnation(from.incarnation);
  to->set_request_id(from.request_id);
  to->set_from_epoch(from.from_epoch);
  to->set_checkpoint_id(from.checkpoint_id);
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::TrialLeased& from) {
  return TrialLeased{.study = from.study(),
                     .trial = from.trial(),
                     .attempt = from.attempt(),
                     .worker = from.worker(),
                     .incarnation = from.incarnation(),
                     .request_id = from.request_id(),
                     .from_epoch = from.from_epoch(),
                     .checkpoint_id = from.checkpoint_id(),
                     .time = TimeOf(from.time_ns())};
}

void To(const AttemptFailed& from, pb::Event* event) {
  pb::AttemptFailed* to = event->mutable_attempt_failed();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_cause(static_cast<int32_t>(from.cause));
  to->set_reason(from.reason);
  to->set_final(from.final);
  To(from.digest, to->mutable_digest());
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::AttemptFailed& from) {
  return AttemptFailed{.study = from.study(),
                       .trial = from.trial(),
                       .attempt = from.attempt(),
                       .cause = static_cast<FailureCause>(from.cause()),
                       .reason = from.reason(),
                       .final = from.final(),
                       .digest = From(from.digest()),
                       .time = TimeOf(from.time_ns())};
}

void To(const AttemptReturned& from, pb::Event* event) {
  pb::AttemptReturned* to = event->mutable_attempt_returned();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_reason(from.reason);
  to->set_unusable_checkpoint_id(from.unusable_checkpoint_id);
  To(from.digest, to->mutable_digest());
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::AttemptReturned& from) {
  return AttemptReturned{.study = from.study(),
                         .trial = from.trial(),
                         .attempt = from.attempt(),
                         .reason = from.reason(),
                         .unusable_checkpoint_id = from.unusable_checkpoint_id(),
                         .digest = From(from.digest()),
                         .time = TimeOf(from.time_ns())};
}

void To(const LateReasonRecorded& from, pb::Event* event) {
  pb::LateReasonRecorded* to = event->mutable_late_reason_recorded();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_reason(from.reason);
  to->set_unusable_checkpoint_id(from.unusable_checkpoint_id);
  To(from.digest, to->mutable_digest());
}
Event From(const pb::LateReasonRecorded& from) {
  return LateReasonRecorded{.study = from.study(),
                            .trial = from.trial(),
                            .attempt = from.attempt(),
                            .reason = from.reason(),
                            .unusable_checkpoint_id = from.unusable_checkpoint_id(),
                            .digest = From(from.digest())};
}

void To(const TrialProgressed& from, pb::Event* event) {
  pb::TrialProgressed* to = event->mutable_trial_progressed();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  To(from.points, to->mutable_points());
  to->set_checkpoint_id(from.checkpoint_id);
  to->set_checkpoint_epoch(from.checkpoint_epoch);
  to->set_revived(from.revived);
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::TrialProgressed& from) {
  return TrialProgressed{.study = from.study(),
                         .trial = from.trial(),
                         .attempt = from.attempt(),
                         .points = PointsFrom(from.points()),
                         .checkpoint_id = from.checkpoint_id(),
                         .checkpoint_epoch = from.checkpoint_epoch(),
                         .revived = from.revived(),
                         .time = TimeOf(from.time_ns())};
}

void To(const TrialReported& from, pb::Event* event) {
  pb::TrialReported* to = event->mutable_trial_reported();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_error(from.error);
  To(from.points, to->mutable_points());
  for (const auto& [name, value] : from.metrics) {
    pb::Metric* metric = to->add_metrics();
    metric->set_name(name);
    metric->set_value(value);
  }
  to->set_checkpoint_id(from.checkpoint_id);
  to->set_train_time_ns(Ns(from.train_time));
  To(from.digest, to->mutable_digest());
  to->set_time_ns(Ns(from.time));
}
Event From(const pb::TrialReported& from) {
  Metrics metrics;
  for (const pb::Metric& metric : from.metrics())
    metrics.emplace_back(metric.name(), metric.value());
  return TrialReported{.study = from.study(),
                       .trial = from.trial(),
                       .attempt = from.attempt(),
                       .error = from.error(),
                       .points = PointsFrom(from.points()),
                       .metrics = std::move(metrics),
                       .checkpoint_id = from.checkpoint_id(),
                       .train_time = DurationOf(from.train_time_ns()),
                       .digest = From(from.digest()),
                       .time = TimeOf(from.time_ns())};
}

void To(const CheckpointStored& from, pb::Event* event) {
  pb::CheckpointStored* to = event->mutable_checkpoint_stored();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_attempt(from.attempt);
  to->set_checkpoint_id(from.checkpoint_id);
  to->set_epoch(from.epoch);
  to->set_size_bytes(from.bytes);
  to->set_sha256(from.sha256);
}
Event From(const pb::CheckpointStored& from) {
  return CheckpointStored{.study = from.study(),
                          .trial = from.trial(),
                          .attempt = from.attempt(),
                          .checkpoint_id = from.checkpoint_id(),
                          .epoch = from.epoch(),
                          .bytes = from.size_bytes(),
                          .sha256 = from.sha256()};
}

void To(const CheckpointLost& from, pb::Event* event) {
  pb::CheckpointLost* to = event->mutable_checkpoint_lost();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_checkpoint_id(from.checkpoint_id);
}
Event From(const pb::CheckpointLost& from) {
  return CheckpointLost{
      .study = from.study(), .trial = from.trial(), .checkpoint_id = from.checkpoint_id()};
}

void To(const RungClosed& from, pb::Event* event) {
  pb::RungClosed* to = event->mutable_rung_closed();
  to->set_study(from.study);
  to->set_group_bracket(from.group.bracket);
  to->set_group_round(from.group.round);
  to->set_rung(from.rung);
  to->mutable_promoted()->Add(from.promoted.begin(), from.promoted.end());
  to->mutable_eliminated()->Add(from.eliminated.begin(), from.eliminated.end());
  to->set_drained(from.drained);
}
Event From(const pb::RungClosed& from) {
  return RungClosed{.study = from.study(),
                    .group = {.bracket = from.group_bracket(), .round = from.group_round()},
                    .rung = from.rung(),
                    .promoted = {from.promoted().begin(), from.promoted().end()},
                    .eliminated = {from.eliminated().begin(), from.eliminated().end()},
                    .drained = from.drained()};
}

void To(const TrialPromoted& from, pb::Event* event) {
  pb::TrialPromoted* to = event->mutable_trial_promoted();
  to->set_study(from.study);
  to->set_trial(from.trial);
  to->set_drained(from.drained);
}
Event From(const pb::TrialPromoted& from) {
  return TrialPromoted{.study = from.study(), .trial = from.trial(), .drained = from.drained()};
}

// Those stay in memory.
void To(const WorkerSeen&, pb::Event*) { HV_CHECK(false) << "WorkerSeen is not durable"; }
void To(const LeaseRenewed&, pb::Event*) { HV_CHECK(false) << "LeaseRenewed is not durable"; }
void To(const TimePassed&, pb::Event*) { HV_CHECK(false) << "TimePassed is not durable"; }

// A message whose parts lie beside it, for as long as most are.
class Scratch {
 public:
  Scratch()
      : arena_(Options()), message_(google::protobuf::Arena::CreateMessage<pb::Event>(&arena_)) {}
  pb::Event& message() { return *message_; }

 private:
  google::protobuf::ArenaOptions Options() {
    google::protobuf::ArenaOptions options;
    options.initial_block = block_;
    options.initial_block_size = sizeof(block_);
    return options;
  }

  alignas(8) char block_[1536];
  google::protobuf::Arena arena_;
  pb::Event* const message_;
};

}  // namespace

std::string EncodeEvent(const Event& event) {
  Scratch scratch;
  std::visit([&scratch](const auto& e) { To(e, &scratch.message()); }, event);
  return scratch.message().SerializeAsString();
}

absl::StatusOr<Event> DecodeEvent(absl::string_view bytes) {
  Scratch scratch;
  pb::Event& m = scratch.message();
  if (!m.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(absl::StrCat("an event of ", bytes.size(), " bytes cannot be read"));
  }
  switch (m.event_case()) {
    case pb::Event::kStudyCreated:
      return From(m.study_created());
    case pb::Event::kStudyPaused:
      return From(m.study_paused());
    case pb::Event::kStudyResumed:
      return From(m.study_resumed());
    case pb::Event::kStudyEnded:
      return From(m.study_ended());
    case pb::Event::kStudyExtended:
      return From(m.study_extended());
    case pb::Event::kStudyDeleted:
      return From(m.study_deleted());
    case pb::Event::kRunningTimeCounted:
      return From(m.running_time_counted());
    case pb::Event::kWorkerStarted:
      return From(m.worker_started());
    case pb::Event::kTrialSampled:
      return From(m.trial_sampled());
    case pb::Event::kTrialLeased:
      return From(m.trial_leased());
    case pb::Event::kAttemptFailed:
      return From(m.attempt_failed());
    case pb::Event::kAttemptReturned:
      return From(m.attempt_returned());
    case pb::Event::kLateReasonRecorded:
      return From(m.late_reason_recorded());
    case pb::Event::kTrialProgressed:
      return From(m.trial_progressed());
    case pb::Event::kTrialReported:
      return From(m.trial_reported());
    case pb::Event::kRungClosed:
      return From(m.rung_closed());
    case pb::Event::kCheckpointStored:
      return From(m.checkpoint_stored());
    case pb::Event::kCheckpointLost:
      return From(m.checkpoint_lost());
    case pb::Event::kTrialPromoted:
      return From(m.trial_promoted());
    case pb::Event::kPack:
    case pb::Event::kGap:  // Whoever reads the file knows these.
    case pb::Event::EVENT_NOT_SET:
      break;
  }
  return absl::DataLossError("an event is of a kind that this version does not know");
}

}  // namespace halving
