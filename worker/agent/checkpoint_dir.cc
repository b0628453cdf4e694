#include "worker/agent/checkpoint_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

namespace fs = std::filesystem;

constexpr char kWorkerPrefix[] = ".worker-";
constexpr size_t kWorkerNameSize = sizeof(kWorkerPrefix) - 1 + 16;
constexpr size_t kRandomBytes = 8;  // 16 hexadecimal digits.

absl::Status Unusable(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("--checkpoint-dir ", path, " cannot be used: ", why,
                   "; give a folder that this worker may write to"));
}

// The file is on disk before it has a name that the server may hear of.
absl::Status SyncFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || (fsync(file.get()) != 0 && errno != EINVAL)) {  // EINVAL: has no fsync.
    const absl::string_view error = std::strerror(errno);
    return errno == ENOENT ? absl::NotFoundError(absl::StrCat(path, ": ", error))
                           : absl::UnavailableError(absl::StrCat(path, ": ", error));
  }
  return absl::OkStatus();
}

// Study names hold nothing else, but the name came over the network and goes into a path.
std::string SafeName(absl::string_view name) {
  std::string safe(name.substr(0, 64));
  for (char& c : safe) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_') c = '_';
  }
  return safe.empty() ? "_" : safe;
}

// Names in the folder that begin as a worker's own files do.
std::vector<std::string> WorkerFiles(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (absl::StartsWith(name, kWorkerPrefix) && name.size() > kWorkerNameSize) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointDir>> CheckpointDir::Open(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return Unusable(path, error.message());
  fs::create_directories(absolute, error);
  if (error) return Unusable(path, error.message());
  std::unique_ptr<CheckpointDir> dir(new CheckpointDir(absolute.string()));
  HV_RETURN_IF_ERROR(dir->TakeLock());
  dir->RemoveStale();
  return dir;
}

CheckpointDir::~CheckpointDir() {
  for (const std::string& name : WorkerFiles(path_)) {
    if (absl::StartsWith(name, worker_)) RemoveTemporary(absl::StrCat(path_, "/", name));
  }
}

absl::Status CheckpointDir::TakeLock() {
  // A new name each time: a worker that starts beside us may take our unlocked file for stale.
  for (;;) {
    worker_ = absl::StrCat(kWorkerPrefix, SecureRandomHex(kRandomBytes));
    const std::string name = absl::StrCat(path_, "/", worker_, ".lock");
    lock_.Reset(open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (lock_.get() < 0) return Unusable(path_, std::strerror(errno));
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) continue;
      return Unusable(path_, absl::StrCat("flock: ", std::strerror(errno)));
    }
    struct stat locked = {};
    struct stat named = {};
    fstat(lock_.get(), &locked);
    if (stat(name.c_str(), &named) == 0 && named.st_ino == locked.st_ino) return absl::OkStatus();
  }
}

void CheckpointDir::RemoveStale() {
  std::set<std::string> alive = {worker_};
  std::set<std::string> dead;
  const std::vector<std::string> files = WorkerFiles(path_);
  std::vector<UniqueFd> held;  // Until the end, so that nobody removes the same ones.
  for (const std::string& name : files) {
    const std::string worker = name.substr(0, kWorkerNameSize);
    if (!absl::EndsWith(name, ".lock") || worker == worker_) continue;
    UniqueFd lock(open(absl::StrCat(path_, "/", name).c_str(), O_RDWR | O_CLOEXEC));
    if (lock.get() < 0 && errno == ENOENT) continue;
    if (lock.get() < 0 || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      alive.insert(worker);
    } else {
      held.push_back(std::move(lock));
      dead.insert(worker);
    }
  }
  std::error_code error;
  // A worker has its lock before its first file, so a file seen without one belongs to the dead.
  for (const std::string& name : files) {
    const std::string worker = name.substr(0, kWorkerNameSize);
    if (alive.count(worker) > 0) continue;
    if (dead.count(worker) == 0 && fs::exists(absl::StrCat(path_, "/", worker, ".lock"), error)) {
      continue;  // It came while we were looking.
    }
    spdlog::info("removing {}, left in {} by a worker that is gone", name, path_);
    RemoveTemporary(absl::StrCat(path_, "/", name));
  }
}

std::string CheckpointDir::NewTemporary() {
  return absl::StrCat(path_, "/", worker_, ".", ++temporaries_, ".tmp");
}

absl::StatusOr<std::string> CheckpointDir::Rename(const std::string& from, absl::string_view study,
                                                  int64_t trial_id, int64_t epoch) {
  std::string id = absl::StrCat(SafeName(study), ".", trial_id, ".", epoch, ".",
                                SecureRandomHex(kRandomBytes), ".ckpt");
  const std::string to = absl::StrCat(path_, "/", id);
  if (rename(from.c_str(), to.c_str()) != 0) {
    const std::string what = absl::StrCat(from, " to ", id, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(what) : absl::UnavailableError(what);
  }
  const UniqueFd folder(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) fsync(folder.get());
  return id;
}

absl::StatusOr<std::string> CheckpointDir::Publish(const std::string& temporary,
                                                   absl::string_view study, int64_t trial_id,
                                                   int64_t epoch) {
  HV_RETURN_IF_ERROR(SyncFile(temporary));
  return Rename(temporary, study, trial_id, epoch);
}

absl::StatusOr<std::string> CheckpointDir::Relabel(const std::string& id, absl::string_view study,
                                                   int64_t trial_id, int64_t epoch) {
  HV_ASSIGN_OR_RETURN(const std::string path, Find(id));
  return Rename(path, study, trial_id, epoch);
}

absl::StatusOr<std::string> CheckpointDir::Find(const std::string& id) const {
  if (id.empty() || id[0] == '.' || id.find('/') != std::string::npos ||
      id.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint ", Quoted(id), " is not a plain file name"));
  }
  const std::string path = absl::StrCat(path_, "/", id);
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) {
    return absl::NotFoundError(
        absl::StrCat("checkpoint ", id, " is not in --checkpoint-dir ", path_));
  }
  if (access(path.c_str(), R_OK) != 0) {
    return absl::PermissionDeniedError(absl::StrCat("checkpoint ", id, " in --checkpoint-dir ",
                                                    path_,
                                                    " cannot be read: ", std::strerror(errno)));
  }
  return path;
}

void CheckpointDir::Remove(const std::string& id) {
  if (const absl::StatusOr<std::string> path = Find(id); path.ok()) RemoveTemporary(*path);
}

void CheckpointDir::RemoveTemporary(const std::string& temporary) {
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    spdlog::warn("cannot remove {}: {}", temporary, std::strerror(errno));
  }
}

}  // namespace halving
