// SqliteJournal: the Journal of a real server, one SQLite database in its data directory.
#ifndef HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
#define HALVING_SERVER_STORE_SQLITE_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
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
  absl::StatusOr<std::unique_ptr<JournalCompaction>> StartCompaction(
      const CompactionPlan& plan) override;
  bool IsCompactable() const override { return true; }
  bool CompactionPending() const override { return compaction_pending_; }
  std::vector<StudyUid> CompactedStudies() const override;
  const std::string& secret() const override { return lease_key_; }

  // From now on there is another secret(): leases given out before are void. For a restored backup,
  // which would else give out the same ids again to others.
  absl::Status RenewSecret();

  // The version of the file's layout: a journal gets the second one with its first compaction.
  static constexpr int kSchemaVersion = 2;
  static constexpr int kFirstSchemaVersion = 1;

 private:
  friend class SqliteCompaction;

  // Of a study whose events were put into packs, or removed.
  struct Packed {
    int64_t upto = 0;      // What stands in rows up to here is void, but StudyDeleted.
    bool deleted = false;  // There are no packs.
  };

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
  absl::Status LoadPacked();
  std::string PackedHash(const absl::btree_map<StudyUid, Packed>& packed) const;
  absl::Status StartWriting();
  // Checks each row's hash, and that none is missing.
  absl::Status ReadAll(absl::FunctionRef<void(Event)> take);
  // Hands over what counts of a row, whose hash was right.
  absl::Status ReadRow(int64_t seq, absl::string_view data, absl::FunctionRef<void(Event)> take);
  // Whether a pack is of a compaction that came to its end, and of no older one.
  bool IsValidPack(int64_t seq, StudyUid study, int64_t upto) const;
  // Whether a pack has taken an event's place, or its study is gone.
  bool IsVoid(int64_t seq, StudyUid study) const;
  // All that `body` does, or nothing. The errors of Append().
  absl::Status Transact(absl::FunctionRef<absl::Status()> body);
  // Within Transact().
  absl::Status InsertRow(absl::string_view data);
  absl::Status Prepare(const char* sql, sqlite3_stmt** statement);
  // Of a statement that gives no rows.
  absl::Status Step(sqlite3_stmt* statement, const char* doing);
  // Folds the -wal into the database when it has grown, or holds what was rolled back.
  absl::Status Fold();
  absl::Status FoldAll();
  absl::Status Run(const char* sql);
  absl::StatusOr<int64_t> ReadNumber(const char* sql);
  absl::StatusOr<std::string> ReadText(const char* sql);
  absl::Status LostRow(int64_t seq) const;
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
  absl::btree_map<StudyUid, Packed> packed_;
  absl::btree_set<StudyUid> went_on_;  // Those that were extended since, by what was replayed.
  bool compaction_pending_ = false;
  bool read_only_ = false;
  bool writing_ = false;
  int wal_pages_ = 0;
  bool wal_leftovers_ = true;  // There may be frames of a transaction that was never committed.
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_JOURNAL_H_
