// Files as they should be: durable, whole, or not there.
#ifndef HALVING_COMMON_FILE_IO_H_
#define HALVING_COMMON_FILE_IO_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"

namespace halving {

// "cannot <doing> <file>: <what the system says>". NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED
// when there is no room, INTERNAL otherwise.
absl::Status FileError(int error, absl::string_view doing, absl::string_view file);

// Waits until the content of a file is on the disk.
absl::Status SyncFile(const std::string& path);

// Waits until the names in the folder of `path` are on the disk.
absl::Status SyncFolderOf(const std::string& path);

// Gives a file another name, in one step, and waits until that is on the disk.
absl::Status RenameDurably(const std::string& from, const std::string& to);

// All of `data`, from `offset` on.
absl::Status WriteAt(int fd, absl::string_view data, int64_t offset, const std::string& path);

// Up to `size` bytes from `offset` on into `buffer`; 0 at the end of the file.
absl::StatusOr<size_t> ReadAt(int fd, char* buffer, size_t size, int64_t offset,
                              const std::string& path);

// Keeps a long file out of memory while it is written from one end to the other, or read so: each
// 8 MiB the system is asked to write what came since, and to forget what it has written. Other
// files stay in memory then, and a sync at the end has little left. Thread-compatible.
class PassThrough {
 public:
  explicit PassThrough(int64_t offset) : asked_(offset) {}

  // The file is written, or read, up to `end`.
  void Passed(int fd, int64_t end);

 private:
  int64_t asked_;
};

struct FileDigest {
  int64_t bytes = 0;
  std::string sha256;  // 32 bytes.
};

// Reads the whole file. CANCELLED once `stop`, asked every MiB, says so.
absl::StatusOr<FileDigest> DigestOfFile(
    const std::string& path, absl::FunctionRef<bool()> stop = [] { return false; });

// A file that takes its name only when it is whole and on the disk; until then it has another one
// beside it, for its owner only, and goes with the object. Thread-compatible.
class WholeFile {
 public:
  explicit WholeFile(const std::string& path) : path_(path), part_(path + ".part-XXXXXX") {}
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  absl::Status Open();
  absl::Status Write(absl::string_view data);
  // Drops what was written.
  absl::Status Restart();
  // Of what was written, read back.
  absl::StatusOr<std::string> Sha256() const;
  absl::Status Finish();

  int64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  std::string part_;
  UniqueFd fd_;
  int64_t bytes_ = 0;
};

}  // namespace halving

#endif  // HALVING_COMMON_FILE_IO_H_
