// The commands for whoever operates a server.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "common/status.h"

namespace halving {
namespace {

absl::Status FromErrno(const std::string& doing, const std::string& file) {
  return absl::InternalError(absl::StrCat("cannot ", doing, " ", file, ": ", std::strerror(errno)));
}

// A file that takes its name only when it is whole and on the disk; until then it has another one
// beside it, and goes with the object. Thread-compatible.
class WholeFile {
 public:
  explicit WholeFile(const std::string& path) : path_(path), part_(path + ".part-XXXXXX") {}
  ~WholeFile() {
    if (fd_ < 0) return;
    close(fd_);
    unlink(part_.c_str());
  }
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  absl::Status Open() {
    // SQLite would lay it over the backup.
    const std::string wal = path_ + "-wal";
    if (access(wal.c_str(), F_OK) == 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          wal, " belongs to another journal of that name; choose another name for the backup"));
    }
    // For its owner only: the key of the server's lease ids is in it.
    fd_ = mkostemp(part_.data(), O_CLOEXEC);
    return fd_ >= 0 ? absl::OkStatus() : FromErrno("make", part_);
  }

  absl::Status Write(const std::string& data) {
    for (size_t written = 0; written < data.size();) {
      const ssize_t bytes = write(fd_, data.data() + written, data.size() - written);
      if (bytes < 0) return FromErrno("write", part_);
      written += static_cast<size_t>(bytes);
    }
    bytes_ += static_cast<int64_t>(data.size());
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (fsync(fd_) != 0) return FromErrno("sync", part_);
    if (std::rename(part_.c_str(), path_.c_str()) != 0) return FromErrno("name", path_);
    close(fd_);
    fd_ = -1;
    return SyncFolder();  // The name must be on the disk as well.
  }

  int64_t bytes() const { return bytes_; }

 private:
  absl::Status SyncFolder() {
    const std::string folder = std::filesystem::absolute(path_).parent_path();
    const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return FromErrno("open", folder);
    const absl::Status synced = fsync(fd) == 0 ? absl::OkStatus() : FromErrno("sync", folder);
    close(fd);
    return synced;
  }

  const std::string path_;
  std::string part_;
  int fd_ = -1;
  int64_t bytes_ = 0;
};

// The file's own errors; those of the call go to `called`.
absl::Status Fetch(Client* client, WholeFile& file, absl::Status& called) {
  HV_RETURN_IF_ERROR(file.Open());
  absl::Status written;
  int64_t total = 0;
  called = client->Backup([&](const v1::BackupResponse& part) {
    total = part.total_bytes();
    written = file.Write(part.data());
    return written.ok();
  });
  if (!written.ok() || !called.ok()) return written;
  if (file.bytes() != total || total == 0) {
    called = absl::DataLossError(
        absl::StrCat("the server sent ", file.bytes(), " of ", total, " bytes"));
    return absl::OkStatus();
  }
  return file.Finish();
}

}  // namespace

int BackupCommand(const std::string& path, Client* client, Console* console) {
  WholeFile file(path);
  absl::Status called;
  const absl::Status written = Fetch(client, file, called);
  if (!written.ok()) {
    *console->err << "error: " << Printable(written.message()) << "\n";
    return kExitFailed;
  }
  if (!called.ok()) return Fail(called, client, console);
  *console->out << "Wrote " << Printable(path) << " (" << file.bytes() << " bytes).\n\nNext:\n"
                << "  halving-server verify " << Printable(path) << "\n";
  return kExitOk;
}

}  // namespace halving
