#include "server/store/checkpoint_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/file_io.h"
#include "common/status.h"
#include "server/core/checkpoint_id.h"

namespace halving {
namespace {

constexpr char kOwnerFile[] = ".halving-server";
constexpr char kPartSuffix[] = ".part";
constexpr char kWorkerPrefix[] = ".worker-";
constexpr size_t kReadBytes = 1 << 20;
// So often an upload looks at what is free on the disk.
constexpr int64_t kNoteBytes = 8 << 20;

std::string PartName(const LeaseKey& lease, absl::string_view sha256) {
  return absl::StrCat(lease.study, ".", lease.trial, ".", lease.attempt, ".",
                      absl::BytesToHexString(sha256), kPartSuffix);
}

std::optional<LeaseKey> LeaseOfPart(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kPartSuffix)) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  LeaseKey lease;
  if (parts.size() != 4 || parts[3].size() != 64 || !absl::SimpleAtoi(parts[0], &lease.study) ||
      !absl::SimpleAtoi(parts[1], &lease.trial) || !absl::SimpleAtoi(parts[2], &lease.attempt)) {
    return std::nullopt;
  }
  return lease;
}

bool IsWorkersFile(const std::string& name) {
  return absl::StartsWith(name, kWorkerPrefix) && name.size() <= 128 &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-'; });
}

absl::Status TakenOver() {
  return absl::AbortedError("another upload of this checkpoint has taken over");
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string Megabytes(int64_t bytes) { return absl::StrCat((bytes + (1 << 20) - 1) >> 20, " MiB"); }

}  // namespace

// Whose turn it is to write a part: the newest upload's.
struct IncomingCheckpoint::Turn {
  Mutex mu;
  bool over ABSL_GUARDED_BY(mu) = false;
};

// ---- one on its way in

IncomingCheckpoint::IncomingCheckpoint(CheckpointStore* store, CheckpointUpload upload,
                                       std::string part, std::shared_ptr<Turn> turn)
    : store_(store),
      upload_(std::move(upload)),
      part_(std::move(part)),
      turn_(std::move(turn)),
      hashing_([this](absl::string_view chunk) {
        hash_.Update(chunk);
        return absl::OkStatus();
      }) {}

IncomingCheckpoint::~IncomingCheckpoint() = default;

absl::Status IncomingCheckpoint::Open(int64_t offset) {
  fd_.Reset(
      open(part_.c_str(), O_RDWR | (offset == 0 ? O_CREAT : 0) | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat file = {};
  if (fd_.get() < 0 ? errno != ENOENT : fstat(fd_.get(), &file) != 0) {
    return FileError(errno, "open", part_);
  }
  if (offset > file.st_size) {
    return absl::AbortedError(
        absl::StrCat("header.offset is ", offset, ", but ", file.st_size, " of ", upload_.bytes,
                     " bytes have come; GetUploadOffset says where to go on"));
  }
  {
    MutexLock lock(&turn_->mu);
    if (turn_->over) return TakenOver();
    if (ftruncate(fd_.get(), offset) != 0) return FileError(errno, "cut", part_);
  }
  std::string buffer(kReadBytes, '\0');
  while (received_ < offset) {
    const auto want =
        static_cast<size_t>(std::min(offset - received_, static_cast<int64_t>(buffer.size())));
    HV_ASSIGN_OR_RETURN(const size_t got, ReadAt(fd_.get(), buffer.data(), want, received_, part_));
    if (got == 0) return absl::AbortedError(absl::StrCat(part_, " has lost bytes"));
    hash_.Update(absl::string_view(buffer.data(), got));
    received_ += static_cast<int64_t>(got);
  }
  began_at_ = offset;
  noted_ = received_;
  memory_ = PassThrough(received_);
  return absl::OkStatus();
}

absl::Status IncomingCheckpoint::Append(std::string chunk) {
  if (static_cast<int64_t>(chunk.size()) > upload_.bytes - received_) {
    return absl::InvalidArgumentError(
        absl::StrCat("more bytes came than the ", upload_.bytes, " of header.size_bytes"));
  }
  MutexLock lock(&turn_->mu);
  if (turn_->over) return TakenOver();
  absl::Status written = WriteAt(fd_.get(), chunk, received_, part_);
  received_ += static_cast<int64_t>(chunk.size());
  memory_.Passed(fd_.get(), received_);
  if (written.ok() && received_ - noted_ >= kNoteBytes) {
    noted_ = received_;
    written = store_->Note(part_, received_);
  }
  // Nobody would ever come for the rest, and what is there would keep the disk full.
  if (absl::IsResourceExhausted(written)) store_->DropPart(part_, turn_.get());
  HV_RETURN_IF_ERROR(written);
  return hashing_.Add(std::move(chunk));
}

absl::Status IncomingCheckpoint::CheckWhole() {
  if (received_ < upload_.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(received_, " of the ", upload_.bytes,
                     " bytes of header.size_bytes came; go on from there"));
  }
  HV_RETURN_IF_ERROR(hashing_.Flush());
  const std::string seen = hash_.Finish();
  if (seen == upload_.sha256) return absl::OkStatus();
  store_->DropPart(part_, turn_.get());
  const std::string message = absl::StrCat(
      "the bytes have the SHA-256 ", absl::BytesToHexString(seen), ", and header.sha256 is ",
      absl::BytesToHexString(upload_.sha256), "; they were dropped. Upload all of it again");
  return began_at_ > 0 ? absl::AbortedError(message) : absl::InvalidArgumentError(message);
}

absl::Status IncomingCheckpoint::Finish() {
  MutexLock lock(&turn_->mu);
  if (turn_->over) return TakenOver();
  turn_->over = true;
  HV_RETURN_IF_ERROR(CheckWhole());
  if (fsync(fd_.get()) != 0) {
    absl::Status failed = FileError(errno, "sync", part_);
    store_->DropPart(part_, turn_.get());  // What the disk holds of it is unknown.
    return failed;
  }
  HV_RETURN_IF_ERROR(store_->CheckNotDoomed(upload_.checkpoint_id));
  HV_RETURN_IF_ERROR(RenameDurably(part_, store_->PathOf(upload_.checkpoint_id)));
  store_->Count(upload_, turn_.get());
  return absl::OkStatus();
}

// ---- all of them

absl::StatusOr<std::unique_ptr<CheckpointStore>> CheckpointStore::Open(const std::string& folder,
                                                                       const std::string& owner,
                                                                       const Quotas& quotas) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (error) return FileError(error.value(), "make checkpoint directory", folder);
  std::unique_ptr<CheckpointStore> store(new CheckpointStore(folder, quotas));
  HV_RETURN_IF_ERROR(store->Own(owner));
  return store;
}

absl::Status CheckpointStore::Own(const std::string& owner) {
  const std::string file = absl::StrCat(folder_, "/", kOwnerFile);
  lock_.Reset(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock_.get() < 0) return FileError(errno, "open", file);
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", file);
    return absl::FailedPreconditionError(
        absl::StrCat("checkpoint directory ", folder_,
                     " is in use by another halving-server; choose another --checkpoint-dir"));
  }
  std::string known(128, '\0');
  HV_ASSIGN_OR_RETURN(const size_t size, ReadAt(lock_.get(), known.data(), known.size(), 0, file));
  known.resize(size);
  if (known.empty()) {
    newly_made_ = true;
    HV_RETURN_IF_ERROR(WriteAt(lock_.get(), owner, 0, file));
    HV_RETURN_IF_ERROR(SyncFile(file));
    return SyncFolderOf(file);
  }
  if (known == owner) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("checkpoint directory ", folder_,
                   " belongs to the journal of another data directory, whose checkpoints would be "
                   "lost; choose another --checkpoint-dir, or remove ",
                   file, " if that one is gone"));
}

void CheckpointStore::Disown() { unlink(absl::StrCat(folder_, "/", kOwnerFile).c_str()); }

absl::StatusOr<std::vector<std::string>> CheckpointStore::Sweep(
    const std::vector<std::string>& needed, const std::function<bool(LeaseKey)>& is_open) {
  absl::btree_set<std::string> missing(needed.begin(), needed.end());
  std::vector<std::string> orphans;
  MutexLock lock(&mu_);
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool is_file = it->is_regular_file(ignored) && !it->is_symlink(ignored);
    const auto bytes = static_cast<int64_t>(is_file ? it->file_size(ignored) : 0);
    const std::optional<LeaseKey> part = LeaseOfPart(name);
    if (!is_file || (!part.has_value() && !IsStoredCheckpointId(name))) continue;
    if (part.has_value() ? is_open(*part) : missing.erase(name) > 0) {
      part.has_value() ? void(parts_[name] = {.lease = *part, .bytes = bytes, .received = bytes})
                       : void(whole_[name] = bytes);
      total_bytes_ += bytes;
    } else {
      orphans.push_back(absl::StrCat(folder_, "/", name));
    }
  }
  if (error) return FileError(error.value(), "read checkpoint directory", folder_);
  for (const std::string& orphan : orphans) unlink(orphan.c_str());
  return std::vector<std::string>(missing.begin(), missing.end());
}

int64_t CheckpointStore::OffsetOf(const LeaseKey& lease, absl::string_view sha256) {
  struct stat file = {};
  const std::string part = absl::StrCat(folder_, "/", PartName(lease, sha256));
  return stat(part.c_str(), &file) == 0 ? file.st_size : 0;
}

absl::StatusOr<int64_t> CheckpointStore::FreeBytes() const {
  struct statvfs disk = {};
  if (statvfs(folder_.c_str(), &disk) != 0) return FileError(errno, "look at", folder_);
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

absl::Status CheckpointStore::CheckFree(int64_t free, int64_t coming) {
  int64_t spoken_for = coming;
  for (const auto& [name, part] : parts_) spoken_for += part.bytes - part.received;
  if (spoken_for <= free - quotas_.free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the disk of ", folder_, " has ", Megabytes(std::max<int64_t>(free, 0)),
                   ", of which ", Megabytes(quotas_.free_bytes), " stay free (--keep-free) and ",
                   Megabytes(spoken_for), " are on their way; make room on the server's disk"));
}

absl::Status CheckpointStore::CheckQuotas(int64_t bytes) {
  if (bytes > quotas_.each_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the checkpoint has ", Megabytes(bytes), "; this server takes at most ",
                     Megabytes(quotas_.each_bytes), " (--max-checkpoint-size)"));
  }
  if (bytes > quotas_.total_bytes - total_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the checkpoint has ", Megabytes(bytes), ", and the server's checkpoints have ",
        Megabytes(total_bytes_), " of the ", Megabytes(quotas_.total_bytes),
        " that they may have in all (--max-checkpoint-total)"));
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::Note(const std::string& part, int64_t received) {
  HV_ASSIGN_OR_RETURN(const int64_t free, FreeBytes());
  MutexLock lock(&mu_);
  const auto known = parts_.find(NameOf(part));
  if (known != parts_.end()) known->second.received = received;
  // What is still to come was spoken for before: only what others have written may be too much.
  if (free >= quotas_.free_bytes) return absl::OkStatus();
  return CheckFree(free, 0);
}

absl::Status CheckpointStore::CheckNotDoomed(const std::string& checkpoint_id) {
  MutexLock lock(&doomed_mu_);
  if (!doomed_.contains(checkpoint_id)) return absl::OkStatus();
  return absl::AbortedError("a checkpoint of the same name is being removed; try again");
}

absl::StatusOr<std::shared_ptr<IncomingCheckpoint::Turn>> CheckpointStore::Enter(
    const std::string& name, const CheckpointUpload& upload, int64_t offset, int64_t free,
    const std::shared_ptr<IncomingCheckpoint::Turn>& turn) {
  std::optional<Part> before;
  if (const auto known = parts_.find(name); known != parts_.end()) {
    // One found at the start counted with what had come of it.
    before = known->second;
    total_bytes_ -= before->bytes;
    parts_.erase(known);
  }
  absl::Status allowed = CheckQuotas(upload.bytes);
  if (allowed.ok()) allowed = CheckFree(free, upload.bytes - offset);
  if (!allowed.ok()) {
    if (before.has_value()) {
      total_bytes_ += before->bytes;
      parts_[name] = *before;
    }
    return allowed;
  }
  total_bytes_ += upload.bytes;
  parts_[name] = {.lease = upload.lease, .bytes = upload.bytes, .received = offset, .turn = turn};
  return before.has_value() ? before->turn.lock() : nullptr;
}

absl::StatusOr<std::unique_ptr<IncomingCheckpoint>> CheckpointStore::Begin(
    const CheckpointUpload& upload, int64_t offset) {
  const std::string name = PartName(upload.lease, upload.sha256);
  const std::string path = absl::StrCat(folder_, "/", name);
  const auto turn = std::make_shared<IncomingCheckpoint::Turn>();
  HV_ASSIGN_OR_RETURN(const int64_t free, FreeBytes());
  std::shared_ptr<IncomingCheckpoint::Turn> before;
  {
    MutexLock lock(&mu_);
    HV_ASSIGN_OR_RETURN(before, Enter(name, upload, offset, free, turn));
  }
  if (before != nullptr) {
    MutexLock lock(&before->mu);  // Its last write is over then.
    before->over = true;
  }
  std::unique_ptr<IncomingCheckpoint> incoming(new IncomingCheckpoint(this, upload, path, turn));
  const absl::Status opened = incoming->Open(offset);
  if (opened.ok()) return incoming;
  // A place that holds no file is given back.
  if (OffsetOf(upload.lease, upload.sha256) == 0) DropPart(path, turn.get());
  return opened;
}

void CheckpointStore::Count(const CheckpointUpload& upload, const IncomingCheckpoint::Turn* turn) {
  MutexLock lock(&mu_);
  const auto part = parts_.find(PartName(upload.lease, upload.sha256));
  if (turn != nullptr && part != parts_.end() && part->second.turn.lock().get() == turn) {
    total_bytes_ -= part->second.bytes;
    parts_.erase(part);
  }
  // One whose record was lost is replaced.
  int64_t& bytes = whole_[upload.checkpoint_id];
  total_bytes_ += upload.bytes - bytes;
  bytes = upload.bytes;
}

void CheckpointStore::DropPart(const std::string& part, const IncomingCheckpoint::Turn* turn) {
  MutexLock lock(&mu_);
  const auto known = parts_.find(NameOf(part));
  if (known == parts_.end() || known->second.turn.lock().get() != turn) return;
  total_bytes_ -= known->second.bytes;
  parts_.erase(known);
  unlink(part.c_str());
}

absl::Status CheckpointStore::Adopt(const CheckpointUpload& upload, const std::string& name) {
  if (!IsWorkersFile(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("header.shared_file is \"", absl::CHexEscape(name.substr(0, 128)),
                     "\"; it must be the name of a file in the server's checkpoint directory that "
                     "begins with \"",
                     kWorkerPrefix, "\""));
  }
  const std::string path = absl::StrCat(folder_, "/", name);
  const std::string whole = PathOf(upload.checkpoint_id);
  struct stat file = {};
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0 || fstat(fd.get(), &file) != 0 || !S_ISREG(file.st_mode)) {
    // Renamed before, where there are no links, and the answer was lost.
    if (stat(whole.c_str(), &file) == 0 && file.st_size == upload.bytes) {
      Count(upload, nullptr);
      return absl::OkStatus();
    }
    return absl::NotFoundError(
        absl::StrCat("header.shared_file is \"", name,
                     "\", which is no file in the server's checkpoint "
                     "directory ",
                     folder_,
                     " that it can read; is it the same file system, and the same user? "
                     "If not, upload the bytes"));
  }
  if (file.st_size != upload.bytes) {
    return absl::InvalidArgumentError(absl::StrCat("header.size_bytes is ", upload.bytes, ", but ",
                                                   name, " has ", file.st_size, " bytes"));
  }
  HV_ASSIGN_OR_RETURN(const int64_t free, FreeBytes());
  {
    MutexLock lock(&mu_);
    HV_RETURN_IF_ERROR(CheckQuotas(upload.bytes));
    HV_RETURN_IF_ERROR(CheckFree(free, 0));
  }
  HV_RETURN_IF_ERROR(CheckNotDoomed(upload.checkpoint_id));
  // A second name, so that the worker still has its file if the answer does not reach it; put over
  // the final one in one step, since a repeat may find that recorded.
  const std::string second = absl::StrCat(path, ".adopted");
  unlink(second.c_str());
  const bool linked = link(path.c_str(), second.c_str()) == 0;
  HV_RETURN_IF_ERROR(RenameDurably(linked ? second : path, whole));
  unlink(second.c_str());  // rename() leaves two names of one file as they are.
  Count(upload, nullptr);
  return absl::OkStatus();
}

std::string CheckpointStore::PathOf(const std::string& checkpoint_id) const {
  return absl::StrCat(folder_, "/", checkpoint_id);
}

absl::StatusOr<UniqueFd> CheckpointStore::OpenToRead(const std::string& checkpoint_id) const {
  const std::string path = PathOf(checkpoint_id);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0) return FileError(errno, "open", path);
  return fd;
}

void CheckpointStore::Doom(const std::vector<std::string>& checkpoint_ids) {
  MutexLock lock(&doomed_mu_);
  doomed_.insert(checkpoint_ids.begin(), checkpoint_ids.end());
}

void CheckpointStore::RemoveDoomed() {
  MutexLock one_at_a_time(&removing_mu_);
  for (;;) {
    std::string id;
    {
      MutexLock lock(&doomed_mu_);
      if (doomed_.empty()) return;
      id = *doomed_.begin();
    }
    unlink(PathOf(id).c_str());
    {
      MutexLock lock(&mu_);
      const auto known = whole_.find(id);
      if (known != whole_.end()) {
        total_bytes_ -= known->second;
        whole_.erase(known);
      }
    }
    MutexLock lock(&doomed_mu_);
    doomed_.erase(id);
  }
}

std::vector<LeaseKey> CheckpointStore::IdleParts() {
  MutexLock lock(&mu_);
  std::vector<LeaseKey> leases;
  for (const auto& [name, part] : parts_) {
    if (part.turn.expired()) leases.push_back(part.lease);
  }
  return leases;
}

void CheckpointStore::RemoveParts(const LeaseKey& lease) {
  MutexLock lock(&mu_);
  for (auto at = parts_.begin(); at != parts_.end();) {
    if (at->second.lease == lease && at->second.turn.expired()) {
      unlink(absl::StrCat(folder_, "/", at->first).c_str());
      total_bytes_ -= at->second.bytes;
      at = parts_.erase(at);
    } else {
      ++at;
    }
  }
}

int64_t CheckpointStore::total_bytes() const {
  MutexLock lock(&mu_);
  return total_bytes_;
}

}  // namespace halving
