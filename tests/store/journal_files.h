// What the tests do to the files of a SqliteJournal.
#ifndef HALVING_TESTS_STORE_JOURNAL_FILES_H_
#define HALVING_TESTS_STORE_JOURNAL_FILES_H_

#include <sys/resource.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/sqlite_journal.h"

namespace halving {

// Locks the directory and opens the journal in it.
absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenJournal(const std::string& directory);

// The same of one that can be opened; else it ends the test program.
using OpenedJournal = std::unique_ptr<SqliteJournal>;
OpenedJournal MustOpen(const std::string& directory);

// Everything that the journal gives back.
absl::StatusOr<std::vector<Event>> ReplayAll(Journal& journal);

// The same of the directory, or why it cannot be opened or read.
absl::StatusOr<std::vector<Event>> OpenAndReplay(const std::string& directory);

// Copies the database and its -wal as they stand: what a kill would leave behind.
void CopyJournal(const std::string& from, const std::string& to);

// Runs SQL on a database that no journal has open.
void RunSql(const std::string& file, const std::string& sql);

void FlipBit(const std::string& file, uint64_t byte, int bit);

// For its lifetime, no file of this process may grow beyond `bytes`: the nearest that a test comes
// to a full disk without one of its own.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes);
  ~FileSizeLimit();
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_;
};

}  // namespace halving

#endif  // HALVING_TESTS_STORE_JOURNAL_FILES_H_
