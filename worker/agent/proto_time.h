// absl::Duration to and from google.protobuf.Duration.
#ifndef HALVING_WORKER_AGENT_PROTO_TIME_H_
#define HALVING_WORKER_AGENT_PROTO_TIME_H_

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace halving {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// `duration` is finite.
inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(
      static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return proto;
}

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_PROTO_TIME_H_
