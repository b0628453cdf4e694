#include "tests/agent/fake_server.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/clock.h"

namespace halving {

FakeServer::FakeServer(bool started) {
  Start();
  if (!started) Stop();
}

void FakeServer::Start() {
  {
    MutexLock lock(&mu_);
    stopping_ = false;
  }
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  int bound = 0;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(),
                           &bound);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  HV_CHECK(server_ != nullptr && bound != 0) << "no port " << port_;
  port_ = bound;
}

void FakeServer::Stop() {
  if (server_ == nullptr) return;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  server_->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(500, GPR_TIMESPAN)));
  server_.reset();
}

void FakeServer::Add(const v1::Assignment& assignment) {
  MutexLock lock(&mu_);
  queue_.push_back(assignment);
  changed_.NotifyAll();
}

void FakeServer::set_on_report(OnReport on_report) {
  MutexLock lock(&mu_);
  on_report_ = std::move(on_report);
}

void FakeServer::set_on_suggest(OnSuggest on_suggest) {
  MutexLock lock(&mu_);
  on_suggest_ = std::move(on_suggest);
}

std::vector<v1::SuggestRequest> FakeServer::asks() const {
  MutexLock lock(&mu_);
  return asks_;
}

std::vector<v1::ReportRequest> FakeServer::reports() const {
  MutexLock lock(&mu_);
  return reports_;
}

std::vector<v1::ReportRequest> FakeServer::final_reports() const {
  std::vector<v1::ReportRequest> found = reports();
  found.erase(std::remove_if(found.begin(), found.end(),
                             [](const v1::ReportRequest& r) { return r.has_progress(); }),
              found.end());
  return found;
}

std::vector<v1::ReportRequest> FakeServer::progress_reports() const {
  std::vector<v1::ReportRequest> found = reports();
  found.erase(std::remove_if(found.begin(), found.end(),
                             [](const v1::ReportRequest& r) { return !r.has_progress(); }),
              found.end());
  return found;
}

bool FakeServer::TryAssign(const v1::SuggestRequest& request, v1::SuggestResponse* response) {
  const auto known = by_request_id_.find(request.request_id());
  if (known != by_request_id_.end()) {
    *response->mutable_assignment() = known->second;
    return true;
  }
  if (queue_.empty()) return false;
  *response->mutable_assignment() = queue_.front();
  by_request_id_[request.request_id()] = queue_.front();
  queue_.pop_front();
  return true;
}

grpc::Status FakeServer::Suggest(grpc::ServerContext* context, const v1::SuggestRequest* request,
                                 v1::SuggestResponse* response) {
  const absl::Time deadline = Clock::Real()->Now() + absl::Seconds(request->wait().seconds());
  MutexLock lock(&mu_);
  asks_.push_back(*request);
  if (on_suggest_ != nullptr) {
    grpc::Status status = on_suggest_(*request, static_cast<int>(asks_.size()) - 1, response);
    if (!status.ok() || response->ByteSizeLong() > 0) return status;
  }
  while (!TryAssign(*request, response)) {
    if (stopping_) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
    const absl::Duration left = deadline - Clock::Real()->Now();
    if (left <= absl::ZeroDuration() || context->IsCancelled()) break;
    changed_.WaitFor(&mu_, std::min(left, absl::Duration(absl::Milliseconds(50))));
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::Report(grpc::ServerContext* /*context*/, const v1::ReportRequest* request,
                                v1::ReportResponse* response) {
  MutexLock lock(&mu_);
  reports_.push_back(*request);
  if (on_report_ != nullptr) {
    const auto answer = on_report_(*request, static_cast<int>(reports_.size()) - 1);
    if (answer.has_value()) {
      *response = answer->response;
      return answer->status;
    }
  }
  response->set_directive(v1::DIRECTIVE_CONTINUE);
  if (request->has_next()) TryAssign(request->next(), response->mutable_next());
  return grpc::Status::OK;
}

}  // namespace halving
