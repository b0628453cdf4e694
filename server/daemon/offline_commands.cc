#include "server/daemon/offline_commands.h"

#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "server/access/access.h"
#include "server/engine/offline.h"

namespace halving {
namespace {

ExitCode Fail(const absl::Status& status) {
  std::cerr << "error: " << status.message() << std::endl;
  return JournalExitCode(status);
}

std::string Count(int64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

std::string Describe(const JournalReport& report) {
  return absl::StrCat(Count(report.events, "event", "events"), ", ",
                      Count(report.studies, "study", "studies"), ", ",
                      Count(report.trials, "trial", "trials"), ", of which ", report.running,
                      " running, ", Count(report.results, "result", "results"));
}

// Against a server that starts meanwhile. NOT_FOUND: there is none, and none is made.
absl::StatusOr<DataDirectory> LockExisting(const std::string& path) {
  if (!std::filesystem::is_directory(path)) {
    return absl::NotFoundError(
        absl::StrCat("there is no data directory ", path, "; name it by --data-dir"));
  }
  return DataDirectory::Lock(path);
}

}  // namespace

ExitCode JournalExitCode(const absl::Status& status) {
  return absl::IsDataLoss(status) ? kExitDamaged : kExitDataDir;
}

ExitCode RunVerify(const ServerOptions& options) {
  std::string file = options.file;
  std::optional<DataDirectory> held;
  if (file.empty()) {
    absl::StatusOr<DataDirectory> directory = LockExisting(options.data_dir);
    if (!directory.ok()) return Fail(directory.status());
    held.emplace(*std::move(directory));
    file = held->journal_file();
  }
  const absl::StatusOr<JournalReport> report = VerifyJournal(file);
  if (!report.ok()) return Fail(report.status());
  std::cout << file << " is whole: " << Describe(*report) << std::endl;
  return kExitOk;
}

ExitCode RunAdminToken(const ServerOptions& options) {
  const absl::StatusOr<DataDirectory> directory = LockExisting(options.data_dir);
  if (!directory.ok()) return Fail(directory.status());
  const absl::Status made = Access::MakeAdminToken(options.data_dir, Clock::Real());
  if (!made.ok()) return Fail(made);
  std::cout << "a new admin token is in " << Access::AdminTokenFile(options.data_dir) << std::endl;
  return kExitOk;
}

ExitCode RunRestore(const ServerOptions& options) {
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(options.data_dir);
  if (!directory.ok()) return Fail(directory.status());
  const absl::StatusOr<JournalReport> report =
      RestoreJournal(options.file, *directory, Clock::Real());
  if (!report.ok()) return Fail(report.status());
  std::cout << "restored into " << options.data_dir << ": " << Describe(*report)
            << (report->running > 0 ? ". What ran is queued again; no failure is charged" : "")
            << "\nNext: halving-server --data-dir " << options.data_dir
            << " --forget-checkpoints\n(a backup holds no checkpoints; without the flag, if you "
               "copied them into "
            << options.data_dir << "/checkpoints)" << std::endl;
  return kExitOk;
}

}  // namespace halving
