#include "bench/bare_stream.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/serve_bare.h"
#include "grpcpp/grpcpp.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

class DropReactor : public grpc::ServerReadReactor<v1::UploadRequest> {
 public:
  DropReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  v1::UploadRequest request_;
};

class SendReactor : public grpc::ServerWriteReactor<v1::DownloadResponse> {
 public:
  explicit SendReactor(const StreamSize& size) : size_(size), left_(size.bytes) { Send(); }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    Send();
  }
  void OnDone() override { delete this; }

 private:
  void Send() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    const int64_t bytes = std::min(left_, size_.chunk_bytes);
    response_.mutable_chunk()->resize(static_cast<size_t>(bytes));
    left_ -= bytes;
    StartWrite(&response_);
  }

  const StreamSize size_;
  int64_t left_;
  v1::DownloadResponse response_;
};

class BareService : public v1::CheckpointService::CallbackService {
 public:
  explicit BareService(const StreamSize& size) : size_(size) {}

  grpc::ServerReadReactor<v1::UploadRequest>* Upload(grpc::CallbackServerContext*,
                                                     v1::UploadResponse*) override {
    return new DropReactor();
  }
  grpc::ServerWriteReactor<v1::DownloadResponse>* Download(grpc::CallbackServerContext*,
                                                           const v1::DownloadRequest*) override {
    return new SendReactor(size_);
  }

 private:
  const StreamSize size_;
};

}  // namespace

absl::Status ServeBare(const StreamSize& size) {
  BareService service(size);
  return ServeBareService(&service);
}

absl::Status UploadBare(v1::CheckpointService::Stub* stub, const StreamSize& size) {
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto writer = stub->Upload(&context, &response);
  v1::UploadRequest request;
  bool open = true;
  for (int64_t left = size.bytes; open && left > 0;) {
    const int64_t bytes = std::min(left, size.chunk_bytes);
    request.mutable_chunk()->resize(static_cast<size_t>(bytes));
    open = writer->Write(request);
    left -= bytes;
  }
  writer->WritesDone();
  return FromGrpc(writer->Finish());
}

absl::Status DownloadBare(v1::CheckpointService::Stub* stub, const StreamSize& size) {
  grpc::ClientContext context;
  const auto reader = stub->Download(&context, v1::DownloadRequest());
  v1::DownloadResponse response;
  int64_t received = 0;
  while (reader->Read(&response)) received += static_cast<int64_t>(response.chunk().size());
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return FromGrpc(status);
  if (received == size.bytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(received, " of ", size.bytes, " bytes came"));
}

}  // namespace halving
