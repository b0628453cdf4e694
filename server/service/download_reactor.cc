#include "server/service/download_reactor.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/file_io.h"
#include "common/status.h"
#include "server/core/checkpoint_id.h"
#include "server/service/grpc_status.h"

namespace halving {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;

}  // namespace

DownloadReactor::DownloadReactor(CheckpointKeeper* keeper, const LeaseIds* lease_ids,
                                 const Access* access, const absl::StatusOr<Caller>& caller,
                                 grpc::CallbackServerContext* context,
                                 const v1::DownloadRequest& request)
    : keeper_(keeper),
      lease_ids_(lease_ids),
      access_(access),
      caller_(caller.ok() ? *caller : Caller{}),
      context_(context),
      request_(request),
      transfer_(keeper, context) {
  if (!caller.ok()) {
    Finish(ToGrpc(caller.status()));
    return;
  }
  Find();
}

void DownloadReactor::Find() {
  keeper_->engine()->PostRead([this](const absl::Status& status, const Engine::View& view) {
    if (!status.ok()) return Finish(ToGrpc(status));
    absl::StatusOr<Checkpoint> found = FindIn(view.scheduler);
    if (!found.ok()) return Finish(ToGrpc(found.status()));
    checkpoint_ = *std::move(found);
    const auto begin = [this] { keeper_->Run([this] { Begin(); }); };
    // A header is no transfer, and waits for none.
    if (request_.header_only()) return begin();
    const absl::Status admitted = transfer_.Await(begin);
    if (!admitted.ok()) Finish(ToGrpc(admitted));
  });
}

absl::StatusOr<const Trial*> DownloadReactor::TrialIn(const Scheduler& scheduler) const {
  if (request_.lease_id().empty() == request_.study().empty()) {
    return absl::InvalidArgumentError(
        "one of lease_id and study must be set: workers give their lease, people the study");
  }
  if (!request_.lease_id().empty()) {
    HV_ASSIGN_OR_RETURN(const LeaseKey lease, lease_ids_->Decode(request_.lease_id()));
    return scheduler.TrialOfLease(lease, caller_.owner);
  }
  const Study* study = scheduler.FindStudy(request_.study(), caller_.owner);
  if (study == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("there is no study \"", absl::CHexEscape(request_.study()), "\""));
  }
  const Trial* trial =
      request_.trial_id() == 0 ? study->Best() : study->FindTrial(request_.trial_id());
  if (trial != nullptr) return trial;
  return absl::NotFoundError(
      request_.trial_id() == 0
          ? absl::StrCat("study \"", request_.study(), "\" has no result yet, so none is the best")
          : absl::StrCat("study \"", request_.study(), "\" has no trial ", request_.trial_id(),
                         "; it has ", study->trials()));
}

absl::StatusOr<Checkpoint> DownloadReactor::FindIn(const Scheduler& scheduler) const {
  HV_ASSIGN_OR_RETURN(const Trial* trial, TrialIn(scheduler));
  const Checkpoint* found = request_.checkpoint_id().empty()
                                ? trial->NewestCheckpoint()
                                : trial->FindCheckpoint(request_.checkpoint_id());
  if (found == nullptr || found->offered) {
    return absl::NotFoundError(
        request_.checkpoint_id().empty()
            ? absl::StrCat("trial ", trial->id,
                           " has no checkpoint; those of trials that are over "
                           "are removed, except of the best (keep_checkpoints)")
            : absl::StrCat("trial ", trial->id, " has no checkpoint \"",
                           absl::CHexEscape(request_.checkpoint_id().substr(0, 128)), "\""));
  }
  if (!found->stored) {
    return absl::NotFoundError(
        absl::StrCat("checkpoint ", found->id, " of trial ", trial->id,
                     " was not uploaded: only the worker that made it knows where it is"));
  }
  if (request_.offset() < 0 || request_.offset() > found->bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "offset is ", request_.offset(), "; the checkpoint has ", found->bytes, " bytes"));
  }
  return *found;
}

absl::Status DownloadReactor::Open() {
  HV_ASSIGN_OR_RETURN(fd_, keeper_->store()->OpenToRead(checkpoint_.id));
  struct stat file = {};
  if (fstat(fd_.get(), &file) != 0) return FileError(errno, "look at", checkpoint_.id);
  if (file.st_size == checkpoint_.bytes) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("checkpoint ", checkpoint_.id, " has ", file.st_size,
                                          " bytes on the server's disk, and should have ",
                                          checkpoint_.bytes));
}

void DownloadReactor::Begin() {
  const absl::Status opened =
      context_->IsCancelled() ? absl::CancelledError("the caller went away") : Open();
  if (!opened.ok()) {
    if (absl::IsNotFound(opened)) keeper_->Lose(checkpoint_.id);
    return Finish(ToGrpc(opened));
  }
  MutexLock lock(&mu_);
  offset_ = request_.header_only() ? checkpoint_.bytes : request_.offset();
  v1::CheckpointHeader& header = *sending_.mutable_header();
  header.set_lease_id(request_.lease_id());
  header.set_epoch(checkpoint_.epoch);
  header.set_size_bytes(checkpoint_.bytes);
  header.set_sha256(checkpoint_.sha256);
  header.set_offset(request_.offset());
  header.set_checkpoint_id(checkpoint_.id);
  header.set_trial_id(ParseStoredCheckpointId(checkpoint_.id)->lease.trial);
  reading_ = true;
  writing_ = true;
  StartWrite(&sending_);
  keeper_->Run([this] { ReadNext(); });
}

void DownloadReactor::ReadNext() {
  int64_t offset = 0;
  v1::DownloadResponse response;
  {
    MutexLock lock(&mu_);
    offset = offset_;
    response = std::move(spare_);
  }
  const int64_t size = std::min(kChunkBytes, checkpoint_.bytes - offset);
  absl::Status status = access_->StillValid(caller_);
  if (status.ok() && size > 0) {
    std::string& chunk = *response.mutable_chunk();
    chunk.resize(static_cast<size_t>(size));
    const auto got = ReadAt(fd_.get(), chunk.data(), chunk.size(), offset, checkpoint_.id);
    status = got.status();
    if (got.ok() && *got == 0) status = absl::DataLossError(checkpoint_.id + " was cut meanwhile");
    if (status.ok()) chunk.resize(*got);
    memory_.Passed(fd_.get(), offset + size);
  }
  bool at_end = false;
  {
    MutexLock lock(&mu_);
    reading_ = false;
    status_ = status;
    if (status.ok() && size > 0) {
      offset_ += static_cast<int64_t>(response.chunk().size());
      next_ = std::move(response);
    }
    at_end = !writing_ && !Send();
  }
  if (at_end) End();
}

void DownloadReactor::OnWriteDone(bool ok) {
  bool at_end = false;
  {
    MutexLock lock(&mu_);
    writing_ = false;
    if (!ok && status_.ok()) status_ = absl::CancelledError("the caller went away");
    at_end = !reading_ && !Send();
  }
  if (at_end) End();
}

// Nothing is being read or written. False when there is nothing to send any more.
bool DownloadReactor::Send() {
  if (!status_.ok() || !next_.has_value()) return false;
  spare_ = std::exchange(sending_, *std::move(next_));
  next_.reset();
  writing_ = true;
  reading_ = true;
  StartWrite(&sending_);
  transfer_.AwaitPeer();
  keeper_->Run([this] { ReadNext(); });
  return true;
}

// The last thing that is done here: the reactor may be deleted before it returns.
void DownloadReactor::End() {
  grpc::Status status;
  {
    MutexLock lock(&mu_);
    status = ToGrpc(status_);
  }
  Finish(status);
}

void DownloadReactor::OnCancel() {
  if (transfer_.Abandon()) Finish(ToGrpc(absl::CancelledError("the caller went away")));
}

}  // namespace halving
