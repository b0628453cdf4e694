#include "tests/cli/fake_server.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/names.h"
#include "common/check.h"
#include "google/protobuf/util/message_differencer.h"

namespace halving {
namespace {

constexpr int kPage = 3;

// Adds to `page` the elements from the token on, and says where the next page starts.
template <typename Element, typename Page>
std::string FillPage(const std::vector<Element>& all, const std::string& token, int page_size,
                     Page* page) {
  int from = 0;
  if (!token.empty()) HV_CHECK(absl::SimpleAtoi(token, &from)) << token;
  const int wanted = page_size > 0 ? std::min(page_size, kPage) : kPage;
  const int size = static_cast<int>(all.size());
  const int to = std::min(from + wanted, size);
  for (int i = from; i < to; ++i) *page->Add() = all[static_cast<size_t>(i)];
  return to < size ? absl::StrCat(to) : "";
}

// Higher rung, then lower error: the order of ListTrialsRequest.by_error.
bool IsBetter(const v1::Trial& a, const v1::Trial& b) {
  const v1::RungResult* last_a = LastResult(a);
  const v1::RungResult* last_b = LastResult(b);
  if (last_a == nullptr || last_b == nullptr) return last_a != nullptr;
  return std::pair(-last_a->epochs(), last_a->error()) <
         std::pair(-last_b->epochs(), last_b->error());
}

}  // namespace

void FakeStudyService::AddStudy(const SampleStudy& sample) {
  MutexLock lock(&mu_);
  studies_[sample.study.spec().name()] = sample;
}

void FakeStudyService::SetStatus(const v1::StudyStatus& status) {
  MutexLock lock(&mu_);
  const std::string& name = status.study().spec().name();
  studies_[name].study = status.study();
  statuses_[name] = status;
}

void FakeStudyService::SetPlan(const v1::StudyPlan& plan) {
  MutexLock lock(&mu_);
  plan_ = plan;
}

void FakeStudyService::AddWorker(const v1::Worker& worker) {
  MutexLock lock(&mu_);
  workers_.push_back(worker);
}

void FakeStudyService::AddWatch(const WatchScript& script) {
  MutexLock lock(&mu_);
  watches_.push_back(script);
}

void FakeStudyService::AddLogStep(const LogStep& step) {
  MutexLock lock(&mu_);
  log_steps_.push_back(step);
}

int FakeStudyService::trial_pages() const {
  MutexLock lock(&mu_);
  return trial_pages_;
}

void FakeStudyService::AddTrialLater(const v1::Trial& trial) {
  MutexLock lock(&mu_);
  later_.push_back(trial);
}

void FakeStudyService::Fail(const grpc::Status& status) {
  MutexLock lock(&mu_);
  failure_ = status;
}

void FakeStudyService::Hang() {
  MutexLock lock(&mu_);
  hanging_ = true;
}

bool FakeStudyService::HasStudy(const std::string& name) const {
  MutexLock lock(&mu_);
  return studies_.count(name) > 0;
}

v1::Study FakeStudyService::GetStudy(const std::string& name) const {
  MutexLock lock(&mu_);
  const auto found = studies_.find(name);
  HV_CHECK(found != studies_.end()) << name;
  return found->second.study;
}

std::vector<v1::WatchStatusRequest> FakeStudyService::watch_requests() const {
  MutexLock lock(&mu_);
  return watch_requests_;
}

v1::Limits FakeStudyService::last_extension() const {
  MutexLock lock(&mu_);
  return last_extension_;
}

grpc::Status FakeStudyService::Check(grpc::ServerContext* context, const std::string* name) {
  while (hanging_ && !context->IsCancelled()) never_.WaitFor(&mu_, absl::Milliseconds(5));
  if (!failure_.ok()) return failure_;
  if (name == nullptr || studies_.count(*name) > 0) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::NOT_FOUND,
                      absl::StrCat("no study is named \"", *name, "\""));
}

grpc::Status FakeStudyService::CreateStudy(grpc::ServerContext* context,
                                           const v1::CreateStudyRequest* request,
                                           v1::Study* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, nullptr); !status.ok()) return status;
  const std::string& name = request->study().name();
  v1::StudySpec spec = request->study();
  if (spec.seed() == 0) spec.set_seed(7);
  const auto [found, is_new] = studies_.try_emplace(name);
  v1::Study& study = found->second.study;
  if (!is_new && !google::protobuf::util::MessageDifferencer::Equals(study.spec(), spec)) {
    return grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                        absl::StrCat("study \"", name, "\" has another spec"));
  }
  if (is_new) {
    *study.mutable_spec() = spec;
    study.set_state(v1::STUDY_STATE_RUNNING);
  }
  *answer = study;
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::PlanStudy(grpc::ServerContext* context, const v1::PlanStudyRequest*,
                                         v1::StudyPlan* answer) {
  MutexLock lock(&mu_);
  *answer = plan_;
  return Check(context, nullptr);
}

grpc::Status FakeStudyService::GetStudy(grpc::ServerContext* context,
                                        const v1::GetStudyRequest* request, v1::Study* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  *answer = studies_[request->name()].study;
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::ListStudies(grpc::ServerContext* context,
                                           const v1::ListStudiesRequest* request,
                                           v1::ListStudiesResponse* answer) {
  MutexLock lock(&mu_);
  std::vector<v1::Study> all;
  for (const auto& [name, sample] : studies_) all.push_back(sample.study);
  answer->set_next_page_token(
      FillPage(all, request->page_token(), request->page_size(), answer->mutable_studies()));
  return Check(context, nullptr);
}

grpc::Status FakeStudyService::GetStatus(grpc::ServerContext* context,
                                         const v1::GetStatusRequest* request,
                                         v1::StudyStatus* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  *answer = statuses_[request->name()];
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::ListTrials(grpc::ServerContext* context,
                                          const v1::ListTrialsRequest* request,
                                          v1::ListTrialsResponse* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  std::vector<v1::Trial> chosen;
  for (const v1::Trial& trial : studies_[request->name()].trials) {
    const auto& states = request->states();
    if (!states.empty() && std::count(states.begin(), states.end(), trial.state()) == 0) continue;
    chosen.push_back(trial);
    chosen.back().clear_curve();
  }
  if (request->by_error()) std::stable_sort(chosen.begin(), chosen.end(), IsBetter);
  answer->set_next_page_token(
      FillPage(chosen, request->page_token(), request->page_size(), answer->mutable_trials()));
  ++trial_pages_;
  if (answer->next_page_token().empty()) {
    auto& trials = studies_[request->name()].trials;
    trials.insert(trials.end(), later_.begin(), later_.end());
    later_.clear();
  }
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::GetTrial(grpc::ServerContext* context,
                                        const v1::GetTrialRequest* request, v1::Trial* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  for (const v1::Trial& trial : studies_[request->name()].trials) {
    if (trial.id() != request->trial_id()) continue;
    *answer = trial;
    if (!log_steps_.empty()) answer->set_state(log_steps_.front().state);
    return grpc::Status::OK;
  }
  return grpc::Status(grpc::StatusCode::NOT_FOUND,
                      absl::StrCat("there is no trial ", request->trial_id()));
}

grpc::Status FakeStudyService::GetTrialLog(grpc::ServerContext* context,
                                           const v1::GetTrialLogRequest* request,
                                           v1::TrialLog* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  if (log_steps_.empty()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such trial");
  const LogStep step = log_steps_.front();
  if (log_steps_.size() > 1) log_steps_.pop_front();
  *answer = step.log;
  return step.end;
}

grpc::Status FakeStudyService::ListWorkers(grpc::ServerContext* context,
                                           const v1::ListWorkersRequest* request,
                                           v1::ListWorkersResponse* answer) {
  MutexLock lock(&mu_);
  answer->set_next_page_token(
      FillPage(workers_, request->page_token(), request->page_size(), answer->mutable_workers()));
  return Check(context, nullptr);
}

grpc::Status FakeStudyService::WatchStatus(grpc::ServerContext*,
                                           const v1::WatchStatusRequest* request,
                                           grpc::ServerWriter<v1::StudyStatus>* writer) {
  WatchScript script;
  {
    MutexLock lock(&mu_);
    watch_requests_.push_back(*request);
    if (watches_.empty()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such study");
    script = watches_.front();
    watches_.pop_front();
  }
  for (const v1::StudyStatus& status : script.statuses) writer->Write(status);
  return script.end;
}

grpc::Status FakeStudyService::Change(grpc::ServerContext* context, const std::string& name,
                                      v1::StudyState state, v1::Study* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &name); !status.ok()) return status;
  studies_[name].study.set_state(state);
  *answer = studies_[name].study;
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::PauseStudy(grpc::ServerContext* context,
                                          const v1::PauseStudyRequest* request, v1::Study* answer) {
  return Change(context, request->name(), v1::STUDY_STATE_PAUSED, answer);
}

grpc::Status FakeStudyService::ResumeStudy(grpc::ServerContext* context,
                                           const v1::ResumeStudyRequest* request,
                                           v1::Study* answer) {
  return Change(context, request->name(), v1::STUDY_STATE_RUNNING, answer);
}

grpc::Status FakeStudyService::StopStudy(grpc::ServerContext* context,
                                         const v1::StopStudyRequest* request, v1::Study* answer) {
  return Change(context, request->name(), v1::STUDY_STATE_STOPPED, answer);
}

grpc::Status FakeStudyService::ExtendStudy(grpc::ServerContext* context,
                                           const v1::ExtendStudyRequest* request,
                                           v1::Study* answer) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  last_extension_ = request->limits();
  v1::Study& study = studies_[request->name()].study;
  study.mutable_spec()->mutable_limits()->MergeFrom(request->limits());
  *answer = study;
  return grpc::Status::OK;
}

grpc::Status FakeStudyService::DeleteStudy(grpc::ServerContext* context,
                                           const v1::DeleteStudyRequest* request,
                                           v1::DeleteStudyResponse*) {
  MutexLock lock(&mu_);
  if (grpc::Status status = Check(context, &request->name()); !status.ok()) return status;
  studies_.erase(request->name());
  return grpc::Status::OK;
}

FakeServer::FakeServer() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  HV_CHECK(server_ != nullptr && port > 0) << "cannot listen on 127.0.0.1";
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() {
  // Cancels what still runs, at once: a plain Shutdown() would wait for it.
  server_->Shutdown(gpr_time_0(GPR_CLOCK_REALTIME));
}

}  // namespace halving
