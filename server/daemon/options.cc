#include "server/daemon/options.h"

#include "CLI/CLI.hpp"
#include "common/duration_flag.h"
#include "common/rpc_versions.h"
#include "common/version.h"
#include "sqlite3.h"

namespace halving {
namespace {

constexpr char kFooter[] = R"(
Examples:
  halving-server                                  # 127.0.0.1:7070, data in ./halving-data
  halving-server --listen 0.0.0.0:7070 --data-dir /var/lib/halving
  halving-server --http 0.0.0.0:7080 --http-host tuner.example.org
  halving-server --config /etc/halving/server.toml
  halving-server verify --data-dir /var/lib/halving
  halving-server restore backup.db --data-dir /var/lib/halving-2

Stop it with SIGTERM or Ctrl-C: it answers what is under way and exits with 0. A second signal ends
it at once; nothing that was acknowledged is lost either way.

Exit codes: 0 stopped; 2 usage; 3 the address cannot be bound; 4 the data directory is in use,
unreadable, or from a newer version; 5 the journal is damaged; 1 anything else.)";

std::string Version() {
  std::vector<LibraryVersion> libraries = RpcVersions();
  libraries.push_back({"SQLite", sqlite3_libversion()});
  return VersionText(std::string("halving-server ") + kVersion, libraries);
}

void AddOfflineCommands(CLI::App& app, ServerOptions& options) {
  CLI::App* verify = app.add_subcommand(
      "verify", "Read the journal of a stopped server, or a backup, whole; changes nothing");
  verify->fallthrough();
  verify->add_option("FILE", options.file, "A backup; without it, the journal in --data-dir")
      ->type_name("");
  verify->callback([&options] { options.command = ServerCommand::kVerify; });

  CLI::App* restore = app.add_subcommand(
      "restore", "Put a backup into a --data-dir that has no journal yet, all or nothing");
  restore->fallthrough();
  restore->add_option("FILE", options.file, "What `halving backup` wrote")
      ->required()
      ->type_name("");
  restore->callback([&options] { options.command = ServerCommand::kRestore; });
}

void AddSize(CLI::App& app, const std::string& name, const std::string& variable, int64_t& bytes,
             const std::string& what) {
  app.add_option(name, bytes, what)
      ->envname(variable)
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 60))
      ->type_name("SIZE")
      ->default_str(std::to_string(bytes >> 30) + "GiB");
}

void AddHttpOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--http", options.http,
                 "Address and port of the dashboard, its API and /metrics; off for none. The "
                 "default is done without when it is taken")
      ->envname("HALVING_HTTP")
      ->capture_default_str();
  app.add_option("--http-host", options.http_hosts,
                 "A name that the dashboard is reached by beside its addresses, localhost and this "
                 "machine's name; may be repeated")
      ->envname("HALVING_HTTP_HOST")
      ->delimiter(',')
      ->type_name("NAME");
}

void AddCheckpointOptions(CLI::App& app, ServerOptions& options) {
  app.add_option("--checkpoint-dir", options.checkpoint_dir,
                 "Directory of the checkpoints; on a file system that workers see under the same "
                 "flag, their bytes do not pass through the server [checkpoints in --data-dir]")
      ->envname("HALVING_CHECKPOINT_DIR");
  app.add_flag("--forget-checkpoints", options.forget_checkpoints,
               "Go on without the checkpoints that the journal knows, when their directory is new: "
               "after a backup was restored");
  AddSize(app, "--max-checkpoint-size", "HALVING_MAX_CHECKPOINT_SIZE", options.max_checkpoint_bytes,
          "Largest checkpoint that is taken");
  AddSize(app, "--max-checkpoint-total", "HALVING_MAX_CHECKPOINT_TOTAL",
          options.max_checkpoints_bytes, "What all checkpoints may have together");
  AddSize(app, "--keep-free", "HALVING_KEEP_FREE", options.keep_free_bytes,
          "What checkpoints leave free on their disk, for the journal");
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv) {
  ServerOptions options;
  CLI::App app("halving-server: holds the queue of successive-halving studies for GPU workers.");
  app.footer(kFooter);
  app.set_version_flag("--version", Version);
  app.set_config("--config", "", "Read options from this file (TOML or INI)");
  app.allow_config_extras(false);  // A misspelt line must not go unnoticed.
  app.add_option("--listen", options.listen, "Address and port to serve gRPC on; port 0 picks one")
      ->envname("HALVING_LISTEN")
      ->capture_default_str();
  app.add_option("--data-dir", options.data_dir, "Directory of the journal; made if missing")
      ->envname("HALVING_DATA_DIR")
      ->capture_default_str();
  AddHttpOptions(app, options);
  AddCheckpointOptions(app, options);
  AddDuration(&app, "--compact-after", &options.compact_after,
              "How long after a study's end its events take less room in the journal",
              absl::ZeroDuration())
      ->envname("HALVING_COMPACT_AFTER");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warn, error or off")
      ->envname("HALVING_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  AddOfflineCommands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {.exit_code = app.exit(error) == 0 ? kExitOk : kExitUsage};
  }
  options.http_given = app.get_option("--http")->count() > 0;
  return {.options = options};
}

}  // namespace halving
