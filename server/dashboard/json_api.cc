#include "server/dashboard/json_api.h"

#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc_status.h"
#include "common/status.h"
#include "server/dashboard/json.h"

namespace halving {
namespace {

constexpr std::chrono::seconds kTimeout{10};

// Of a list's page: page_size and page_token.
template <typename Request>
absl::Status SetPage(const QueryParams& query, Request* request) {
  const auto size = query.find("page_size");
  int32_t page_size = 0;
  if (size != query.end() && !absl::SimpleAtoi(size->second, &page_size)) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is \"", size->second, "\"; it must be a whole number"));
  }
  request->set_page_size(page_size);
  const auto token = query.find("page_token");
  if (token != query.end()) request->set_page_token(token->second);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TrialIdOf(const std::string& text) {
  int64_t id = 0;
  if (absl::SimpleAtoi(text, &id)) return id;
  return absl::InvalidArgumentError(
      absl::StrCat("the trial is \"", text, "\"; it must be a number, from 1"));
}

absl::Status SetStates(const QueryParams& query, v1::ListTrialsRequest* request) {
  const auto [first, end] = query.equal_range("states");
  for (auto at = first; at != end; ++at) {
    v1::TrialState state = v1::TRIAL_STATE_UNSPECIFIED;
    if (!v1::TrialState_Parse(absl::StrCat("TRIAL_STATE_", at->second), &state)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "states is \"", at->second, "\"; it must be a TrialState without its prefix: RUNNING"));
    }
    request->add_states(state);
  }
  return absl::OkStatus();
}

}  // namespace

template <typename Request, typename Response>
absl::StatusOr<std::string> JsonApi::Call(const JsonRequest& from, Method<Request, Response> method,
                                          const Request& request) const {
  grpc::ClientContext context;
  if (!from.authorization.empty()) context.AddMetadata("authorization", from.authorization);
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  Response response;
  const grpc::Status status = (studies_.get()->*method)(&context, request, &response);
  if (status.ok()) return ToJson(response);
  return FromGrpc(status);
}

template <typename Request, typename Response>
JsonApi::Handler JsonApi::Named(Method<Request, Response> method) const {
  return [this, method](const JsonRequest& from) {
    Request request;
    request.set_name(from.path[0]);
    return Call(from, method, request);
  };
}

template <typename Request, typename Response>
JsonApi::Handler JsonApi::WithBody(Method<Request, Response> method) const {
  return [this, method](const JsonRequest& from) -> absl::StatusOr<std::string> {
    Request request;
    HV_RETURN_IF_ERROR(FromJson(from.body, &request));
    return Call(from, method, request);
  };
}

void JsonApi::AddLists(std::vector<Route>* routes) const {
  using Stub = v1::StudyService::Stub;
  routes->push_back({"GET", "/api/v1/studies", [this](const JsonRequest& from) {
                       v1::ListStudiesRequest request;
                       const absl::Status page = SetPage(from.query, &request);
                       if (!page.ok()) return absl::StatusOr<std::string>(page);
                       return Call(from, &Stub::ListStudies, request);
                     }});
  routes->push_back({"GET", "/api/v1/workers", [this](const JsonRequest& from) {
                       v1::ListWorkersRequest request;
                       const absl::Status page = SetPage(from.query, &request);
                       if (!page.ok()) return absl::StatusOr<std::string>(page);
                       return Call(from, &Stub::ListWorkers, request);
                     }});
  routes->push_back({"GET", kStudyPath, Named(&Stub::GetStudy)});
  routes->push_back({"GET", absl::StrCat(kStudyPath, "/status"), Named(&Stub::GetStatus)});
}

void JsonApi::AddTrials(std::vector<Route>* routes) const {
  using Stub = v1::StudyService::Stub;
  const std::string trials = absl::StrCat(kStudyPath, "/trials");
  routes->push_back({"GET", trials, [this](const JsonRequest& from) -> absl::StatusOr<std::string> {
                       v1::ListTrialsRequest request;
                       request.set_name(from.path[0]);
                       HV_RETURN_IF_ERROR(SetPage(from.query, &request));
                       HV_RETURN_IF_ERROR(SetStates(from.query, &request));
                       const auto by_error = from.query.find("by_error");
                       request.set_by_error(by_error != from.query.end() &&
                                            by_error->second == "1");
                       return Call(from, &Stub::ListTrials, request);
                     }});
  const auto add = [&]<typename Request, typename Response>(const std::string& more,
                                                            Method<Request, Response> method) {
    routes->push_back({"GET", absl::StrCat(trials, "/([^/]+)", more),
                       [this, method](const JsonRequest& from) -> absl::StatusOr<std::string> {
                         Request request;
                         request.set_name(from.path[0]);
                         HV_ASSIGN_OR_RETURN(const int64_t id, TrialIdOf(from.path[1]));
                         request.set_trial_id(id);
                         return Call(from, method, request);
                       }});
  };
  add("", &Stub::GetTrial);
  add("/log", &Stub::GetTrialLog);
}

void JsonApi::AddChanges(std::vector<Route>* routes) const {
  using Stub = v1::StudyService::Stub;
  routes->push_back({"POST", "/api/v1/studies", WithBody(&Stub::CreateStudy), true});
  routes->push_back({"POST", "/api/v1/plan", WithBody(&Stub::PlanStudy), true});
  routes->push_back({"POST", absl::StrCat(kStudyPath, "/pause"), Named(&Stub::PauseStudy)});
  routes->push_back({"POST", absl::StrCat(kStudyPath, "/resume"), Named(&Stub::ResumeStudy)});
  routes->push_back({"POST", absl::StrCat(kStudyPath, "/stop"), Named(&Stub::StopStudy)});
  routes->push_back({"DELETE", kStudyPath, Named(&Stub::DeleteStudy)});
  routes->push_back({"POST", absl::StrCat(kStudyPath, "/extend"),
                     [this](const JsonRequest& from) -> absl::StatusOr<std::string> {
                       v1::ExtendStudyRequest request;
                       request.set_name(from.path[0]);
                       HV_RETURN_IF_ERROR(FromJson(from.body, request.mutable_limits()));
                       return Call(from, &Stub::ExtendStudy, request);
                     },
                     true});
}

std::vector<JsonApi::Route> JsonApi::Routes() const {
  std::vector<Route> routes;
  AddLists(&routes);
  AddTrials(&routes);
  AddChanges(&routes);
  return routes;
}

}  // namespace halving
