#include "cli/client.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/text.h"
#include "common/rpc_status.h"
#include "common/status.h"
#include "grpcpp/grpcpp.h"

namespace halving {
namespace {

constexpr int32_t kPageSize = 500;  // Trials with many metrics: about a megabyte.
// A watched server whose machine died says nothing more; a ping that stays unanswered tells.
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kMaxReconnectMs = 5'000;

std::shared_ptr<grpc::Channel> Connect(const ServerLink& link) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);  // The default of 4 MiB refuses big pages.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  // A proxy for the web, named by the environment, does not lead to a server next door.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return link.Open(args);
}

template <typename Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

struct Advice {
  absl::StatusCode code;
  absl::string_view words;
  absl::string_view hint;
};

constexpr Advice kAdvice[] = {
    {absl::StatusCode::kInvalidArgument, "the request is wrong (INVALID_ARGUMENT)",
     "correct what the message names, then run the command again"},
    {absl::StatusCode::kNotFound, "not found (NOT_FOUND)",
     "`halving list` shows the studies there are, `halving trials NAME` the trials of one"},
    {absl::StatusCode::kAlreadyExists, "the name is taken (ALREADY_EXISTS)",
     "choose another name with --name, or remove the old study with `halving delete NAME`"},
    {absl::StatusCode::kFailedPrecondition, "not possible as things stand (FAILED_PRECONDITION)",
     "`halving status NAME` shows the state the study is in"},
    {absl::StatusCode::kResourceExhausted, "too much for the server (RESOURCE_EXHAUSTED)",
     "send less, or make room as the message says, for instance by deleting finished studies"},
    {absl::StatusCode::kUnavailable, "the server cannot be reached or cannot write (UNAVAILABLE)",
     "see that halving-server runs and that --server or HALVING_SERVER names it; running the same "
     "command again is safe"},
    {absl::StatusCode::kDeadlineExceeded, "no answer in time (DEADLINE_EXCEEDED)",
     "it may have taken effect or not; running the same command again is safe, and --timeout "
     "waits longer"},
    {absl::StatusCode::kUnimplemented, "the server does not do this (UNIMPLEMENTED)",
     "if the message names no other way: is this a halving-server, and of the same version? "
     "`halving --version` tells ours"},
    {absl::StatusCode::kUnauthenticated, "the server does not know you (UNAUTHENTICATED)",
     "give the token you were given by HALVING_TOKEN or --token-file; who runs the server makes "
     "one "
     "with `halving token create`"},
    {absl::StatusCode::kPermissionDenied, "not allowed (PERMISSION_DENIED)",
     "ask whoever runs the server for access"},
    {absl::StatusCode::kCancelled, "the call was cut off (CANCELLED)",
     "the server may be going down; run the same command again"},
};

Advice AdviceFor(absl::StatusCode code) {
  for (const Advice& advice : kAdvice) {
    if (advice.code == code) return advice;
  }
  return {code, "the server failed", "its log says more"};
}

}  // namespace

std::string ExplainFailure(const absl::Status& status, const std::string& server) {
  const Advice advice = AdviceFor(status.code());
  std::string code;  // Named in the words already, where there are some of its own.
  if (!absl::StrContains(advice.words, "(")) {
    code = absl::StrCat(" (", absl::StatusCodeToString(status.code()), ")");
  }
  const std::string message =
      status.message().empty() ? std::string("it gave no message") : Printable(status.message());
  return absl::StrCat("error: ", advice.words, code, ": ", message, "\nhint: ", advice.hint,
                      " [server ", Printable(server), "]\n");
}

bool IsConnectionLoss(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status);
}

Client::Client(const ServerLink& link, absl::Duration timeout)
    : server_(link.address()),
      timeout_(timeout),
      channel_(Connect(link)),
      stub_(v1::StudyService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)) {}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Client::CallOn(Stub* stub, Rpc<Stub, Request, Response> rpc,
                                        const Request& request) {
  grpc::ClientContext context;
  // A span: gRPC counts it from its own monotonic clock.
  context.set_deadline(gpr_time_from_millis(absl::ToInt64Milliseconds(timeout_), GPR_TIMESPAN));
  Response response;
  HV_RETURN_IF_ERROR(FromGrpc((stub->*rpc)(&context, request, &response)));
  return response;
}

absl::StatusOr<v1::StudyPlan> Client::PlanStudy(const v1::StudySpec& spec) {
  v1::PlanStudyRequest request;
  *request.mutable_study() = spec;
  return Call(&v1::StudyService::Stub::PlanStudy, request);
}

absl::StatusOr<v1::Study> Client::CreateStudy(const v1::StudySpec& spec) {
  v1::CreateStudyRequest request;
  *request.mutable_study() = spec;
  return Call(&v1::StudyService::Stub::CreateStudy, request);
}

absl::StatusOr<v1::Study> Client::GetStudy(const std::string& name) {
  return Call(&v1::StudyService::Stub::GetStudy, Named<v1::GetStudyRequest>(name));
}

absl::StatusOr<v1::StudyStatus> Client::GetStatus(const std::string& name) {
  return Call(&v1::StudyService::Stub::GetStatus, Named<v1::GetStatusRequest>(name));
}

absl::StatusOr<v1::Trial> Client::GetTrial(const std::string& name, int64_t trial_id) {
  auto request = Named<v1::GetTrialRequest>(name);
  request.set_trial_id(trial_id);
  return Call(&v1::StudyService::Stub::GetTrial, request);
}

absl::StatusOr<v1::TrialLog> Client::GetTrialLog(const std::string& name, int64_t trial_id) {
  auto request = Named<v1::GetTrialLogRequest>(name);
  request.set_trial_id(trial_id);
  return Call(&v1::StudyService::Stub::GetTrialLog, request);
}

absl::StatusOr<v1::Study> Client::PauseStudy(const std::string& name) {
  return Call(&v1::StudyService::Stub::PauseStudy, Named<v1::PauseStudyRequest>(name));
}

absl::StatusOr<v1::Study> Client::ResumeStudy(const std::string& name) {
  return Call(&v1::StudyService::Stub::ResumeStudy, Named<v1::ResumeStudyRequest>(name));
}

absl::StatusOr<v1::Study> Client::StopStudy(const std::string& name) {
  return Call(&v1::StudyService::Stub::StopStudy, Named<v1::StopStudyRequest>(name));
}

absl::StatusOr<v1::Study> Client::ExtendStudy(const std::string& name, const v1::Limits& limits) {
  auto request = Named<v1::ExtendStudyRequest>(name);
  *request.mutable_limits() = limits;
  return Call(&v1::StudyService::Stub::ExtendStudy, request);
}

absl::Status Client::DeleteStudy(const std::string& name) {
  return Call(&v1::StudyService::Stub::DeleteStudy, Named<v1::DeleteStudyRequest>(name)).status();
}

absl::StatusOr<std::vector<v1::Study>> Client::ListStudies() {
  std::vector<v1::Study> studies;
  v1::ListStudiesRequest request;
  request.set_page_size(kPageSize);
  do {
    HV_ASSIGN_OR_RETURN(const v1::ListStudiesResponse page,
                        Call(&v1::StudyService::Stub::ListStudies, request));
    studies.insert(studies.end(), page.studies().begin(), page.studies().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return studies;
}

absl::StatusOr<std::vector<v1::Worker>> Client::ListWorkers() {
  std::vector<v1::Worker> workers;
  v1::ListWorkersRequest request;
  request.set_page_size(kPageSize);
  do {
    HV_ASSIGN_OR_RETURN(const v1::ListWorkersResponse page,
                        Call(&v1::StudyService::Stub::ListWorkers, request));
    workers.insert(workers.end(), page.workers().begin(), page.workers().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return workers;
}

absl::Status Client::ForEachTrial(v1::ListTrialsRequest request,
                                  absl::FunctionRef<bool(const v1::Trial&)> each) {
  if (request.page_size() == 0) request.set_page_size(kPageSize);
  do {
    HV_ASSIGN_OR_RETURN(const v1::ListTrialsResponse page,
                        Call(&v1::StudyService::Stub::ListTrials, request));
    for (const v1::Trial& trial : page.trials()) {
      if (!each(trial)) return absl::OkStatus();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status Client::ForEachTrial(v1::ListTrialsRequest request, int64_t limit,
                                  absl::FunctionRef<void(const v1::Trial&)> each) {
  int64_t left = limit > 0 ? limit : std::numeric_limits<int64_t>::max();
  request.set_page_size(static_cast<int32_t>(std::min<int64_t>(left, kPageSize)));
  return ForEachTrial(std::move(request), [&](const v1::Trial& trial) {
    each(trial);
    return --left > 0;
  });
}

absl::StatusOr<std::vector<v1::Trial>> Client::ListTrials(const std::string& name) {
  std::vector<v1::Trial> trials;
  HV_RETURN_IF_ERROR(ForEachTrial(Named<v1::ListTrialsRequest>(name), 0,
                                  [&](const v1::Trial& trial) { trials.push_back(trial); }));
  return trials;
}

absl::Status Client::WatchStatus(const std::string& name, absl::Duration min_interval,
                                 absl::FunctionRef<void(const v1::StudyStatus&)> each) {
  auto request = Named<v1::WatchStatusRequest>(name);
  *request.mutable_min_interval() = ToProto(min_interval);
  grpc::ClientContext context;  // No deadline: a study runs for hours.
  const auto stream = stub_->WatchStatus(&context, request);
  v1::StudyStatus status;
  while (stream->Read(&status)) each(status);
  return FromGrpc(stream->Finish());
}

absl::Status Client::Download(const v1::DownloadRequest& request,
                              absl::FunctionRef<bool(const v1::DownloadResponse&)> each) {
  grpc::ClientContext context;  // No deadline: as long as the bytes take.
  const auto checkpoints = v1::CheckpointService::NewStub(channel_);
  const auto stream = checkpoints->Download(&context, request);
  v1::DownloadResponse part;
  while (stream->Read(&part)) {
    if (!each(part)) context.TryCancel();
  }
  return FromGrpc(stream->Finish());
}

absl::StatusOr<v1::CreateTokenResponse> Client::CreateToken(const v1::CreateTokenRequest& request) {
  return CallOn(admin_.get(), &v1::AdminService::Stub::CreateToken, request);
}

absl::StatusOr<std::vector<v1::Token>> Client::ListTokens() {
  HV_ASSIGN_OR_RETURN(
      const v1::ListTokensResponse all,
      CallOn(admin_.get(), &v1::AdminService::Stub::ListTokens, v1::ListTokensRequest()));
  return std::vector<v1::Token>(all.tokens().begin(), all.tokens().end());
}

absl::Status Client::RevokeToken(const std::string& name) {
  return CallOn(admin_.get(), &v1::AdminService::Stub::RevokeToken,
                Named<v1::RevokeTokenRequest>(name))
      .status();
}

absl::Status Client::Backup(absl::FunctionRef<bool(const v1::BackupResponse&)> each) {
  grpc::ClientContext context;  // No deadline: as long as the copy takes.
  const auto stream = admin_->Backup(&context, v1::BackupRequest());
  v1::BackupResponse part;
  while (stream->Read(&part)) {
    if (!each(part)) context.TryCancel();
  }
  return FromGrpc(stream->Finish());
}

}  // namespace halving
