#include "server/store/trial_log_table.h"

#include <sqlite3.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status.h"
#include "server/store/sqlite_error.h"
#include "server/store/sqlite_statement.h"

namespace halving {
namespace {

constexpr int kApplicationId = 0x48414c4c;  // "HALL".
constexpr int kSchemaVersion = 1;
constexpr size_t kChunkBytes = 16 << 10;
constexpr int64_t kChunkOverhead = 64;  // What a row and its places in the indexes take.
constexpr int kSizeBytes = 4;

// Each line behind its size, since it may hold anything.
void AppendLine(const std::string& line, std::string* data) {
  for (int shift = 0; shift < 8 * kSizeBytes; shift += 8) {
    data->push_back(static_cast<char>(line.size() >> shift));
  }
  data->append(line);
}

// False at the end.
bool TakeLine(absl::string_view* data, std::string* line) {
  if (data->size() < kSizeBytes) return false;
  size_t size = 0;
  for (int i = 0; i < kSizeBytes; ++i) {
    size |= static_cast<size_t>(static_cast<uint8_t>((*data)[i])) << (8 * i);
  }
  data->remove_prefix(kSizeBytes);
  *line = std::string(data->substr(0, size));
  data->remove_prefix(line->size());
  return true;
}

int64_t Checksum(absl::string_view data) {
  return static_cast<int64_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

void Bind(const SqliteStatement& statement, std::initializer_list<int64_t> parameters) {
  int at = 0;
  for (const int64_t parameter : parameters) sqlite3_bind_int64(statement.get(), ++at, parameter);
}

// A row of Read(), unless it is damaged.
void TakeChunk(const SqliteStatement& row, std::vector<KeptLines>* kept) {
  const absl::string_view stored = row.Blob(4);
  if (Checksum(stored) != sqlite3_column_int64(row.get(), 5)) return;
  KeptLines chunk = {.attempt = static_cast<int32_t>(sqlite3_column_int64(row.get(), 0)),
                     .worker = std::string(row.Blob(1)),
                     .first_line = sqlite3_column_int64(row.get(), 2),
                     .update_time = absl::FromUnixMicros(sqlite3_column_int64(row.get(), 3))};
  KeptLines* last = kept->empty() ? nullptr : &kept->back();
  const bool goes_on =
      last != nullptr && last->attempt == chunk.attempt &&
      last->first_line + static_cast<int64_t>(last->lines.size()) == chunk.first_line;
  if (goes_on) {
    last->update_time = chunk.update_time;
  } else {
    kept->push_back(std::move(chunk));
    last = &kept->back();
  }
  absl::string_view data = stored;
  for (std::string line; TakeLine(&data, &line);) last->lines.push_back(std::move(line));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrialLogTable>> TrialLogTable::Open(const std::string& file,
                                                                   const Options& options) {
  auto table = std::unique_ptr<TrialLogTable>(new TrialLogTable(file, options));
  HV_RETURN_IF_ERROR(table->Connect());
  HV_ASSIGN_OR_RETURN(const int64_t tables, table->Number("SELECT count(*) FROM sqlite_master"));
  HV_ASSIGN_OR_RETURN(const int64_t application, table->Number("PRAGMA application_id"));
  HV_ASSIGN_OR_RETURN(const int64_t version, table->Number("PRAGMA user_version"));
  if (tables == 0) {
    HV_RETURN_IF_ERROR(table->MakeSchema());
  } else if (application != kApplicationId || version != kSchemaVersion) {
    return absl::DataLossError(
        absl::StrCat(file, " is no database of logs that this version can read"));
  }
  HV_RETURN_IF_ERROR(table->CheckOwner());
  HV_ASSIGN_OR_RETURN(table->bytes_, table->Number("SELECT sum(bytes) FROM chunks"));
  return table;
}

TrialLogTable::~TrialLogTable() { sqlite3_close(db_); }

absl::Status TrialLogTable::Connect() {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file_.c_str(), &db_, kFlags, nullptr) != SQLITE_OK) return Error("opening");
  sqlite3_extended_result_codes(db_, 1);
  // EXCLUSIVE before WAL: the WAL index then lives in memory, and no second connection can exist.
  HV_RETURN_IF_ERROR(Run("PRAGMA locking_mode = EXCLUSIVE"));
  HV_RETURN_IF_ERROR(Run("PRAGMA journal_mode = WAL"));
  return Run("PRAGMA synchronous = OFF");
}

absl::Status TrialLogTable::MakeSchema() {
  HV_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  // Known until nothing is kept of the trial, so that what comes again is not taken up again.
  HV_RETURN_IF_ERROR(
      Run("CREATE TABLE attempts (study INTEGER, trial INTEGER, attempt INTEGER, "
          "worker BLOB NOT NULL, last_line INTEGER NOT NULL, "
          "PRIMARY KEY (study, trial, attempt)) WITHOUT ROWID"));
  // In the order they came. The bytes stand before the data, which may lie on other pages.
  HV_RETURN_IF_ERROR(
      Run("CREATE TABLE chunks (seq INTEGER PRIMARY KEY, study INTEGER NOT NULL, "
          "trial INTEGER NOT NULL, attempt INTEGER NOT NULL, first_line INTEGER NOT NULL, "
          "time INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL, "
          "data BLOB NOT NULL)"));
  HV_RETURN_IF_ERROR(Run("CREATE INDEX chunks_of_trials ON chunks (study, trial, seq, bytes)"));
  HV_RETURN_IF_ERROR(Run("CREATE TABLE owner (name BLOB NOT NULL)"));
  SqliteStatement owner(db_, "INSERT INTO owner VALUES (?)");
  owner.BindBlob(1, options_.owner);
  if (sqlite3_step(owner.get()) != SQLITE_DONE) return Error("writing");
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA application_id = ", kApplicationId).c_str()));
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA user_version = ", kSchemaVersion).c_str()));
  return Run("COMMIT");
}

absl::Status TrialLogTable::CheckOwner() {
  const SqliteStatement owner(db_, "SELECT name FROM owner");
  if (sqlite3_step(owner.get()) != SQLITE_ROW) return Error("reading");
  if (owner.Blob(0) == options_.owner) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(file_, " belongs to another journal.db"));
}

absl::Status TrialLogTable::Write(const std::vector<PrintedLines>& printed,
                                  const std::vector<StudyUid>& forget) {
  const int64_t bytes_before = bytes_;
  const auto write = [&]() -> absl::Status {
    HV_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
    for (const PrintedLines& one : printed) HV_RETURN_IF_ERROR(Add(one));
    for (const StudyUid study : forget) HV_RETURN_IF_ERROR(Forget(study));
    HV_RETURN_IF_ERROR(TrimAll());
    return Run("COMMIT");
  };
  absl::Status status = write();
  if (!status.ok()) {
    bytes_ = bytes_before;
    if (sqlite3_get_autocommit(db_) == 0) Run("ROLLBACK").IgnoreError();
  }
  return status;
}

absl::Status TrialLogTable::Add(const PrintedLines& printed) {
  const auto& [study, trial, attempt] = printed.lease;
  HV_ASSIGN_OR_RETURN(
      const int64_t known,
      Number("SELECT last_line FROM attempts WHERE study = ? AND trial = ? AND attempt = ?",
             {study, trial, attempt}));
  const auto count = static_cast<int64_t>(printed.lines.size());
  const int64_t last = printed.first_line + count - 1;
  if (last <= known) return absl::OkStatus();
  int64_t first = std::max(printed.first_line, known + 1);
  std::string data;
  for (int64_t number = first; number <= last; ++number) {
    AppendLine(printed.lines[number - printed.first_line], &data);
    if (data.size() < kChunkBytes && number < last) continue;
    HV_RETURN_IF_ERROR(AddChunk(printed, first, data));
    first = number + 1;
    data.clear();
  }
  SqliteStatement upsert(db_,
                         "INSERT INTO attempts (study, trial, attempt, last_line, worker) "
                         "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                         "last_line = excluded.last_line, worker = CASE WHEN "
                         "length(excluded.worker) = 0 THEN worker ELSE excluded.worker END");
  Bind(upsert, {study, trial, attempt, last});
  upsert.BindBlob(5, printed.worker);
  if (sqlite3_step(upsert.get()) != SQLITE_DONE) return Error("writing");
  return TrimTrial(study, trial);
}

absl::Status TrialLogTable::AddChunk(const PrintedLines& printed, int64_t first_line,
                                     const std::string& data) {
  const auto& [study, trial, attempt] = printed.lease;
  const int64_t bytes = static_cast<int64_t>(data.size()) + kChunkOverhead;
  SqliteStatement insert(db_,
                         "INSERT INTO chunks (study, trial, attempt, first_line, time, bytes, "
                         "checksum, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  Bind(insert, {study, trial, attempt, first_line, absl::ToUnixMicros(printed.time), bytes,
                Checksum(data)});
  insert.BindBlob(8, data);
  if (sqlite3_step(insert.get()) != SQLITE_DONE) return Error("writing");
  bytes_ += bytes;
  return absl::OkStatus();
}

// Drops what came before the newest kKeptBytesPerTrial.
absl::Status TrialLogTable::TrimTrial(StudyUid study, TrialId trial) {
  int64_t kept = 0;
  int64_t dropped = 0;
  int64_t drop_up_to = 0;  // A seq.
  {
    const SqliteStatement select(
        db_, "SELECT seq, bytes FROM chunks WHERE study = ? AND trial = ? ORDER BY seq DESC");
    Bind(select, {study, trial});
    int step = sqlite3_step(select.get());
    for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
      const int64_t bytes = sqlite3_column_int64(select.get(), 1);
      if (kept < kKeptBytesPerTrial) {
        kept += bytes;
        continue;
      }
      dropped += bytes;
      drop_up_to = std::max<int64_t>(drop_up_to, sqlite3_column_int64(select.get(), 0));
    }
    if (step != SQLITE_DONE) return Error("reading");
  }
  if (dropped == 0) return absl::OkStatus();
  bytes_ -= dropped;
  return Number("DELETE FROM chunks WHERE study = ? AND trial = ? AND seq <= ?",
                {study, trial, drop_up_to})
      .status();
}

absl::Status TrialLogTable::TrimAll() {
  while (bytes_ > options_.max_bytes) {
    int64_t oldest[4] = {};  // seq, study, trial, bytes.
    {
      const SqliteStatement select(
          db_, "SELECT seq, study, trial, bytes FROM chunks ORDER BY seq LIMIT 1");
      const int step = sqlite3_step(select.get());
      if (step != SQLITE_ROW) return Error("reading");
      for (int i = 0; i < 4; ++i) oldest[i] = sqlite3_column_int64(select.get(), i);
    }
    const auto& [seq, study, trial, bytes] = oldest;
    HV_RETURN_IF_ERROR(Number("DELETE FROM chunks WHERE seq = ?", {seq}).status());
    HV_RETURN_IF_ERROR(Number("DELETE FROM attempts WHERE study = ?1 AND trial = ?2 AND NOT EXISTS "
                              "(SELECT 1 FROM chunks WHERE study = ?1 AND trial = ?2)",
                              {study, trial})
                           .status());
    bytes_ -= bytes;
  }
  return absl::OkStatus();
}

absl::Status TrialLogTable::Forget(StudyUid study) {
  HV_ASSIGN_OR_RETURN(const int64_t bytes,
                      Number("SELECT sum(bytes) FROM chunks WHERE study = ?", {study}));
  HV_RETURN_IF_ERROR(Number("DELETE FROM chunks WHERE study = ?", {study}).status());
  HV_RETURN_IF_ERROR(Number("DELETE FROM attempts WHERE study = ?", {study}).status());
  bytes_ -= bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<KeptLines>> TrialLogTable::Read(StudyUid study, TrialId trial) {
  const SqliteStatement select(
      db_,
      "SELECT chunks.attempt, worker, first_line, time, data, checksum FROM chunks "
      "JOIN attempts USING (study, trial, attempt) WHERE study = ? AND trial = ? "
      "ORDER BY chunks.attempt, first_line");
  Bind(select, {study, trial});
  std::vector<KeptLines> kept;
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) TakeChunk(select, &kept);
  if (step != SQLITE_DONE) return Error("reading");
  return kept;
}

absl::StatusOr<std::vector<StudyUid>> TrialLogTable::Studies() {
  const SqliteStatement select(db_, "SELECT DISTINCT study FROM attempts");
  std::vector<StudyUid> studies;
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
    studies.push_back(sqlite3_column_int64(select.get(), 0));
  }
  if (step != SQLITE_DONE) return Error("reading");
  return studies;
}

absl::Status TrialLogTable::Run(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? absl::OkStatus()
                                                                        : Error(sql);
}

absl::StatusOr<int64_t> TrialLogTable::Number(const char* sql,
                                              std::initializer_list<int64_t> parameters) {
  const SqliteStatement statement(db_, sql);
  Bind(statement, parameters);
  const int step = sqlite3_step(statement.get());
  if (step == SQLITE_DONE) return 0;
  if (step != SQLITE_ROW) return Error(sql);
  return sqlite3_column_int64(statement.get(), 0);
}

absl::Status TrialLogTable::Error(const std::string& doing) const {
  return SqliteError(db_, file_, doing);
}

}  // namespace halving
