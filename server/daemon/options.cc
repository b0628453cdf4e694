#include "server/daemon/options.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/duration_flag.h"
#include "common/rpc_versions.h"
#include "common/server_address.h"
#include "common/version.h"
#include "sqlite3.h"

namespace halving {
namespace {

constexpr char kFooter[] = R"(
Examples:
  halving-server                                  # 127.0.0.1:7070, data in ./halving-data
  halving-server --listen 0.0.0.0:7070 --tls-cert server.crt --tls-key server.key
  halving-server --listen 0.0.0.0:7070 --insecure # a private network, without TLS; tokens still
  halving-server --config /etc/halving/server.toml
  halving-server verify --data-dir /var/lib/halving
  halving-server restore backup.db --data-dir /var/lib/halving-2
  halving-server admin-token --data-dir /var/lib/halving

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

  CLI::App* token = app.add_subcommand(
      "admin-token",
      "Make a new admin token while the server is stopped; writes it to admin.token "
      "in --data-dir");
  token->fallthrough();
  token->callback([&options] { options.command = ServerCommand::kAdminToken; });
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

void AddSecurityOptions(CLI::App& app, ServerOptions& options) {
  app.add_option(
         "--tls-cert", options.tls.cert,
         "Certificate to serve TLS with (PEM, with those between it and the CA); read again "
         "when it changes")
      ->envname("HALVING_TLS_CERT")
      ->type_name("FILE");
  app.add_option("--tls-key", options.tls.key, "Its key")
      ->envname("HALVING_TLS_KEY")
      ->type_name("FILE");
  app.add_option("--tls-ca", options.tls.ca,
                 "CA that the certificates of workers and people must be of; without it none is "
                 "asked for")
      // Not HALVING_TLS_CA: a shell may have that for the commands that call a server.
      ->envname("HALVING_TLS_CLIENT_CA")
      ->type_name("FILE");
  app.add_flag("--insecure", options.insecure,
               "Serve plaintext beyond this machine: for a network where nobody listens")
      ->envname("HALVING_INSECURE");
  app.add_option("--auth", options.auth,
                 "tokens: each call needs one (halving token); off: everybody may do everything "
                 "[tokens when another machine can connect, else off]")
      ->envname("HALVING_AUTH")
      ->check(CLI::IsMember({"tokens", "off"}));
  app.add_option("--max-calls-per-second", options.max_calls_per_second,
                 "Calls that each token may make, unless it has a rate of its own; 0: any number")
      ->envname("HALVING_MAX_CALLS_PER_SECOND")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
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
  app.add_option("--max-study-checkpoints", options.max_study_checkpoints_bytes,
                 "What the checkpoints of one study may have together [what all may]")
      ->envname("HALVING_MAX_STUDY_CHECKPOINTS")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 60))
      ->type_name("SIZE");
}

}  // namespace

bool IsExposed(const ServerOptions& options) {
  return !IsLoopback(options.listen) || (options.http != "off" && !IsLoopback(options.http));
}

bool NeedsTokens(const ServerOptions& options) {
  return options.auth.empty() ? IsExposed(options) : options.auth == "tokens";
}

absl::Status CheckExposure(const ServerOptions& options) {
  if (!IsExposed(options) || !options.tls.cert.empty() || options.insecure) return absl::OkStatus();
  const bool grpc = !IsLoopback(options.listen);
  return absl::InvalidArgumentError(absl::StrCat(
      grpc ? "--listen is \"" : "--http is \"", grpc ? options.listen : options.http,
      "\", which other machines can reach, and there is no certificate, so that tokens and results "
      "would travel in clear text. Give --tls-cert and --tls-key (scripts/make-certs makes a "
      "private CA), or listen on 127.0.0.1, or say --insecure if nobody else is on that network"));
}

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
  app.add_option("--max-connections", options.max_connections,
                 "Most gRPC connections at a time, half of them from one address [three quarters "
                 "of the limit of open files, 32768 at most]")
      ->envname("HALVING_MAX_CONNECTIONS")
      ->check(CLI::Range(2, 1'000'000))
      ->type_name("N");
  app.add_option("--data-dir", options.data_dir, "Directory of the journal; made if missing")
      ->envname("HALVING_DATA_DIR")
      ->capture_default_str();
  AddHttpOptions(app, options);
  AddSecurityOptions(app, options);
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
