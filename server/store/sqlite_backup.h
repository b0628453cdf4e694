// SqliteBackup: a copy of a journal's database, made in slices while the journal is written.
#ifndef HALVING_SERVER_STORE_SQLITE_BACKUP_H_
#define HALVING_SERVER_STORE_SQLITE_BACKUP_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/journal.h"

struct sqlite3;
struct sqlite3_backup;

namespace halving {

// Goes through the journal's own connection, so that SQLite keeps the copy true to what is appended
// meanwhile. https://www.sqlite.org/c3ref/backup_finish.html
class SqliteBackup : public JournalBackup {
 public:
  // `file` must not exist. `source` is not owned and must outlive the copying.
  static absl::StatusOr<std::unique_ptr<JournalBackup>> Start(sqlite3* source, std::string file);
  ~SqliteBackup() override;

  absl::StatusOr<bool> Step() override;
  const std::string& file() const override { return file_; }

 private:
  explicit SqliteBackup(std::string file) : file_(std::move(file)) {}

  absl::Status Open(sqlite3* source);
  absl::Status Error(const std::string& doing);

  const std::string file_;
  sqlite3* copy_ = nullptr;
  sqlite3_backup* backup_ = nullptr;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_BACKUP_H_
