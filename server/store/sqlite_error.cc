#include "server/store/sqlite_error.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/store/data_directory.h"

namespace halving {
namespace {

// The system's error behind SQLite's; 0 where there is none. SQLite keeps the last one, so that
// with other codes it is of long ago.
int SystemError(sqlite3* db, int extended_code) {
  if (extended_code == SQLITE_IOERR_WRITE || extended_code == SQLITE_IOERR_FSYNC) {
    // A commit writes to the -wal, and leaves what happened there with the file alone.
    sqlite3_file* wal = nullptr;
    int error = 0;
    if (sqlite3_file_control(db, nullptr, SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
        wal != nullptr && wal->pMethods != nullptr &&
        wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK &&
        error != 0) {
      return error;
    }
  }
  const int code = extended_code & 0xff;
  return code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
}

}  // namespace

absl::Status SqliteError(sqlite3* db, const std::string& file, const std::string& doing) {
  const int extended = sqlite3_extended_errcode(db);
  const int code = extended & 0xff;
  const int system = SystemError(db, extended);
  const std::string message =
      absl::StrCat(file, ": ", doing, " failed: ", sqlite3_errmsg(db), " (SQLite code ", extended,
                   system == 0 ? "" : absl::StrCat(", ", std::strerror(system)), ")");
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
