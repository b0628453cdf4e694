// What halving-server is told when it starts.
#ifndef HALVING_SERVER_DAEMON_OPTIONS_H_
#define HALVING_SERVER_DAEMON_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/tls_files.h"

namespace halving {

enum class ServerCommand { kServe, kVerify, kRestore, kAdminToken };

struct ServerOptions {
  ServerCommand command = ServerCommand::kServe;
  std::string listen = "127.0.0.1:7070";
  std::string http = "127.0.0.1:7080";  // "off": none.
  bool http_given = false;              // Not the default: to be had, or the start fails.
  std::vector<std::string> http_hosts;
  int max_connections = 0;  // 0: as many as the limit of open files leaves room for.
  std::string data_dir = "./halving-data";
  std::string checkpoint_dir;  // Empty: in data_dir.
  int64_t max_checkpoint_bytes = int64_t{16} << 30;
  int64_t max_checkpoints_bytes = int64_t{256} << 30;
  int64_t keep_free_bytes = int64_t{1} << 30;
  int64_t max_study_checkpoints_bytes = INT64_MAX;
  bool forget_checkpoints = false;  // That are missing in a checkpoint_dir that is new.
  absl::Duration compact_after = absl::Hours(1);
  TlsFiles tls;                     // No certificate: plaintext.
  bool insecure = false;            // Plaintext beyond loopback, too.
  std::string auth;                 // "tokens" or "off"; empty: tokens beyond loopback.
  double max_calls_per_second = 0;  // Of each token; 0: any number.
  std::string log_level = "info";
  std::string file;  // What to verify, or to restore; empty: the data directory's journal.
};

// Whether what is served can be reached from other machines.
bool IsExposed(const ServerOptions& options);
bool NeedsTokens(const ServerOptions& options);
// INVALID_ARGUMENT: secrets would travel in clear text, and nobody said that they may.
absl::Status CheckExposure(const ServerOptions& options);

// How the program ends. Operators and supervisors tell the reasons apart by these.
enum ExitCode : int {
  kExitOk = 0,
  kExitOther = 1,
  kExitUsage = 2,
  kExitAddress = 3,  // --listen or --http cannot be bound.
  kExitDataDir = 4,  // --data-dir is in use, unreadable, or no journal of ours.
  kExitDamaged = 5,  // The journal is damaged: restore a backup.
};

// Reads flags, HALVING_... variables and the --config file. Either options, or the exit code of a
// program that has said all it had to (help, version, a usage error).
struct ParsedOptions {
  std::optional<ServerOptions> options;
  int exit_code = kExitOk;
};
ParsedOptions ParseOptions(int argc, char** argv);

}  // namespace halving

#endif  // HALVING_SERVER_DAEMON_OPTIONS_H_
