#include "worker/agent/uploader.h"

#include <utility>

#include "common/file_io.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {

Uploader::Uploader(CheckpointClient* client, CheckpointDir* folder, std::string lease_id,
                   std::string name, OnStored on_stored)
    : client_(client),
      folder_(folder),
      lease_id_(std::move(lease_id)),
      name_(std::move(name)),
      on_stored_(std::move(on_stored)),
      thread_([this] { Loop(); }) {}

Uploader::~Uploader() {
  quit_.Set();
  Close();
  thread_.join();
}

void Uploader::Add(std::string file, int64_t epoch) {
  std::optional<File> replaced;
  {
    MutexLock lock(&mu_);
    replaced = std::exchange(waiting_, File{std::move(file), epoch});
    changed_.NotifyOne();
  }
  if (replaced.has_value()) folder_->RemoveTemporary(replaced->path);
}

bool Uploader::Relabel(int64_t epoch) {
  MutexLock lock(&mu_);
  std::optional<File>& newest = waiting_.has_value() ? waiting_ : sending_;
  if (newest.has_value()) {
    newest->epoch = epoch;
    return true;
  }
  // It is stored already, under the epoch before.
  absl::StatusOr<std::string> copy = folder_->PrivateName(stored_id_);
  if (!copy.ok()) return false;
  waiting_ = File{*std::move(copy), epoch};
  changed_.NotifyOne();
  return true;
}

void Uploader::Close() {
  MutexLock lock(&mu_);
  closed_ = true;
  changed_.NotifyOne();
}

std::string Uploader::StoredAt(int64_t epoch) const {
  MutexLock lock(&mu_);
  return stored_epoch_ == epoch ? stored_id_ : "";
}

void Uploader::Loop() {
  while (const std::optional<File> file = Next()) {
    const bool again = !quit_.IsSet() && Store(*file);
    if (!again) folder_->RemoveTemporary(file->path);
  }
  done_.Set();
}

std::optional<Uploader::File> Uploader::Next() {
  MutexLock lock(&mu_);
  while (!waiting_.has_value() && !closed_) changed_.Wait(&mu_);
  sending_ = std::exchange(waiting_, std::nullopt);
  return sending_;
}

absl::StatusOr<std::string> Uploader::Send(const File& file) {
  HV_ASSIGN_OR_RETURN(const FileDigest digest,
                      DigestOfFile(file.path, [this] { return quit_.IsSet(); }));
  CheckpointClient::Upload upload{
      .lease_id = lease_id_, .epoch = file.epoch, .file = file.path, .digest = digest};
  if (folder_->IsServers()) {
    HV_RETURN_IF_ERROR(SyncFile(file.path));  // It takes the file as it lies.
    upload.shared_file = folder_->NameOf(file.path);
    absl::StatusOr<std::string> id = client_->UploadUntilStored(upload, quit_);
    if (!absl::IsNotFound(id.status())) return id;
    spdlog::warn("{}: uploading the bytes, since the server says: {}", name_,
                 std::string(id.status().message()));
    upload.shared_file.clear();
  }
  return client_->UploadUntilStored(upload, quit_);
}

bool Uploader::Store(const File& file) {
  const absl::StatusOr<std::string> id = Send(file);
  if (!id.ok() && !absl::IsCancelled(id.status())) {
    spdlog::warn("{}: the checkpoint of epoch {} is not stored: {}", name_, file.epoch,
                 id.status().ToString());
  }
  std::string before;
  {
    MutexLock lock(&mu_);
    const File sent = *std::exchange(sending_, std::nullopt);
    if (sent.epoch != file.epoch && !waiting_.has_value()) {
      waiting_ = sent;
      return true;
    }
    if (!id.ok() || sent.epoch != file.epoch) return false;
    before = std::exchange(stored_id_, *id);
    stored_epoch_ = file.epoch;
  }
  folder_->Keep(file.path, *id);
  // Should the newer one be of no use, the server still has what it needs.
  if (!before.empty() && before != *id) folder_->RemoveCopy(before);
  on_stored_(*id, file.epoch);
  return false;
}

}  // namespace halving
