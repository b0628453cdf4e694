#include "tests/agent/fake_server.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/clock.h"
#include "common/crypto.h"

namespace halving {

void FakeCheckpoints::Store(const std::string& id, const std::string& content, int64_t epoch) {
  MutexLock lock(&mu_);
  Stored& stored = stored_[id];
  stored.content = content;
  stored.header.set_checkpoint_id(id);
  stored.header.set_epoch(epoch);
  stored.header.set_size_bytes(static_cast<int64_t>(content.size()));
  stored.header.set_sha256(Sha256(content));
}

void FakeCheckpoints::Damage(const std::string& id) {
  MutexLock lock(&mu_);
  damaged_.insert(id);
}

void FakeCheckpoints::set_on_upload(OnUpload on_upload) {
  MutexLock lock(&mu_);
  on_upload_ = std::move(on_upload);
}

void FakeCheckpoints::BreakOff(int after_chunks, int times) {
  MutexLock lock(&mu_);
  break_after_ = after_chunks;
  breaks_left_ = times;
}

void FakeCheckpoints::Forget(const std::string& id) {
  MutexLock lock(&mu_);
  forgotten_.insert(id);
}

std::map<std::string, FakeCheckpoints::Stored> FakeCheckpoints::stored() const {
  MutexLock lock(&mu_);
  return stored_;
}

std::vector<int64_t> FakeCheckpoints::downloads() const {
  MutexLock lock(&mu_);
  return downloads_;
}

std::vector<int64_t> FakeCheckpoints::uploads() const {
  MutexLock lock(&mu_);
  return uploads_;
}

bool FakeCheckpoints::BreaksAt(int chunk) {
  if (breaks_left_ == 0 || chunk < break_after_) return false;
  --breaks_left_;
  return true;
}

grpc::Status FakeCheckpoints::Upload(grpc::ServerContext* /*context*/,
                                     grpc::ServerReader<v1::UploadRequest>* reader,
                                     v1::UploadResponse* response) {
  v1::UploadRequest request;
  if (!reader->Read(&request)) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "empty");
  const v1::CheckpointHeader header = request.header();
  OnUpload on_upload;
  int nth = 0;
  {
    MutexLock lock(&mu_);
    nth = static_cast<int>(uploads_.size());
    uploads_.push_back(header.offset());
    parts_[header.sha256()].resize(static_cast<size_t>(header.offset()));
    on_upload = on_upload_;
  }
  if (on_upload != nullptr) {
    const grpc::Status status = on_upload(header, nth);
    if (!status.ok()) return status;
  }
  for (int chunk = 1; reader->Read(&request); ++chunk) {
    MutexLock lock(&mu_);
    parts_[header.sha256()] += request.chunk();
    if (BreaksAt(chunk)) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut off");
  }
  std::string content;
  {
    MutexLock lock(&mu_);
    content = parts_[header.sha256()];
    response->set_checkpoint_id(absl::StrCat("ckpt-", header.epoch(), "-", stored_.size()));
  }
  if (Sha256(content) != header.sha256()) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "other bytes");
  }
  Store(response->checkpoint_id(), content, header.epoch());
  MutexLock lock(&mu_);
  parts_.erase(header.sha256());
  return grpc::Status::OK;
}

grpc::Status FakeCheckpoints::GetUploadOffset(grpc::ServerContext* /*context*/,
                                              const v1::GetUploadOffsetRequest* request,
                                              v1::GetUploadOffsetResponse* response) {
  MutexLock lock(&mu_);
  response->set_offset(static_cast<int64_t>(parts_[request->sha256()].size()));
  return grpc::Status::OK;
}

grpc::Status FakeCheckpoints::Download(grpc::ServerContext* /*context*/,
                                       const v1::DownloadRequest* request,
                                       grpc::ServerWriter<v1::DownloadResponse>* writer) {
  Stored stored;
  {
    MutexLock lock(&mu_);
    const auto found = stored_.find(request->checkpoint_id());
    if (found == stored_.end()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such one");
    stored = found->second;
    if (!request->header_only()) downloads_.push_back(request->offset());
    if (damaged_.count(request->checkpoint_id()) > 0) stored.content[0] ^= 1;
  }
  v1::DownloadResponse response;
  *response.mutable_header() = stored.header;
  writer->Write(response);
  if (request->header_only()) return grpc::Status::OK;
  constexpr size_t kChunk = 1 << 20;
  int chunk = 0;
  for (auto at = static_cast<size_t>(request->offset()); at < stored.content.size(); at += kChunk) {
    response.set_chunk(stored.content.substr(at, kChunk));
    writer->Write(response);
    MutexLock lock(&mu_);
    if (BreaksAt(++chunk)) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut off");
  }
  return grpc::Status::OK;
}

grpc::Status FakeCheckpoints::FindUnneeded(grpc::ServerContext* /*context*/,
                                           const v1::FindUnneededRequest* request,
                                           v1::FindUnneededResponse* response) {
  MutexLock lock(&mu_);
  for (const std::string& id : request->checkpoint_ids()) {
    if (forgotten_.count(id) > 0) response->add_checkpoint_ids(id);
  }
  return grpc::Status::OK;
}

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
  builder.RegisterService(&checkpoints_);
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
