// `halving-server verify`, `restore` and `admin-token`.
#ifndef HALVING_SERVER_DAEMON_OFFLINE_COMMANDS_H_
#define HALVING_SERVER_DAEMON_OFFLINE_COMMANDS_H_

#include "absl/status/status.h"
#include "server/daemon/options.h"

namespace halving {

// Of a journal, or a directory, that cannot be used.
ExitCode JournalExitCode(const absl::Status& status);

// Reads options.file, or the journal of the data directory, whole and says what is in it.
ExitCode RunVerify(const ServerOptions& options);

// Puts the backup options.file into the data directory.
ExitCode RunRestore(const ServerOptions& options);

// Makes an admin token in the data directory.
ExitCode RunAdminToken(const ServerOptions& options);

}  // namespace halving

#endif  // HALVING_SERVER_DAEMON_OFFLINE_COMMANDS_H_
