// CheckWal: finds damage in an SQLite write-ahead log that SQLite itself passes over in silence.
#ifndef HALVING_SERVER_STORE_WAL_CHECK_H_
#define HALVING_SERVER_STORE_WAL_CHECK_H_

#include <string>

#include "absl/status/status.h"

namespace halving {

// SQLite reads a -wal up to its first frame with a wrong checksum and forgets the rest, as it must
// where a write was torn. But nothing is ever written behind a torn frame, so a good frame behind a
// bad one shows that committed rows would be lost: DATA_LOSS. A bad last frame cannot be told from
// a torn one. OK when there is no such file. To be called before SQLite opens the database.
absl::Status CheckWal(const std::string& wal_path);

}  // namespace halving

#endif  // HALVING_SERVER_STORE_WAL_CHECK_H_
