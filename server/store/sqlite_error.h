// What went wrong in SQLite, as an absl::Status.
#ifndef HALVING_SERVER_STORE_SQLITE_ERROR_H_
#define HALVING_SERVER_STORE_SQLITE_ERROR_H_

#include <string>

#include "absl/status/status.h"

struct sqlite3;

namespace halving {

// What the last failing call on `db` means; `file` and `doing` say what it was about.
// RESOURCE_EXHAUSTED: no room, and nothing was written. DATA_LOSS: the file is damaged.
// PERMISSION_DENIED, FAILED_PRECONDITION: it cannot be opened, or is in use. INTERNAL: anything
// else; what the disk holds is then unknown.
absl::Status SqliteError(sqlite3* db, const std::string& file, const std::string& doing);

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_ERROR_H_
