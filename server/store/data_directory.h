// DataDirectory: where a server keeps its files, and nobody else.
#ifndef HALVING_SERVER_STORE_DATA_DIRECTORY_H_
#define HALVING_SERVER_STORE_DATA_DIRECTORY_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace halving {

// A directory that one process at a time may use, by a lock on the file `lock` in it. The lock goes
// with the process, however it ends.
class DataDirectory {
 public:
  // Makes the directory if it is not there, for nobody else to read: the key of the lease ids lies
  // in it. FAILED_PRECONDITION: another process holds it, named by its pid. PERMISSION_DENIED, or
  // what else the system says: it cannot be made or written.
  static absl::StatusOr<DataDirectory> Lock(const std::string& path);
  ~DataDirectory();
  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;

  const std::string& path() const { return path_; }
  std::string journal_file() const { return path_ + "/journal.db"; }

 private:
  DataDirectory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

// What the system says of a file, with the code of the status that fits.
absl::Status FromErrno(int error, const std::string& what);

// Whether a write failed because there is no room for it.
bool IsNoRoom(int error);

}  // namespace halving

#endif  // HALVING_SERVER_STORE_DATA_DIRECTORY_H_
