#include "server/store/sqlite_backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/store/data_directory.h"
#include "server/store/sqlite_error.h"

namespace halving {
namespace {

constexpr int kPagesPerStep = 256;  // A MiB.
// What the journal must find free behind the copy, so that a backup does not stop the server.
constexpr uint64_t kLeftFreeBytes = 64 << 20;

uint64_t BytesOf(sqlite3* db) {
  const auto read = [db](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    uint64_t value = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
      value = static_cast<uint64_t>(sqlite3_column_int64(statement, 0));
    }
    sqlite3_finalize(statement);
    return value;
  };
  return read("PRAGMA page_count") * read("PRAGMA page_size");
}

absl::Status CheckRoom(const std::string& file, uint64_t bytes) {
  std::error_code error;
  const auto space = std::filesystem::space(std::filesystem::path(file).parent_path(), error);
  if (error) return FromErrno(error.value(), absl::StrCat("cannot look at the disk of ", file));
  if (space.available >= bytes + kLeftFreeBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("a backup needs ", bytes >> 20, " MiB beside the journal and ",
                   kLeftFreeBytes >> 20, " MiB that stay free, but the disk has ",
                   space.available >> 20, " MiB; make room on it and try again"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalBackup>> SqliteBackup::Start(sqlite3* source,
                                                                   std::string file) {
  HV_RETURN_IF_ERROR(CheckRoom(file, BytesOf(source)));
  auto backup = std::unique_ptr<SqliteBackup>(new SqliteBackup(std::move(file)));
  HV_RETURN_IF_ERROR(backup->Open(source));
  return backup;
}

SqliteBackup::~SqliteBackup() {
  sqlite3_backup_finish(backup_);
  sqlite3_close(copy_);
  unlink(file_.c_str());
}

absl::Status SqliteBackup::Open(sqlite3* source) {
  // For nobody else to read: the key of the lease ids is in it.
  const int fd = open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FromErrno(errno, absl::StrCat("cannot make ", file_));
  close(fd);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file_.c_str(), &copy_, flags, nullptr) != SQLITE_OK) return Error("opening");
  sqlite3_extended_result_codes(copy_, 1);
  // It is read at once, and made again if that fails: no sync, no way back.
  const char* fast = "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF";
  if (sqlite3_exec(copy_, fast, nullptr, nullptr, nullptr) != SQLITE_OK) return Error(fast);
  backup_ = sqlite3_backup_init(copy_, "main", source, "main");
  return backup_ != nullptr ? absl::OkStatus() : Error("starting the copy");
}

absl::StatusOr<bool> SqliteBackup::Step() {
  const int code = sqlite3_backup_step(backup_, kPagesPerStep);
  if (code == SQLITE_OK) return false;
  // Sets the copy's error, if that is what went wrong.
  const int finished = sqlite3_backup_finish(backup_);
  backup_ = nullptr;
  if (code != SQLITE_DONE || finished != SQLITE_OK) return Error("copying the journal");
  const int closed = sqlite3_close(copy_);
  copy_ = nullptr;
  if (closed != SQLITE_OK) return absl::InternalError(absl::StrCat("cannot close ", file_));
  return true;
}

absl::Status SqliteBackup::Error(const std::string& doing) {
  return SqliteError(copy_, file_, doing);
}

}  // namespace halving
