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

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/file_io.h"
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
constexpr char kServerMark[] = ".halving-server";
constexpr size_t kMaxCopies = 1000;

// The id came over the network and goes into a path.
bool IsPlainName(const std::string& id) {
  return !id.empty() && id[0] != '.' && id.find('/') == std::string::npos &&
         id.find('\0') == std::string::npos;
}

absl::Status Unusable(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("--checkpoint-dir ", path, " cannot be used: ", why,
                   "; give a folder that this worker may write to"));
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

absl::StatusOr<std::unique_ptr<CheckpointDir>> CheckpointDir::Open(const std::string& path,
                                                                   const std::string& tag) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return Unusable(path, error.message());
  fs::create_directories(absolute, error);
  if (error) return Unusable(path, error.message());
  std::unique_ptr<CheckpointDir> dir(new CheckpointDir(absolute.string(), tag));
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
  std::error_code ignored;
  fs::create_directories(path_, ignored);  // Somebody may have cleaned up around us.
  return absl::StrCat(path_, "/", worker_, ".", ++temporaries_, ".tmp");
}

absl::StatusOr<std::string> CheckpointDir::TakeAway(const std::string& temporary) {
  std::string taken = absl::StrCat(path_, "/", worker_, ".", ++temporaries_, ".ready");
  if (rename(temporary.c_str(), taken.c_str()) != 0) return FileError(errno, "take", temporary);
  return taken;
}

void CheckpointDir::Keep(const std::string& file, const std::string& id) {
  // The server has given it that name itself, in its own folder.
  if (IsServers() || !IsPlainName(id)) return RemoveTemporary(file);
  if (rename(file.c_str(), CopyOf(id).c_str()) != 0) {
    spdlog::warn("cannot keep {} as {}: {}", file, CopyOf(id), std::strerror(errno));
    RemoveTemporary(file);
  }
}

absl::StatusOr<std::string> CheckpointDir::PrivateName(const std::string& id) {
  HV_ASSIGN_OR_RETURN(const std::string path, Find(id));
  std::string name = NewTemporary();
  if (link(path.c_str(), name.c_str()) == 0) return name;
  // Not every file system has links.
  std::error_code error;
  fs::copy_file(path, name, error);
  if (error) return FileError(error.value(), "copy", path);
  return name;
}

bool CheckpointDir::IsServers() const {
  return access(absl::StrCat(path_, "/", kServerMark).c_str(), F_OK) == 0;
}

std::string CheckpointDir::NameOf(const std::string& path) {
  return fs::path(path).filename().string();
}

absl::StatusOr<std::string> CheckpointDir::Find(const std::string& id) const {
  if (!IsPlainName(id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint ", Quoted(id), " is not a plain file name"));
  }
  std::string path = CopyOf(id);
  struct stat file = {};
  // One of the server's own, or that a worker of before left here, has no tag.
  if (stat(path.c_str(), &file) != 0) path = absl::StrCat(path_, "/", id);
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

std::vector<std::string> CheckpointDir::Copies() const {
  std::vector<std::string> ids;
  if (IsServers()) return ids;
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    absl::string_view id = name;
    if (name[0] != '.' && absl::ConsumeSuffix(&id, suffix_) && ids.size() < kMaxCopies) {
      ids.emplace_back(id);
    }
  }
  return ids;
}

void CheckpointDir::RemoveCopy(const std::string& id) {
  if (!IsServers() && IsPlainName(id)) RemoveTemporary(CopyOf(id));
}

void CheckpointDir::RemoveAllOf(const std::string& temporary) {
  const std::string begin = NameOf(temporary);
  for (const std::string& name : WorkerFiles(path_)) {
    if (absl::StartsWith(name, begin)) RemoveTemporary(absl::StrCat(path_, "/", name));
  }
}

void CheckpointDir::RemoveTemporary(const std::string& temporary) {
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    spdlog::warn("cannot remove {}: {}", temporary, std::strerror(errno));
  }
}

}  // namespace halving
