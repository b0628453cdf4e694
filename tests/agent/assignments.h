// Assignments and scripts for the worker's tests.
#ifndef HALVING_TESTS_AGENT_ASSIGNMENTS_H_
#define HALVING_TESTS_AGENT_ASSIGNMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/struct_json.h"
#include "halving/v1/worker.pb.h"
#include "nlohmann/json.hpp"

namespace halving {

// Trial `id` of study "s", first attempt, epochs 0 to 2, leased for a minute.
inline v1::Assignment MakeAssignment(int64_t id) {
  v1::Assignment assignment;
  assignment.set_study("s");
  assignment.set_trial_id(id);
  assignment.set_lease_id(absl::StrCat("lease-", id));
  assignment.set_attempt(1);
  assignment.set_objective("fake");
  assignment.set_to_epoch(2);
  assignment.mutable_lease()->set_seconds(60);
  assignment.set_seed(17);
  *assignment.mutable_config() = JsonToStruct({{"batch_size", 128}, {"learning_rate", 0.5}});
  return assignment;
}

// One step for the fake trainer; see fake_trainer.cc. Not a braced list, since JSON takes a list of
// pairs of strings for an object.
template <typename... Arguments>
nlohmann::json Step(const std::string& verb, const Arguments&... arguments) {
  return nlohmann::json::array({verb, arguments...});
}
inline nlohmann::json Print(const std::string& text) { return Step("print", text); }
inline nlohmann::json PrintEpoch(int64_t epoch) {
  return Print(absl::StrCat("{\"epoch\":", epoch, ",\"error\":0.5}"));
}
inline nlohmann::json PrintCheckpoint(int64_t epoch) {
  return Print(absl::StrCat("{\"checkpoint\":{\"epoch\":", epoch, "}}"));
}
inline nlohmann::json PrintDone() { return Print("{\"done\":{\"error\":0.5}}"); }

// MakeAssignment() with steps for the fake trainer.
inline v1::Assignment MakeScripted(int64_t id, const std::vector<nlohmann::json>& script) {
  v1::Assignment assignment = MakeAssignment(id);
  nlohmann::json options;
  options["script"] = script;
  *assignment.mutable_objective_options() = JsonToStruct(options);
  return assignment;
}

}  // namespace halving

#endif  // HALVING_TESTS_AGENT_ASSIGNMENTS_H_
