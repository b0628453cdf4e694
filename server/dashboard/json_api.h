// JsonApi: the contract's calls over HTTP, as JSON.
#ifndef HALVING_SERVER_DASHBOARD_JSON_API_H_
#define HALVING_SERVER_DASHBOARD_JSON_API_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "halving/v1/study.grpc.pb.h"
#include "server/dashboard/http_access.h"
#include "server/dashboard/trial_query.h"

namespace halving {

// What a call was made with.
struct JsonRequest {
  std::vector<std::string> path;  // What stands in the path for NAME and ID, in that order.
  QueryParams query;
  std::string body;
  std::string authorization;  // Handed on to the services, which decide about owners.
  HttpCaller caller;
};

// Calls the server's own services, so that what they check, refuse and answer is the same as over
// gRPC. Thread-safe.
class JsonApi {
 public:
  using Handler = std::function<absl::StatusOr<std::string>(const JsonRequest&)>;
  struct Route {
    std::string method;   // GET, POST or DELETE.
    std::string pattern;  // A regular expression of the path, with a group for each of its parts.
    Handler handler;
    bool has_body = false;
  };

  explicit JsonApi(const std::shared_ptr<grpc::Channel>& channel)
      : studies_(v1::StudyService::NewStub(channel)) {}

  // Whose handlers must not outlive this.
  std::vector<Route> Routes() const;

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (v1::StudyService::Stub::*)(grpc::ClientContext*, const Request&,
                                                          Response*);

  template <typename Request, typename Response>
  absl::StatusOr<std::string> Call(const JsonRequest& from, Method<Request, Response> method,
                                   const Request& request) const;
  template <typename Request, typename Response>
  Handler Named(Method<Request, Response> method) const;
  template <typename Request, typename Response>
  Handler WithBody(Method<Request, Response> method) const;
  void AddLists(std::vector<Route>* routes) const;
  void AddTrials(std::vector<Route>* routes) const;
  void AddChanges(std::vector<Route>* routes) const;

  const std::unique_ptr<v1::StudyService::Stub> studies_;
};

// The text between slashes that names a study, as a regular expression.
inline constexpr char kStudyPath[] = "/api/v1/studies/([^/]+)";

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_JSON_API_H_
