// SqliteJournal: the Journal of a real server, one SQLite database in its data directory.
#ifndef HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
#define HALVING_SERVER_STORE_SQLITE_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/data_directory.h"
#include "server/store/journal.h"
#include "server/store/sqlite_error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace halving {

// One connection, locking_mode EXCLUSIVE, WAL, synchronous FULL: an append that returned OK has
// been synced. Each event carries a hash chained over the secret and all events before it, so that
// a flipped bit, a lost row or a swapped one is noticed when it is read back.
class SqliteJournal : public Journal {
 public:
  // Opens or makes `journal.db` in the directory. FAILED_PRECONDITION: written by a newer version,
  // or not one of ours; it is left as it was. DATA_LOSS: it or its -wal is damaged.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(DataDirectory directory);
  // The same of one file, in a directory that the caller holds.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenFile(const std::string& file);
  // Opens a journal that nobody has open, to be replayed only: neither it nor its -wal is changed.
  // NOT_FOUND: there is none. Else the errors of Open().
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenToRead(const std::string& file);
  ~SqliteJournal() override;

  absl::Status Append(const std::vector<Event>& events) override;
  absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) override;
  absl::StatusOr<std::unique_ptr<JournalBackup>> StartBackup() override;
  const std::string& secret() const override { return lease_key_; }

  // From now on there is another secret(): leases given out before are void. For a restored backup,
  // which would else give out the same ids again to others.
  absl::Status RenewSecret();

  // The version of the file's layout that this program writes.
  static constexpr int kSchemaVersion = 1;

 private:
  SqliteJournal(std::string file, std::optional<DataDirectory> directory)
      : directory_(std::move(directory)), file_(std::move(file)) {}

  static absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenToWrite(
      std::unique_ptr<SqliteJournal> journal);
  absl::Status Connect(const std::string& name, int flags);
  // Refuses what another program, or a newer version, wrote; says whether there is anything yet.
  absl::StatusOr<bool> CheckOwner();
  absl::Status UseWal();
  absl::Status MakeSchema();
  absl::Status LoadState();
  absl::Status CheckPages();
  absl::Status StartWriting();
  // Checks each event's hash, and that none is missing.
  absl::Status ReadAll(absl::FunctionRef<void(Event)> take);
  absl::Status Write(const std::vector<Event>& events);
  absl::Status Insert(const Event& event);
  absl::Status Prepare(const char* sql, sqlite3_stmt** statement);
  // Of a statement that gives no rows.
  absl::Status Step(sqlite3_stmt* statement, const char* doing);
  // Folds the -wal into the database when it has grown, or holds what was rolled back.
  absl::Status Fold();
  absl::Status FoldAll();
  absl::Status Run(const char* sql);
  absl::StatusOr<int64_t> ReadNumber(const char* sql);
  absl::StatusOr<std::string> ReadText(const char* sql);
  absl::Status SetMeta(const char* name, const std::string& value);
  absl::Status Error(const std::string& doing) { return SqliteError(db_, file_, doing); }

  const std::optional<DataDirectory> directory_;  // Locked, if it is ours to lock.
  const std::string file_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  std::string secret_;     // Where the chain of hashes begins.
  std::string lease_key_;  // The same, until a backup was restored.
  int64_t backups_ = 0;    // How many were started.
  int64_t last_seq_ = 0;
  std::string last_chain_;
  bool read_only_ = false;
  bool writing_ = false;
  int wal_pages_ = 0;
  bool wal_leftovers_ = true;  // There may be frames of a transaction that was never committed.
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
