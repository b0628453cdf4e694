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
#include "common/file_io.h"
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

absl::Status NotKept(const absl::Status& why) {
  if (why.ok()) return why;
  return absl::UnavailableError(absl::StrCat(why.message(), "; the checkpoint could not be kept"));
}

absl::Status WriteNewFile(const std::string& path, absl::string_view content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(errno, "create", path);
  absl::Status written = WriteAt(fd, content, 0, path);
  if (written.ok() && fsync(fd) != 0) written = FileError(errno, "sync", path);
  // A network file system may tell only here that the disk is full.
  if (close(fd) != 0 && written.ok()) return FileError(errno, "close", path);
  return written;
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
    status = FileError(errno, "rename to", path);
  }
  if (status.ok()) return NotKept(SyncFolderOf(path));
  unlink(temporary.c_str());
  return NotKept(status);
}

}  // namespace halving
