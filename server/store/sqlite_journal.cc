#include "server/store/sqlite_journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/random.h"
#include "common/status.h"
#include "server/store/event_codec.h"
#include "server/store/wal_check.h"

namespace halving {
namespace {

constexpr int kApplicationId = 0x48414c56;  // "HALV".
constexpr size_t kChainBytes = 16;
constexpr size_t kSecretBytes = 32;
constexpr int kFoldAtPages = 1000;  // As SQLite itself would.

// The hash of an event, which covers all before it.
std::string Chain(absl::string_view previous, int64_t seq, absl::string_view data) {
  std::string bytes(previous);
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(seq) >> shift));
  }
  bytes.append(data.data(), data.size());
  return Sha256(bytes).substr(0, kChainBytes);
}

bool IsNoRoom(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

// Finalizes a statement at the end of its scope.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    if (sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) != SQLITE_OK) statement_ = nullptr;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  sqlite3_stmt* get() const { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

absl::string_view Blob(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

absl::Status FromErrno(int error, const std::string& what) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  if (error == EACCES || error == EPERM || error == EROFS) {
    return absl::PermissionDeniedError(message);
  }
  return absl::FailedPreconditionError(message);
}

std::string ReadPid(int fd) {
  char text[32] = {};
  const ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : "unknown";
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::Lock(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (made) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  if (error) return FromErrno(error.value(), absl::StrCat("cannot make data directory ", path));
  const std::string file = path + "/lock";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FromErrno(errno, absl::StrCat("cannot open ", file));
  DataDirectory directory(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno(errno, absl::StrCat("cannot lock ", file));
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path, " is in use by the halving-server with pid ",
                     ReadPid(fd), "; stop that one, or choose another --data-dir"));
  }
  const std::string pid = absl::StrCat(getpid());
  const bool named = ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) >= 0;
  // On a full disk the pid is missing, but the lock holds, and what was written can be read.
  if (!named && !IsNoRoom(errno)) return FromErrno(errno, absl::StrCat("cannot write ", file));
  return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), fd_(other.fd_) {
  other.fd_ = -1;
}

DataDirectory::~DataDirectory() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(DataDirectory directory) {
  auto journal = std::unique_ptr<SqliteJournal>(new SqliteJournal(std::move(directory)));
  HV_RETURN_IF_ERROR(CheckWal(journal->file() + "-wal"));
  HV_RETURN_IF_ERROR(journal->Connect());
  HV_ASSIGN_OR_RETURN(const bool made, journal->CheckOwner());
  HV_RETURN_IF_ERROR(journal->UseWal());
  if (!made) HV_RETURN_IF_ERROR(journal->MakeSchema());
  HV_RETURN_IF_ERROR(journal->CheckPages());
  HV_RETURN_IF_ERROR(journal->LoadState());
  HV_RETURN_IF_ERROR(journal->Fold());
  return journal;
}

SqliteJournal::~SqliteJournal() {
  sqlite3_finalize(insert_);
  sqlite3_close(db_);  // Also folds the -wal into the database and removes it.
}

absl::Status SqliteJournal::Connect() {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file().c_str(), &db_, flags, nullptr) != SQLITE_OK) {
    return Error("opening");
  }
  sqlite3_extended_result_codes(db_, 1);
  // EXCLUSIVE before WAL: the WAL index then lives in memory, and no second connection can exist.
  return Run("PRAGMA locking_mode = EXCLUSIVE");
}

absl::StatusOr<bool> SqliteJournal::CheckOwner() {
  HV_ASSIGN_OR_RETURN(const int64_t application, ReadNumber("PRAGMA application_id"));
  HV_ASSIGN_OR_RETURN(const int64_t version, ReadNumber("PRAGMA user_version"));
  HV_ASSIGN_OR_RETURN(const int64_t tables, ReadNumber("SELECT count(*) FROM sqlite_master"));
  if (tables > 0 && application != kApplicationId) {
    return absl::FailedPreconditionError(
        absl::StrCat(file(),
                     " is an SQLite database, but no journal of halving-server; choose "
                     "another --data-dir"));
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(file(), " has layout version ", version,
                     ", written by a newer halving-server; this one reads up to ", kSchemaVersion,
                     ". Start the newer one"));
  }
  return tables > 0;
}

absl::Status SqliteJournal::UseWal() {
  HV_ASSIGN_OR_RETURN(const std::string mode, ReadText("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return absl::FailedPreconditionError(absl::StrCat(
        file(), " stays in journal mode \"", mode,
        "\", it must be \"wal\"; is the data directory on a file system that can lock files?"));
  }
  // Instead of SQLite's own, which hides a failed sync. Fold() looks at the number.
  sqlite3_wal_hook(
      db_,
      [](void* pages, sqlite3*, const char*, int now) {
        *static_cast<int*>(pages) = now;
        return SQLITE_OK;
      },
      &wal_pages_);
  return Run("PRAGMA synchronous = FULL");
}

absl::Status SqliteJournal::MakeSchema() {
  HV_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  HV_RETURN_IF_ERROR(
      Run("CREATE TABLE events (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, "
          "chain BLOB NOT NULL)"));
  HV_RETURN_IF_ERROR(Run("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)"));
  {
    const Statement insert(db_, "INSERT INTO meta VALUES ('secret', ?)");
    const std::string secret = SecureRandomBytes(kSecretBytes);
    sqlite3_bind_blob(insert.get(), 1, secret.data(), static_cast<int>(secret.size()),
                      SQLITE_TRANSIENT);
    if (sqlite3_step(insert.get()) != SQLITE_DONE) return Error("writing");
  }
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA application_id = ", kApplicationId).c_str()));
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA user_version = ", kSchemaVersion).c_str()));
  return Run("COMMIT");
}

// What the hashes do not cover: rows that a damaged page no longer lists.
absl::Status SqliteJournal::CheckPages() {
  HV_ASSIGN_OR_RETURN(const std::string found, ReadText("PRAGMA quick_check(1)"));
  if (found == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      file(), " is damaged: ", found, ". Nothing was changed; restore a backup of the directory"));
}

absl::Status SqliteJournal::LoadState() {
  HV_ASSIGN_OR_RETURN(secret_, ReadText("SELECT value FROM meta WHERE name = 'secret'"));
  const Statement last(db_, "SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1");
  const int step = sqlite3_step(last.get());
  if (step != SQLITE_ROW && step != SQLITE_DONE) return Error("reading");
  last_chain_ = secret_;
  if (step == SQLITE_ROW) {
    last_seq_ = sqlite3_column_int64(last.get(), 0);
    last_chain_ = std::string(Blob(last.get(), 1));
  }
  const char* sql = "INSERT INTO events (seq, data, chain) VALUES (?, ?, ?)";
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &insert_, nullptr) != SQLITE_OK) {
    return Error("preparing");
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::Append(const std::vector<Event>& events) {
  if (events.empty()) return absl::OkStatus();
  HV_RETURN_IF_ERROR(Write(events));
  return Fold();
}

absl::Status SqliteJournal::Write(const std::vector<Event>& events) {
  const int64_t seq_before = last_seq_;
  const std::string chain_before = last_chain_;
  absl::Status status = Run("BEGIN IMMEDIATE");
  for (size_t i = 0; status.ok() && i < events.size(); ++i) status = Insert(events[i]);
  if (status.ok()) status = Run("COMMIT");
  if (status.ok()) return status;
  last_seq_ = seq_before;
  last_chain_ = chain_before;
  wal_leftovers_ = true;
  // SQLite may have rolled back by itself. If it has not and cannot, the disk's state is unknown.
  if (sqlite3_get_autocommit(db_) == 0) {
    const absl::Status rolled_back = Run("ROLLBACK");
    if (!rolled_back.ok()) return absl::InternalError(rolled_back.message());
  }
  return status;
}

// The events are on disk already, so a full disk is no failure here: a later call finds room. To
// CheckWal() leftovers would look like damage, once newer frames have been written over some.
absl::Status SqliteJournal::Fold() {
  if (!wal_leftovers_ && wal_pages_ < kFoldAtPages) return absl::OkStatus();
  const int mode = wal_leftovers_ ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  if (sqlite3_wal_checkpoint_v2(db_, nullptr, mode, nullptr, nullptr) != SQLITE_OK) {
    const absl::Status status = Error("folding the -wal into");
    return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
  }
  wal_leftovers_ = false;
  wal_pages_ = 0;
  return absl::OkStatus();
}

absl::Status SqliteJournal::Insert(const Event& event) {
  const std::string data = EncodeEvent(event);
  const int64_t seq = last_seq_ + 1;
  std::string chain = Chain(last_chain_, seq, data);
  sqlite3_bind_int64(insert_, 1, seq);
  sqlite3_bind_blob(insert_, 2, data.data(), static_cast<int>(data.size()), SQLITE_STATIC);
  sqlite3_bind_blob(insert_, 3, chain.data(), static_cast<int>(chain.size()), SQLITE_STATIC);
  const int step = sqlite3_step(insert_);
  const absl::Status status = step == SQLITE_DONE ? absl::OkStatus() : Error("writing");
  sqlite3_reset(insert_);
  if (!status.ok()) return status;
  last_seq_ = seq;
  last_chain_ = std::move(chain);
  return absl::OkStatus();
}

absl::Status SqliteJournal::Replay(absl::FunctionRef<void(const Event&)> apply) {
  const Statement select(db_, "SELECT seq, data, chain FROM events ORDER BY seq");
  std::string chain = secret_;
  int64_t seq = 0;
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
    ++seq;
    const absl::string_view data = Blob(select.get(), 1);
    chain = Chain(chain, seq, data);
    if (sqlite3_column_int64(select.get(), 0) != seq || chain != Blob(select.get(), 2)) {
      return absl::DataLossError(
          absl::StrCat(file(), ": event ", seq,
                       " is not the one that was written there (its checksum differs). Nothing was "
                       "changed; restore a backup of the data directory"));
    }
    const absl::StatusOr<Event> event = DecodeEvent(data);
    if (!event.ok()) {
      return absl::Status(event.status().code(),
                          absl::StrCat(file(), ": event ", seq, ": ", event.status().message()));
    }
    apply(*event);
  }
  return step == SQLITE_DONE ? absl::OkStatus() : Error("reading");
}

absl::Status SqliteJournal::Run(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? absl::OkStatus()
                                                                        : Error(sql);
}

absl::StatusOr<int64_t> SqliteJournal::ReadNumber(const char* sql) {
  const Statement statement(db_, sql);
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return Error(sql);
  return sqlite3_column_int64(statement.get(), 0);
}

absl::StatusOr<std::string> SqliteJournal::ReadText(const char* sql) {
  const Statement statement(db_, sql);
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return Error(sql);
  return std::string(Blob(statement.get(), 0));
}

// The system's error behind SQLite's; 0 where there is none. SQLite keeps the last one, so that
// with other codes it is of long ago.
int SqliteJournal::SystemError(int extended_code) {
  if (extended_code == SQLITE_IOERR_WRITE) {
    // A commit writes to the -wal, and leaves what happened there with the file alone.
    sqlite3_file* wal = nullptr;
    int error = 0;
    if (sqlite3_file_control(db_, nullptr, SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
        wal != nullptr && wal->pMethods != nullptr &&
        wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK &&
        error != 0) {
      return error;
    }
  }
  const int code = extended_code & 0xff;
  return code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(db_) : 0;
}

absl::Status SqliteJournal::Error(const std::string& doing) {
  const int extended = sqlite3_extended_errcode(db_);
  const int code = extended & 0xff;
  const int system = SystemError(extended);
  const std::string message =
      absl::StrCat(file(), ": ", doing, " failed: ", sqlite3_errmsg(db_), " (SQLite code ",
                   extended, system == 0 ? "" : absl::StrCat(", ", std::strerror(system)), ")");
  // No room for a sync is another matter: what was written before may be gone.
  const bool no_room =
      (extended == SQLITE_IOERR_WRITE || code == SQLITE_CANTOPEN) && IsNoRoom(system);
  if (code == SQLITE_FULL || no_room) return absl::ResourceExhaustedError(message);
  switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_DONE:  // A row that must be there is not.
      return absl::DataLossError(message);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return absl::PermissionDeniedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace halving
