// SqliteJournal: the Journal of a real server, one SQLite database in its data directory.
#ifndef HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
#define HALVING_SERVER_STORE_SQLITE_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/journal.h"

struct sqlite3;
struct sqlite3_stmt;

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

 private:
  DataDirectory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

// One connection, locking_mode EXCLUSIVE, WAL, synchronous FULL: an append that returned OK has
// been synced. Each event carries a hash chained over the secret and all events before it, so that
// a flipped bit, a lost row or a swapped one is noticed when it is read back.
class SqliteJournal : public Journal {
 public:
  // Opens or makes `journal.db` in the directory. FAILED_PRECONDITION: written by a newer version,
  // or not one of ours; it is left as it was. DATA_LOSS: it or its -wal is damaged.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(DataDirectory directory);
  ~SqliteJournal() override;

  absl::Status Append(const std::vector<Event>& events) override;
  absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) override;
  const std::string& secret() const override { return secret_; }

  // The version of the file's layout that this program writes.
  static constexpr int kSchemaVersion = 1;

 private:
  explicit SqliteJournal(DataDirectory directory) : directory_(std::move(directory)) {}

  std::string file() const { return directory_.path() + "/journal.db"; }

  absl::Status Connect();
  // Refuses what another program, or a newer version, wrote; says whether there is anything yet.
  absl::StatusOr<bool> CheckOwner();
  absl::Status UseWal();
  absl::Status MakeSchema();
  absl::Status LoadState();
  absl::Status CheckPages();
  absl::Status Write(const std::vector<Event>& events);
  absl::Status Insert(const Event& event);
  // Folds the -wal into the database when it has grown, or holds what was rolled back.
  absl::Status Fold();
  absl::Status Run(const char* sql);
  absl::StatusOr<int64_t> ReadNumber(const char* sql);
  absl::StatusOr<std::string> ReadText(const char* sql);
  int SystemError(int extended_code);
  // What the last failing call of SQLite means.
  absl::Status Error(const std::string& doing);

  const DataDirectory directory_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::string secret_;
  int64_t last_seq_ = 0;
  std::string last_chain_;
  int wal_pages_ = 0;
  bool wal_leftovers_ = true;  // There may be frames of a transaction that was never committed.
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
