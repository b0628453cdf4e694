#include "common/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr int64_t kPassThroughBytes = 8 << 20;

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status Sync(const std::string& path, int flags) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (fd.get() < 0) return FileError(errno, "open", path);
  // Some network file systems cannot sync a folder, and need not.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return FileError(errno, "sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status FileError(int error, absl::string_view doing, absl::string_view file) {
  return absl::Status(CodeOf(error),
                      absl::StrCat("cannot ", doing, " ", file, ": ", std::strerror(error)));
}

absl::Status SyncFile(const std::string& path) { return Sync(path, 0); }

absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return Sync(slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash),
              O_DIRECTORY);
}

absl::Status RenameDurably(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return FileError(errno, "rename", absl::StrCat(from, " to ", to));
  }
  return SyncFolderOf(to);
}

absl::Status WriteAt(int fd, absl::string_view data, int64_t offset, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = pwrite(fd, data.data(), data.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, "write", path);
    data.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ReadAt(int fd, char* buffer, size_t size, int64_t offset,
                              const std::string& path) {
  for (;;) {
    const ssize_t got = pread(fd, buffer, size, offset);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return FileError(errno, "read", path);
  }
}

void PassThrough::Passed(int fd, int64_t end) {
  if (end - asked_ < kPassThroughBytes) return;
  // Both are advice: whoever needs the file on the disk syncs it, and is told of errors.
  sync_file_range(fd, asked_, end - asked_, SYNC_FILE_RANGE_WRITE);
  posix_fadvise(fd, 0, end, POSIX_FADV_DONTNEED);  // But not what is not written yet.
  asked_ = end;
}

absl::StatusOr<FileDigest> DigestOfFile(const std::string& path, absl::FunctionRef<bool()> stop) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return FileError(errno, "open", path);
  FileDigest digest;
  Sha256Stream hash;
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    HV_ASSIGN_OR_RETURN(const size_t got,
                        ReadAt(fd.get(), buffer.data(), buffer.size(), digest.bytes, path));
    if (got == 0) break;
    if (stop()) return absl::CancelledError(absl::StrCat("reading ", path, " was broken off"));
    hash.Update(absl::string_view(buffer.data(), got));
    digest.bytes += static_cast<int64_t>(got);
  }
  digest.sha256 = hash.Finish();
  return digest;
}

WholeFile::~WholeFile() {
  if (fd_.get() >= 0) unlink(part_.c_str());
}

absl::Status WholeFile::Open() {
  fd_.Reset(mkostemp(part_.data(), O_CLOEXEC));
  return fd_.get() >= 0 ? absl::OkStatus() : FileError(errno, "make", part_);
}

absl::Status WholeFile::Write(absl::string_view data) {
  HV_RETURN_IF_ERROR(WriteAt(fd_.get(), data, bytes_, part_));
  bytes_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

absl::Status WholeFile::Restart() {
  if (ftruncate(fd_.get(), 0) != 0) return FileError(errno, "cut", part_);
  bytes_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::string> WholeFile::Sha256() const {
  HV_ASSIGN_OR_RETURN(FileDigest digest, DigestOfFile(part_));
  return std::move(digest.sha256);
}

absl::Status WholeFile::Finish() {
  if (fsync(fd_.get()) != 0) return FileError(errno, "sync", part_);
  HV_RETURN_IF_ERROR(RenameDurably(part_, path_));
  fd_.Reset();
  return absl::OkStatus();
}

}  // namespace halving
