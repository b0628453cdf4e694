#include "server/engine/offline.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/core/scheduler.h"
#include "server/store/sqlite_journal.h"

namespace halving {
namespace {

absl::StatusOr<JournalReport> Load(SqliteJournal& journal, const std::string& file,
                                   Scheduler& scheduler) {
  JournalReport report;
  HV_RETURN_IF_ERROR(journal.Replay([&](const Event& event) {
    ++report.events;
    scheduler.Apply(event);
  }));
  const absl::Status sound = scheduler.CheckInvariants();
  if (!sound.ok()) {
    return absl::DataLossError(absl::StrCat(
        file,
        ": its events are as they were written, but contradict each other: ", sound.message()));
  }
  for (const auto& [uid, study] : scheduler.studies()) {
    ++report.studies;
    report.trials += study->trials();
    report.results += study->evaluations();
    report.running += static_cast<int64_t>(study->running().size());
  }
  return report;
}

// Gives back what ran: whoever trains it holds a lease that is void from now on.
absl::Status EndLeases(SqliteJournal& journal, Scheduler& scheduler, absl::Time now) {
  scheduler.Recover(now);
  std::vector<LeaseKey> open;
  for (const auto& [uid, study] : scheduler.studies()) {
    for (const auto& [start, id] : study->running()) {
      open.push_back({.study = uid, .trial = id, .attempt = study->FindTrial(id)->attempts});
    }
  }
  std::vector<Event> events;
  for (const LeaseKey& lease : open) {
    const Returned returned = {.reason = "the server was restored from a backup"};
    HV_RETURN_IF_ERROR(
        scheduler.Execute(Report{.lease = lease, .outcome = returned}, now, &events).status());
  }
  std::erase_if(events, [](const Event& event) { return !IsDurable(event); });
  return journal.Append(events);
}

// Makes it durable that a file, or a directory's entry, is there.
absl::Status Sync(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FromErrno(errno, absl::StrCat("cannot open ", path));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : FromErrno(error, absl::StrCat("cannot sync ", path));
}

absl::Status Copy(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, error);
  if (!error) {
    std::filesystem::permissions(
        to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  }
  if (error) return FromErrno(error.value(), absl::StrCat("cannot copy ", from, " to ", to));
  return absl::OkStatus();
}

absl::Status Prepare(const std::string& file, absl::Time now) {
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteJournal> journal, SqliteJournal::OpenFile(file));
  Scheduler scheduler;
  HV_RETURN_IF_ERROR(Load(*journal, file, scheduler).status());
  HV_RETURN_IF_ERROR(EndLeases(*journal, scheduler, now));
  return journal->RenewSecret();
}

}  // namespace

absl::StatusOr<JournalReport> VerifyJournal(const std::string& file) {
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteJournal> journal,
                      SqliteJournal::OpenToRead(file));
  Scheduler scheduler;
  return Load(*journal, file, scheduler);
}

absl::StatusOr<JournalReport> RestoreJournal(const std::string& backup,
                                             const DataDirectory& directory, Clock* clock) {
  const std::string file = directory.journal_file();
  for (const char* suffix : {"", "-wal"}) {
    if (!std::filesystem::exists(file + suffix)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        file, suffix, " is there already, and a backup replaces no journal; move ", file,
        " and, where there is one, ", file, "-wal away together, or choose another --data-dir"));
  }
  HV_ASSIGN_OR_RETURN(const JournalReport report, VerifyJournal(backup));
  const std::string made = file + ".restoring";
  std::error_code error;
  if (std::filesystem::equivalent(backup, made, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(backup, " is what a restore that was killed left; name the backup itself"));
  }
  const auto remove_made = [&made] {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal"}) std::filesystem::remove(made + suffix, ignored);
  };
  remove_made();  // What a restore left that was killed.
  const absl::Cleanup sweep = remove_made;
  HV_RETURN_IF_ERROR(Copy(backup, made));
  // What a killed server left is a backup as well.
  if (std::filesystem::exists(backup + "-wal")) {
    HV_RETURN_IF_ERROR(Copy(backup + "-wal", made + "-wal"));
  }
  HV_RETURN_IF_ERROR(Prepare(made, clock->Now()));
  // SQLite removes it when it could be folded into the database, which alone is renamed.
  if (std::filesystem::exists(made + "-wal")) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there is no room to finish ", made, "; make some and restore again"));
  }
  HV_RETURN_IF_ERROR(Sync(made));
  std::filesystem::rename(made, file, error);
  if (error) return FromErrno(error.value(), absl::StrCat("cannot rename ", made));
  HV_RETURN_IF_ERROR(Sync(directory.path()));
  return report;
}

}  // namespace halving
