#include "server/service/upload_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/status.h"
#include "server/service/grpc_status.h"

namespace halving {
namespace {

constexpr size_t kMaxChunkBytes = 1 << 20;
constexpr size_t kChunksAhead = 2;

}  // namespace

UploadReactor::UploadReactor(CheckpointKeeper* keeper, const LeaseIds* lease_ids,
                             const Access* access, const absl::StatusOr<Caller>& caller,
                             grpc::CallbackServerContext* context, v1::UploadResponse* response)
    : keeper_(keeper),
      lease_ids_(lease_ids),
      access_(access),
      caller_(caller.ok() ? *caller : Caller{}),
      context_(context),
      response_(response),
      transfer_(keeper, context) {
  if (!caller.ok()) {
    Finish(ToGrpc(caller.status()));
    return;
  }
  StartRead(&request_);
}

void UploadReactor::OnReadDone(bool ok) {
  if (has_header_) return OnChunk(ok);
  has_header_ = true;
  const absl::Status read =
      ok ? ReadHeader()
         : absl::InvalidArgumentError("the stream has no message; its first one is a header");
  if (!read.ok()) return End(read);
  Check();
}

absl::Status UploadReactor::ReadHeader() {
  if (!request_.has_header()) {
    return absl::InvalidArgumentError("the first message has no header; chunks follow after it");
  }
  header_ = request_.header();
  HV_ASSIGN_OR_RETURN(upload_.lease, lease_ids_->Decode(header_.lease_id()));
  if (header_.sha256().size() != kSha256Bytes) {
    return absl::InvalidArgumentError(absl::StrCat("header.sha256 has ", header_.sha256().size(),
                                                   " bytes; it has ", kSha256Bytes,
                                                   ", the SHA-256 of the whole file"));
  }
  if (header_.size_bytes() < 1 || header_.offset() < 0 || header_.offset() > header_.size_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("header.size_bytes is ", header_.size_bytes(), " and header.offset ",
                     header_.offset(), "; they must be 1 or more, and 0 to size_bytes"));
  }
  upload_.bytes = header_.size_bytes();
  upload_.sha256 = header_.sha256();
  return absl::OkStatus();
}

// Before any byte is taken.
void UploadReactor::Check() {
  keeper_->engine()->PostRead([this](const absl::Status& status, const Engine::View& view) {
    if (!status.ok()) return End(status);
    const auto allowed = view.scheduler.CheckUpload({.lease = upload_.lease,
                                                     .epoch = header_.epoch(),
                                                     .bytes = upload_.bytes,
                                                     .sha256 = upload_.sha256,
                                                     .scope = caller_.owner});
    if (!allowed.ok()) return End(allowed.status());
    upload_.checkpoint_id = allowed->checkpoint_id;
    if (allowed->stored) {
      response_->set_checkpoint_id(upload_.checkpoint_id);
      return End(absl::OkStatus());
    }
    const absl::Status admitted = transfer_.Await([this] { keeper_->Run([this] { Begin(); }); });
    if (!admitted.ok()) End(admitted);
  });
}

void UploadReactor::OnCancel() {
  if (transfer_.Abandon()) End(absl::CancelledError("the caller went away"));
}

void UploadReactor::Begin() {
  // It has waited for its turn; a dead call must not take over from one that lives.
  if (context_->IsCancelled()) return End(absl::CancelledError("the caller went away"));
  if (!header_.shared_file().empty()) {
    const absl::Status adopted = keeper_->store()->Adopt(upload_, header_.shared_file());
    return adopted.ok() ? Record() : End(adopted);
  }
  auto incoming = keeper_->store()->Begin(upload_, header_.offset());
  if (!incoming.ok()) return End(incoming.status());
  incoming_ = *std::move(incoming);
  MutexLock lock(&mu_);
  Read();
}

void UploadReactor::Read() {
  reading_ = true;
  if (!working_) transfer_.AwaitPeer();
  StartRead(&request_);
}

void UploadReactor::OnChunk(bool ok) {
  MutexLock lock(&mu_);
  reading_ = false;
  if (ended_) return;
  if (ok) {
    chunks_.push_back(std::move(*request_.mutable_chunk()));
    if (chunks_.size() < kChunksAhead) Read();
  } else {
    all_came_ = true;
  }
  if (working_) return;
  working_ = true;
  transfer_.Work();
  keeper_->Run([this] { Work(); });
}

void UploadReactor::Work() {
  for (;;) {
    std::string chunk;
    bool at_end = false;
    {
      MutexLock lock(&mu_);
      at_end = chunks_.empty() && all_came_;
      if (chunks_.empty() && !at_end) {
        working_ = false;
        transfer_.AwaitPeer();
        return;
      }
      if (!at_end) {
        chunk = std::move(chunks_.front());
        chunks_.pop_front();
        if (!reading_ && !all_came_) Read();
      }
    }
    absl::Status status;
    if (at_end) {
      status = incoming_->Finish();
      if (status.ok()) return Record();
    } else if (chunk.empty() || chunk.size() > kMaxChunkBytes) {
      status = absl::InvalidArgumentError(absl::StrCat("a message after the header has a chunk of ",
                                                       chunk.size(), " bytes; chunks have 1 to ",
                                                       kMaxChunkBytes));
    } else {
      status = incoming_->Append(std::move(chunk));
    }
    if (!status.ok()) return End(status);
  }
}

void UploadReactor::Record() {
  const absl::Status valid = access_->StillValid(caller_);
  if (!valid.ok()) {
    keeper_->Remove({upload_.checkpoint_id});
    return End(valid);
  }
  keeper_->engine()->Post(StoreCheckpoint{.lease = upload_.lease,
                                          .epoch = header_.epoch(),
                                          .bytes = upload_.bytes,
                                          .sha256 = upload_.sha256,
                                          .scope = caller_.owner},
                          [this](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
                            if (reply.ok()) {
                              response_->set_checkpoint_id(reply->answer.checkpoint_id);
                            } else if (!absl::IsUnavailable(reply.status())) {
                              // Its lease ended meanwhile: nobody will ever name it.
                              keeper_->Remove({upload_.checkpoint_id});
                            }
                            End(reply.status());
                          });
}

void UploadReactor::End(const absl::Status& status) {
  {
    MutexLock lock(&mu_);
    ended_ = true;
  }
  Finish(ToGrpc(status));  // The last thing that is done here: it may be deleted by now.
}

}  // namespace halving
