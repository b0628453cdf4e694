// halving-server: wiring of journal, engine and gRPC, from start to a clean stop.
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/synchronization/mutex.h"
#include "common/chunk_memory.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/log.h"
#include "common/open_files.h"
#include "common/sd_notify.h"
#include "common/status.h"
#include "common/version.h"
#include "server/daemon/offline_commands.h"
#include "server/daemon/options.h"
#include "server/daemon/security.h"
#include "server/daemon/watchdog.h"
#include "server/dashboard/dashboard.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/service/checkpoint_keeper.h"
#include "server/service/grpc_server.h"
#include "server/store/checkpoint_store.h"
#include "server/store/sqlite_journal.h"
#include "server/store/trial_logs.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

// What calls under way get once a stop was asked for; long polls are answered at once.
constexpr absl::Duration kShutdownGrace = absl::Seconds(10);

int Fail(const absl::Status& status, int exit_code) {
  spdlog::error("{}", std::string(status.message()));
  return exit_code;
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Nobody stops serving for a manager that cannot be reached.
void SayTo(const SdNotifier& manager, absl::Status (SdNotifier::*what)() const) {
  const absl::Status said = (manager.*what)();
  if (!said.ok()) spdlog::warn("{}", std::string(said.message()));
}

// Blocks them for all threads, which inherit the mask; AwaitStop() takes them up.
void PrepareSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // A file size limit is a full disk, not a reason to die.
}

// Tells the service manager, if one started us, that the engine serves, and when it is to stop.
void AwaitStop(Engine* engine) {
  const SdNotifier manager = SdNotifier::TakeFromEnvironment();
  SayTo(manager, &SdNotifier::Ready);
  Watchdog watchdog(engine, manager);
  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  SayTo(manager, &SdNotifier::Stopping);
  spdlog::info("stopping: got {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  // A second one ends at once; nothing that was acknowledged depends on a clean stop.
  std::thread([signals] {
    int again = 0;
    sigwait(&signals, &again);
    _exit(kExitOther);
  }).detach();
}

absl::StatusOr<std::unique_ptr<CheckpointStore>> OpenStore(const ServerOptions& options,
                                                           const Journal& journal) {
  const std::string folder =
      options.checkpoint_dir.empty() ? options.data_dir + "/checkpoints" : options.checkpoint_dir;
  // Says which journal the files belong to, and nothing of the key.
  const std::string owner = absl::BytesToHexString(Sha256("owner of " + journal.secret()));
  return CheckpointStore::Open(folder, owner,
                               {.each_bytes = options.max_checkpoint_bytes,
                                .total_bytes = options.max_checkpoints_bytes,
                                .free_bytes = options.keep_free_bytes});
}

// Size of the journal with what waits beside it.
int64_t JournalBytes(const std::string& data_dir) {
  int64_t bytes = 0;
  for (const char* name : {"/journal.db", "/journal.db-wal"}) {
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(data_dir + name, error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

ServerMetrics::Sources SourcesOf(const ServerOptions& options, Engine* engine,
                                 CheckpointStore* store) {
  return {.engine = engine,
          .journal_bytes = [folder = options.data_dir] { return JournalBytes(folder); },
          .checkpoint_bytes = [store] { return store->total_bytes(); },
          .checkpoint_limit_bytes = options.max_checkpoints_bytes};
}

// Null: there is none, as it was asked for or as its usual address is taken.
absl::StatusOr<std::unique_ptr<Dashboard>> StartDashboard(const ServerOptions& options,
                                                          Access* access, const TlsWatcher* tls,
                                                          Dashboard::Parts parts) {
  if (options.http == "off") return nullptr;
  TlsSource certificates = HttpCertificates(options, tls);
  const bool encrypted = certificates != nullptr;
  absl::StatusOr<std::unique_ptr<Dashboard>> dashboard =
      Dashboard::Start({.listen = options.http,
                        .http = {.hosts = {options.http_hosts.begin(), options.http_hosts.end()},
                                 .authorize = HttpAuthorize(access),
                                 .tls = std::move(certificates)}},
                       std::move(parts));
  if (dashboard.ok()) {
    spdlog::info("dashboard on {}://{}", encrypted ? "https" : "http", (*dashboard)->address());
  } else if (!options.http_given) {
    spdlog::warn("no dashboard: {}", std::string(dashboard.status().message()));
    return nullptr;
  }
  return dashboard;
}

void SayHealth(bool serving) {
  serving ? spdlog::info("the journal can be written again")
          : spdlog::error("the disk is full: calls are refused until the journal can be written");
}

// Of the studies that there are.
std::unique_ptr<TrialLogs> OpenLogs(const ServerOptions& options, const Journal& journal,
                                    const Scheduler& scheduler) {
  auto logs = std::make_unique<TrialLogs>(
      options.data_dir + "/logs.db",
      TrialLogs::Options{.table = {.owner = Sha256("owner of logs " + journal.secret())},
                         .warn = [](const std::string& what) { spdlog::warn("{}", what); }});
  absl::btree_set<StudyUid> studies;
  for (const auto& [uid, study] : scheduler.studies()) studies.insert(uid);
  logs->ForgetAllBut(studies);
  return logs;
}

// They hear of what the engine writes until its end: to be made before it.
struct Observers {
  ServerMetrics metrics;
  std::optional<StudyFeeds> feeds;

  void Attach(Engine* engine) {
    feeds.emplace(engine);
    metrics.StartFrom(engine->scheduler());
    engine->AddObserver(&metrics);
    engine->AddObserver(&*feeds);
  }
};

// What is reached from outside.
struct Front {
  std::unique_ptr<GrpcServer> server;
  std::unique_ptr<Dashboard> dashboard;  // Null: there is none.
};

absl::StatusOr<Front> StartFront(const ServerOptions& options, const GrpcServer::Parts& parts,
                                 StudyFeeds* feeds, const Journal& journal) {
  Front front;
  HV_ASSIGN_OR_RETURN(front.server, GrpcServer::Start(options.listen, parts, journal.secret()));
  Engine* engine = parts.keeper->engine();
  HV_ASSIGN_OR_RETURN(
      front.dashboard,
      StartDashboard(options, parts.access, parts.tls,
                     {.engine = engine,
                      .channel = front.server->InProcessChannel(),
                      .feeds = feeds,
                      .metrics = parts.metrics,
                      .sources = SourcesOf(options, engine, parts.keeper->store())}));
  return front;
}

int Serve(const ServerOptions& options) {
  const absl::Status exposure = CheckExposure(options);
  if (!exposure.ok()) return Fail(exposure, kExitUsage);
  const absl::StatusOr<std::unique_ptr<TlsWatcher>> tls = WatchCertificates(options);
  if (!tls.ok()) return Fail(tls.status(), kExitUsage);
  absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(options.data_dir);
  if (!directory.ok()) return Fail(directory.status(), kExitDataDir);
  absl::StatusOr<std::unique_ptr<SqliteJournal>> journal =
      SqliteJournal::Open(*std::move(directory));
  if (!journal.ok()) return Fail(journal.status(), JournalExitCode(journal.status()));
  const absl::StatusOr<std::unique_ptr<Access>> access = OpenAccess(options);
  if (!access.ok()) return Fail(access.status(), kExitDataDir);
  Observers observers;
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(
      journal->get(), Clock::Real(),
      {.compact_after = options.compact_after,
       .quotas = {.checkpoint_bytes_per_study = options.max_study_checkpoints_bytes}});
  if (!engine.ok()) return Fail(engine.status(), JournalExitCode(engine.status()));

  observers.Attach(engine->get());
  absl::StatusOr<std::unique_ptr<CheckpointStore>> store = OpenStore(options, **journal);
  if (!store.ok()) return Fail(store.status(), kExitDataDir);
  absl::StatusOr<std::unique_ptr<CheckpointKeeper>> keeper =
      CheckpointKeeper::Create(engine->get(), store->get(), options.forget_checkpoints);
  if (!keeper.ok()) return Fail(keeper.status(), kExitDataDir);
  const std::unique_ptr<TrialLogs> logs = OpenLogs(options, **journal, (*engine)->scheduler());
  // However this ends: what the engine still has to say, it says to a keeper that is there.
  const absl::Cleanup stop = [&keeper, &engine] {
    (*keeper)->Stop();
    (*engine)->Stop();
  };
  absl::StatusOr<Front> front = StartFront(options,
                                           {keeper->get(), logs.get(), &observers.metrics,
                                            access->get(), tls->get(), options.max_connections},
                                           &*observers.feeds, **journal);
  if (!front.ok()) {
    return Fail(front.status(),
                absl::IsInvalidArgument(front.status()) ? kExitUsage : kExitAddress);
  }
  const auto& [server, dashboard] = *front;
  (*engine)->OnHealthChange([&](bool serving) {
    SayHealth(serving);
    front->server->SetServing(serving);
    observers.metrics.SetJournalWritable(serving);
    if (front->dashboard != nullptr) front->dashboard->SetJournalWritable(serving);
  });
  (*engine)->Start();
  spdlog::info("halving-server {} listening on {}, data in {}", kVersion, server->address(),
               options.data_dir);
  AwaitStop(engine->get());
  if (dashboard != nullptr) dashboard->SayBye();
  (*engine)->Drain();
  server->Shutdown(kShutdownGrace);
  if (dashboard != nullptr) dashboard->Stop();
  (*keeper)->Stop();
  (*engine)->Stop();
  logs->Stop();
  spdlog::info("stopped");
  return kExitOk;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  // gRPC's own messages repeat, in its words, what we say in ours. Whoever wants them sets it.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  const halving::ParsedOptions parsed = halving::ParseOptions(argc, argv);
  if (!parsed.options.has_value()) return parsed.exit_code;
  const absl::Status log = halving::InitLog(parsed.options->log_level);
  if (!log.ok()) {
    std::cerr << log.message() << std::endl;
    return halving::kExitUsage;
  }
  switch (parsed.options->command) {
    case halving::ServerCommand::kVerify:
      return halving::RunVerify(*parsed.options);
    case halving::ServerCommand::kRestore:
      return halving::RunRestore(*parsed.options);
    case halving::ServerCommand::kAdminToken:
      umask(S_IRWXG | S_IRWXO);
      return halving::RunAdminToken(*parsed.options);
    case halving::ServerCommand::kServe:
      break;
  }
  // Debian builds Abseil with it, and gRPC takes some ten locks a call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  umask(S_IRWXG | S_IRWXO);  // The key of the lease ids is in the journal.
  halving::PrepareSignals();
  halving::RaiseOpenFilesLimit();
  halving::KeepMemoryOfChunks();
  return halving::Serve(*parsed.options);
}
