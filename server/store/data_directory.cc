#include "server/store/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

std::string ReadPid(int fd) {
  char text[32] = {};
  const ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : "unknown";
}

}  // namespace

absl::Status FromErrno(int error, const std::string& what) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  if (error == EACCES || error == EPERM || error == EROFS) {
    return absl::PermissionDeniedError(message);
  }
  return absl::FailedPreconditionError(message);
}

bool IsNoRoom(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

absl::StatusOr<DataDirectory> DataDirectory::Lock(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (made) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  if (error) return FromErrno(error.value(), absl::StrCat("cannot make data directory ", path));
  const std::string file = path + "/lock";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FromErrno(errno, absl::StrCat("cannot open ", file));
  DataDirectory directory(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno(errno, absl::StrCat("cannot lock ", file));
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path, " is in use by the halving-server with pid ",
                     ReadPid(fd), "; stop that one, or choose another --data-dir"));
  }
  const std::string pid = absl::StrCat(getpid());
  const bool named = ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) >= 0;
  // On a full disk the pid is missing, but the lock holds, and what was written can be read.
  if (!named && !IsNoRoom(errno)) return FromErrno(errno, absl::StrCat("cannot write ", file));
  return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), fd_(other.fd_) {
  other.fd_ = -1;
}

DataDirectory::~DataDirectory() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace halving
