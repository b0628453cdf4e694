// TrialLogTable: the lines that trainers printed, in an SQLite database of their own.
#ifndef HALVING_SERVER_STORE_TRIAL_LOG_TABLE_H_
#define HALVING_SERVER_STORE_TRIAL_LOG_TABLE_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/commands.h"

struct sqlite3;

namespace halving {

// Lines of one attempt as they came in.
struct PrintedLines {
  LeaseKey lease;
  std::string worker;      // Empty: not known.
  int64_t first_line = 1;  // The number of the first one, from 1.
  std::vector<std::string> lines;
  absl::Time time;
};

// Lines of one attempt that are kept, without a gap between them.
struct KeptLines {
  int32_t attempt = 0;
  std::string worker;
  int64_t first_line = 1;
  std::vector<std::string> lines;
  absl::Time update_time;  // When the newest came in.
};

// One connection, EXCLUSIVE, WAL, never synced: a power cut may lose or damage it all. Lines lie in
// chunks of some 16 KiB, each with a checksum, and are dropped by the chunk.
//
// Thread-compatible: TrialLogs owns the only instance.
class TrialLogTable {
 public:
  // Of one trial this much is kept at least, if it came, and little more than one chunk beyond it.
  static constexpr int64_t kKeptBytesPerTrial = 64 << 10;

  struct Options {
    // Of the journal that knows its studies: with another one, numbers mean something else.
    std::string owner;
    int64_t max_bytes = 256 << 20;  // Of all trials together; the oldest lines go first.
  };

  // DATA_LOSS: it is damaged, or not one of ours, or another owner's. PERMISSION_DENIED: it cannot
  // be opened. Otherwise see SqliteError().
  static absl::StatusOr<std::unique_ptr<TrialLogTable>> Open(const std::string& file,
                                                             const Options& options);
  ~TrialLogTable();
  TrialLogTable(const TrialLogTable&) = delete;
  TrialLogTable& operator=(const TrialLogTable&) = delete;

  // Takes these lines up and removes those of studies that are to be forgotten; after an error
  // neither. Numbers up to the last one that is known of an attempt are passed over.
  absl::Status Write(const std::vector<PrintedLines>& printed, const std::vector<StudyUid>& forget);

  // In order of attempts and numbers.
  absl::StatusOr<std::vector<KeptLines>> Read(StudyUid study, TrialId trial);

  // Those that have lines.
  absl::StatusOr<std::vector<StudyUid>> Studies();

 private:
  TrialLogTable(std::string file, const Options& options)
      : file_(std::move(file)), options_(options) {}

  absl::Status Connect();
  absl::Status MakeSchema();
  absl::Status CheckOwner();
  absl::Status Add(const PrintedLines& printed);
  absl::Status AddChunk(const PrintedLines& printed, int64_t first_line, const std::string& data);
  absl::Status TrimTrial(StudyUid study, TrialId trial);
  absl::Status TrimAll();
  absl::Status Forget(StudyUid study);
  absl::Status Run(const char* sql);
  // Of a statement that gives at most one row: its first column, or 0.
  absl::StatusOr<int64_t> Number(const char* sql, std::initializer_list<int64_t> parameters = {});
  absl::Status Error(const std::string& doing) const;

  const std::string file_;
  const Options options_;
  sqlite3* db_ = nullptr;
  int64_t bytes_ = 0;  // Of all chunks.
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_TRIAL_LOG_TABLE_H_
