// A study spec as anybody may send it: refused with a reason, or one that plans, comes back from
// the wire and the journal as it is, and makes a study that hands out trials.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/check.h"
#include "halving/v1/study.pb.h"
#include "server/core/plan.h"
#include "server/core/scheduler.h"
#include "server/core/spec.h"
#include "server/service/translate.h"
#include "server/store/event_codec.h"

namespace halving {
namespace {

class NoErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

// JSON, text or binary, by the first byte.
std::optional<v1::StudySpec> Message(const std::string& bytes) {
  v1::StudySpec message;
  if (absl::StartsWith(bytes, "{")) {
    if (google::protobuf::util::JsonStringToMessage(bytes, &message).ok()) return message;
    return std::nullopt;
  }
  if (absl::StartsWith(bytes, "#")) {
    NoErrors errors;
    google::protobuf::TextFormat::Parser parser;
    parser.RecordErrorsTo(&errors);
    // The parser takes bytes that the wire, as gRPC reads it, refuses.
    if (!parser.ParseFromString(bytes, &message)) return std::nullopt;
    std::string wire = message.SerializePartialAsString();
    if (message.ParseFromString(wire)) return message;
    return std::nullopt;
  }
  if (message.ParseFromString(bytes)) return message;
  return std::nullopt;
}

void CheckRefusal(const absl::Status& status) {
  HV_CHECK(absl::IsInvalidArgument(status)) << status;
  HV_CHECK(!status.message().empty()) << status;
}

void CheckPlan(const StudySpec& spec) {
  const absl::StatusOr<Plan> plan = MakePlan(spec);
  HV_CHECK(plan.ok()) << plan.status();
  const std::vector<PlannedRung>& rungs = plan->rungs;
  HV_CHECK(rungs.front().epochs == spec.halving.min_epochs);
  HV_CHECK(rungs.back().epochs == spec.halving.max_epochs);
  int64_t trials = 0;
  for (size_t i = 0; i < rungs.size(); ++i) {
    HV_CHECK(rungs[i].trials >= 1) << "rung " << i;
    trials += rungs[i].trials;
    if (rungs[i].rung == rungs[i].bracket) continue;
    HV_CHECK(rungs[i].bracket == rungs[i - 1].bracket) << "rung " << i;
    HV_CHECK(rungs[i].epochs > rungs[i - 1].epochs) << "rung " << i;
    HV_CHECK(rungs[i].trials <= rungs[i - 1].trials) << "rung " << i;
  }
  HV_CHECK(plan->evaluations_per_round == trials && plan->rounds >= 0);
  HV_CHECK(plan->epochs_per_round > 0 &&
           plan->epochs_per_round <= plan->epochs_per_round_from_scratch);
  v1::StudyPlan message;
  ToProto(*plan, &message);
  HV_CHECK(message.rungs_size() == static_cast<int>(rungs.size()));
}

// Over the wire and back: what DescribeStudy shows can be created again.
void CheckWire(const StudySpec& spec) {
  v1::StudySpec message;
  ToProto(spec, &message);
  v1::StudySpec received;
  HV_CHECK(received.ParseFromString(message.SerializeAsString())) << message.DebugString();
  const absl::StatusOr<StudySpec> again = FromProto(received);
  HV_CHECK(again.ok()) << again.status();
  HV_CHECK(*again == spec) << "comes back as another: " << message.DebugString();
  const absl::StatusOr<StudySpec> twice = Normalise(*again);
  HV_CHECK(twice.ok()) << twice.status();
  HV_CHECK(*twice == spec) << "normalised again it is another: " << message.DebugString();
}

void CheckJournal(const std::vector<Event>& events) {
  for (const Event& event : events) {
    if (!IsDurable(event)) continue;
    const absl::StatusOr<Event> again = DecodeEvent(EncodeEvent(event));
    HV_CHECK(again.ok()) << again.status();
    HV_CHECK(*again == event) << "kind " << event.index() << " changed in the journal";
  }
}

void CheckSound(const Scheduler& scheduler) {
  const absl::Status status = scheduler.CheckInvariants();
  HV_CHECK(status.ok()) << status;
}

// A study of it, and its first trial.
void CheckStudy(StudySpec spec) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  Scheduler scheduler;
  std::vector<Event> events;
  if (!spec.warm_start.study.empty()) {
    const absl::Status refused =
        scheduler.Execute(CreateStudy{.spec = spec}, now, &events).status();
    HV_CHECK(absl::IsNotFound(refused)) << refused;
    spec.warm_start = {};
  }
  const CreateStudy create{.spec = spec, .fallback_seed = 7};
  const absl::StatusOr<Answer> created = scheduler.Execute(create, now, &events);
  HV_CHECK(created.ok()) << created.status();
  const size_t before = events.size();
  const absl::StatusOr<Answer> repeated = scheduler.Execute(create, now, &events);
  HV_CHECK(repeated.ok() && repeated->study == created->study) << repeated.status();
  HV_CHECK(events.size() == before) << "a repeat did something";

  const Study& study = *scheduler.FindStudy(created->study);
  const Ask ask{.worker = "w", .request_id = "r"};
  const absl::StatusOr<Answer> answer = scheduler.Execute(ask, now, &events);
  HV_CHECK(answer.ok()) << answer.status();
  if (answer->assignment.has_value()) {
    const absl::StatusOr<Config> config = study.space().Encode(answer->assignment->config, "it");
    HV_CHECK(config.ok()) << "the first config is outside of the space: " << config.status();
    const Report report{.lease = answer->assignment->lease, .outcome = Completed{.error = 0.5}};
    const absl::StatusOr<Answer> reported = scheduler.Execute(report, now, &events);
    HV_CHECK(reported.ok()) << reported.status();
  } else {
    HV_CHECK(study.ended()) << "there is no trial, and no end: " << scheduler.DebugString();
  }
  CheckSound(scheduler);
  CheckJournal(events);
}

void CheckBytes(const std::string& bytes) {
  const std::optional<v1::StudySpec> message = Message(bytes);
  if (!message.has_value()) return;
  const absl::StatusOr<StudySpec> spec = FromProto(*message);
  if (!spec.ok()) return CheckRefusal(spec.status());
  const absl::StatusOr<StudySpec> normalised = Normalise(*spec);
  HV_CHECK(MakePlan(*spec).status() == normalised.status()) << normalised.status();
  if (!normalised.ok()) return CheckRefusal(normalised.status());
  CheckPlan(*normalised);
  CheckWire(*normalised);
  CheckStudy(*spec);
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silence;
  halving::CheckBytes(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
