// The wire's messages to the core's types: shapes, sizes and characters are checked here; what a
// value means is checked by the core.
#ifndef HALVING_SERVER_SERVICE_TRANSLATE_H_
#define HALVING_SERVER_SERVICE_TRANSLATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "halving/v1/study.pb.h"
#include "halving/v1/worker.pb.h"
#include "server/core/commands.h"
#include "server/core/plan.h"
#include "server/core/spec.h"

namespace halving {

// All: INVALID_ARGUMENT with the field, the value seen and what is allowed.
absl::StatusOr<StudySpec> FromProto(const v1::StudySpec& from);
absl::StatusOr<Limits> FromProto(const v1::Limits& from);
absl::StatusOr<Ask> FromProto(const v1::SuggestRequest& from);
absl::StatusOr<Outcome> OutcomeFromProto(const v1::ReportRequest& from);
// `field` names it in the error.
absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& from,
                                         const std::string& field);
// As it, and at most a hundred years: the journal writes nanoseconds in 64 bits.
absl::StatusOr<absl::Duration> JournaledDuration(const google::protobuf::Duration& from,
                                                 const std::string& field);

// How long an ask waits: what it says, at most 30 s.
absl::StatusOr<absl::Duration> WaitOf(const v1::SuggestRequest& request);

void ToProto(absl::Duration from, google::protobuf::Duration* to);
void ToProto(absl::Time from, google::protobuf::Timestamp* to);
void ToProto(const StudySpec& from, v1::StudySpec* to);
void ToProto(const NamedConfig& from, google::protobuf::Struct* to);
void ToProto(const Plan& from, v1::StudyPlan* to);

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_TRANSLATE_H_
