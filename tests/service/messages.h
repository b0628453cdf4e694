// The contract's messages as tests write them.
#ifndef HALVING_TESTS_SERVICE_MESSAGES_H_
#define HALVING_TESTS_SERVICE_MESSAGES_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "google/protobuf/text_format.h"
#include "halving/v1/study.pb.h"
#include "halving/v1/worker.pb.h"

namespace halving {

// From protobuf's text format.
template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  HV_CHECK(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// A study of `trials` trials, which train one epoch each and then are done.
inline v1::StudySpec FlatSpec(const std::string& name, int64_t trials) {
  v1::StudySpec spec = Parse<v1::StudySpec>(R"pb(
    objective: "lenet"
    parameters {
      name: "x"
      float { max: 1 }
    }
    halving { min_epochs: 1 max_epochs: 1 eta: 2 }
    retry { lease { seconds: 60 } })pb");
  spec.set_name(name);
  spec.mutable_limits()->set_max_evaluations(trials);
  return spec;
}

inline v1::SuggestRequest AskOf(const std::string& worker, const std::string& request_id,
                                int64_t wait_seconds = 0) {
  v1::SuggestRequest request;
  request.set_worker_id(worker);
  request.set_request_id(request_id);
  request.mutable_wait()->set_seconds(wait_seconds);
  return request;
}

inline v1::ReportRequest CompletedOf(const std::string& lease_id, double error) {
  v1::ReportRequest request;
  request.set_lease_id(lease_id);
  request.mutable_completed()->set_error(error);
  return request;
}

// `outcome` in text format: "failed { retryable: true }".
inline v1::ReportRequest ReportOf(const std::string& lease_id, const std::string& outcome) {
  auto request = Parse<v1::ReportRequest>(outcome);
  request.set_lease_id(lease_id);
  return request;
}

}  // namespace halving

#endif  // HALVING_TESTS_SERVICE_MESSAGES_H_
