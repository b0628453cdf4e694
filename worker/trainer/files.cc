#include "worker/trainer/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

absl::Status CannotOpen(const std::string& path, int error) {
  const std::string message = absl::StrCat("cannot open ", path, ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
}

absl::Status TooLarge(const std::string& path, size_t max_bytes) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " holds more than ", max_bytes, " bytes, the most that is read"));
}

absl::Status WriteError(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno),
                                             "; the checkpoint could not be kept"));
}

absl::Status WriteAll(int fd, const std::string& path, absl::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError("write", path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (fsync(fd) != 0) return WriteError("sync", path);
  return absl::OkStatus();
}

absl::Status WriteNewFile(const std::string& path, absl::string_view content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return WriteError("create", path);
  absl::Status written = WriteAll(fd, path, content);
  // A network file system may tell only here that the disk is full.
  if (close(fd) != 0 && written.ok()) return WriteError("close", path);
  return written;
}

// Makes a rename in the folder of `path` durable.
absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return WriteError("open", folder);
  const absl::Cleanup closer = [fd] { close(fd); };
  // Some network file systems cannot sync a folder, and need not.
  if (fsync(fd) != 0 && errno != EINVAL) return WriteError("sync", folder);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadPlainOrGzipFile(const std::string& path, size_t max_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return CannotOpen(path, errno);
  const gzFile file = gzdopen(fd, "rb");
  if (file == nullptr) {
    close(fd);
    return absl::ResourceExhaustedError(absl::StrCat("no memory to read ", path));
  }
  std::string content;
  int got = 0;
  do {
    const size_t before = content.size();
    content.resize(before + kReadBytes);
    got = gzread(file, content.data() + before, kReadBytes);
    content.resize(before + static_cast<size_t>(std::max(got, 0)));
  } while (got > 0 && content.size() <= max_bytes);
  const std::string problem = got < 0 ? gzerror(file, &got) : "";
  // Z_BUF_ERROR: the gzip data stops before its end.
  const int closed = gzclose(file);
  if (!problem.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path, ": ", problem));
  }
  if (content.size() > max_bytes) return TooLarge(path, max_bytes);
  if (closed != Z_OK) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is cut short: its gzip data has no end; fetch the file again"));
  }
  return content;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  // Without O_NONBLOCK the open itself would wait for somebody to write into a pipe.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotOpen(path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat file {};
  if (fstat(fd, &file) != 0) return CannotOpen(path, errno);
  if (!S_ISREG(file.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }
  if (static_cast<uint64_t>(file.st_size) > max_bytes) return TooLarge(path, max_bytes);
  std::string content;
  while (true) {
    const size_t before = content.size();
    content.resize(before + kReadBytes);
    const ssize_t got = read(fd, content.data() + before, kReadBytes);
    const int error = errno;
    content.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error == EINTR) continue;
    if (got < 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot read ", path, ": ", std::strerror(error)));
    }
    if (got == 0) return content;
    if (content.size() > max_bytes) return TooLarge(path, max_bytes);
  }
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".tmp-", getpid());
  absl::Status status = WriteNewFile(temporary, content);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = WriteError("rename to", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncFolderOf(path);
}

}  // namespace halving
