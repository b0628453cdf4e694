#include "worker/agent/checkpoint_client.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/pipeline_stage.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "spdlog/spdlog.h"
#include "worker/agent/backoff.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(200);
constexpr absl::Duration kMaxBackoff = absl::Seconds(10);
constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr int kWholeTries = 3;

// Breaks a blocking call off once `quit` is set. The call's thread makes it and outlives it.
class CallGuard {
 public:
  CallGuard(grpc::ClientContext* context, const WakeEvent& quit)
      : thread_([this, context, &quit] {
          pollfd fds[] = {{over_.fd(), POLLIN, 0}, {quit.fd(), POLLIN, 0}};
          PollFor(absl::MakeSpan(fds), absl::InfiniteDuration());
          if (fds[0].revents == 0) context->TryCancel();
        }) {}
  ~CallGuard() {
    over_.Set();
    thread_.join();
  }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  WakeEvent over_;
  std::thread thread_;
};

// Whether the same call may have another answer later: by itself, or once the token is put right,
// which hours of training are worth waiting for.
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kUnauthenticated:
      return true;
    default:
      return false;
  }
}

// What this machine's disk says is no verdict of the server's on the checkpoint.
absl::Status OfThisMachine(const absl::Status& status) {
  return status.ok() ? status : absl::InternalError(absl::string_view(status.message()));
}

// Calls `once` until it is answered for good.
template <typename Once>
auto UntilAnswered(const std::string& what, const WakeEvent& quit, Once once) -> decltype(once()) {
  Backoff backoff(kFirstBackoff, kMaxBackoff);
  for (int failures = 1;; ++failures) {
    auto result = once();
    const absl::Status status = [&] {
      if constexpr (std::is_same_v<decltype(result), absl::Status>) {
        return result;
      } else {
        return result.status();
      }
    }();
    if (status.ok()) return result;
    if (quit.IsSet()) return absl::CancelledError(absl::StrCat(what, " was broken off"));
    if (!IsPassing(status)) return result;
    spdlog::log(failures == 1 ? spdlog::level::warn : spdlog::level::debug,
                "{}: trying again until it goes through: {}", what, status.ToString());
    quit.WaitFor(backoff.Next());
  }
}

}  // namespace

CheckpointClient::CheckpointClient(const ServerLink& link)
    : stub_(v1::CheckpointService::NewStub(MakeChannel(link))) {}

absl::StatusOr<int64_t> CheckpointClient::OffsetOf(const Upload& upload, const WakeEvent& quit) {
  v1::GetUploadOffsetRequest request;
  request.set_lease_id(upload.lease_id);
  request.set_sha256(upload.digest.sha256);
  v1::GetUploadOffsetResponse response;
  grpc::ClientContext context;
  SetTimeout(&context, kCallTimeout);
  const CallGuard guard(&context, quit);
  const grpc::Status status = stub_->GetUploadOffset(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response.offset();
}

absl::StatusOr<std::string> CheckpointClient::UploadOnce(const Upload& upload,
                                                         const WakeEvent& quit) {
  v1::UploadRequest request;
  v1::CheckpointHeader& header = *request.mutable_header();
  header.set_lease_id(upload.lease_id);
  header.set_epoch(upload.epoch);
  header.set_size_bytes(upload.digest.bytes);
  header.set_sha256(upload.digest.sha256);
  header.set_shared_file(upload.shared_file);
  int64_t offset = upload.digest.bytes;
  if (upload.shared_file.empty()) {
    HV_ASSIGN_OR_RETURN(offset, OffsetOf(upload, quit));
    header.set_offset(offset);
  }
  UniqueFd fd;
  if (upload.shared_file.empty()) {
    fd.Reset(open(upload.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return OfThisMachine(FileError(errno, "open", upload.file));
  }
  v1::UploadResponse response;
  grpc::ClientContext context;
  const CallGuard guard(&context, quit);
  const auto writer = stub_->Upload(&context, &response);
  bool open = writer->Write(request);
  while (open && offset < upload.digest.bytes) {
    std::string& chunk = *request.mutable_chunk();
    chunk.resize(static_cast<size_t>(std::min(kChunkBytes, upload.digest.bytes - offset)));
    const auto got = ReadAt(fd.get(), chunk.data(), chunk.size(), offset, upload.file);
    if (!got.ok() || *got == 0) {
      context.TryCancel();
      writer->Finish();
      return got.ok() ? absl::DataLossError(absl::StrCat(upload.file, " was cut"))
                      : OfThisMachine(got.status());
    }
    chunk.resize(*got);
    open = writer->Write(request);
    offset += static_cast<int64_t>(*got);
  }
  if (open) writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return FromGrpc(status);
  return response.checkpoint_id();
}

absl::StatusOr<std::string> CheckpointClient::UploadUntilStored(const Upload& upload,
                                                                const WakeEvent& quit) {
  return UntilAnswered(absl::StrCat("the upload of epoch ", upload.epoch), quit,
                       [&] { return UploadOnce(upload, quit); });
}

absl::StatusOr<v1::CheckpointHeader> CheckpointClient::Describe(const std::string& lease_id,
                                                                const std::string& checkpoint_id,
                                                                const WakeEvent& quit) {
  v1::DownloadRequest request;
  request.set_lease_id(lease_id);
  request.set_checkpoint_id(checkpoint_id);
  request.set_header_only(true);
  using Header = absl::StatusOr<v1::CheckpointHeader>;
  return UntilAnswered(absl::StrCat("the look at checkpoint ", checkpoint_id), quit,
                       [&]() -> Header {
                         grpc::ClientContext context;
                         SetTimeout(&context, kCallTimeout);
                         const CallGuard guard(&context, quit);
                         const auto reader = stub_->Download(&context, request);
                         v1::DownloadResponse first;
                         v1::DownloadResponse rest;
                         const bool came = reader->Read(&first);
                         while (reader->Read(&rest)) {
                         }
                         const grpc::Status status = reader->Finish();
                         if (!status.ok()) return FromGrpc(status);
                         if (!came || !first.has_header())
                           return absl::InternalError("the server sent no header");
                         return first.header();
                       });
}

// One that goes on from try to try. What comes is hashed here and written by a thread of its own
// meanwhile: either takes about as long as gRPC needs to bring the next chunk.
struct CheckpointClient::Download {
  std::string lease_id;
  v1::CheckpointHeader header;
  std::string file;
  int64_t received = 0;
  Sha256Stream hash;  // Of what was received.
};

absl::Status CheckpointClient::DownloadOnce(Download* download, const WakeEvent& quit) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (download->received == 0 ? O_TRUNC : 0);
  const UniqueFd fd(open(download->file.c_str(), flags, 0600));
  if (fd.get() < 0) return OfThisMachine(FileError(errno, "make", download->file));
  PipelineStage<std::string> writer(
      [&, offset = download->received](absl::string_view chunk) mutable {
        HV_RETURN_IF_ERROR(OfThisMachine(WriteAt(fd.get(), chunk, offset, download->file)));
        offset += static_cast<int64_t>(chunk.size());
        return absl::OkStatus();
      });
  v1::DownloadRequest request;
  request.set_lease_id(download->lease_id);
  request.set_checkpoint_id(download->header.checkpoint_id());
  request.set_offset(download->received);
  grpc::ClientContext context;
  const CallGuard guard(&context, quit);
  const auto reader = stub_->Download(&context, request);
  v1::DownloadResponse response;
  absl::Status written;
  while (written.ok() && reader->Read(&response)) {
    if (!response.has_chunk()) continue;
    download->hash.Update(response.chunk());
    download->received += static_cast<int64_t>(response.chunk().size());
    written = writer.Add(std::move(*response.mutable_chunk()));
  }
  if (!written.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  HV_RETURN_IF_ERROR(writer.Flush());
  if (!status.ok()) return FromGrpc(status);
  if (download->received == download->header.size_bytes()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(download->received, " of ", download->header.size_bytes(), " bytes came"));
}

absl::Status CheckpointClient::DownloadUntilWhole(const std::string& lease_id,
                                                  const v1::CheckpointHeader& header,
                                                  const std::string& file, const WakeEvent& quit) {
  const std::string what = absl::StrCat("the download of checkpoint ", header.checkpoint_id());
  for (int attempt = 0; attempt < kWholeTries; ++attempt) {
    Download download{.lease_id = lease_id, .header = header, .file = file};
    HV_RETURN_IF_ERROR(UntilAnswered(what, quit, [&] { return DownloadOnce(&download, quit); }));
    if (download.hash.Finish() == header.sha256()) return absl::OkStatus();
    spdlog::warn("{}: what came is damaged; once more from the start", what);
  }
  return absl::DataLossError(absl::StrCat(
      "checkpoint ", header.checkpoint_id(), " is damaged on the server: ", kWholeTries,
      " times its bytes had not the SHA-256 that they were stored with"));
}

absl::StatusOr<std::vector<std::string>> CheckpointClient::FindUnneeded(
    const std::vector<std::string>& ids, absl::Duration timeout) {
  v1::FindUnneededRequest request;
  for (const std::string& id : ids) request.add_checkpoint_ids(id);
  v1::FindUnneededResponse response;
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  const grpc::Status status = stub_->FindUnneeded(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return std::vector<std::string>(response.checkpoint_ids().begin(),
                                  response.checkpoint_ids().end());
}

}  // namespace halving
