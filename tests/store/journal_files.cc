#include "tests/store/journal_files.h"

#include <sqlite3.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "common/check.h"
#include "common/status.h"

namespace halving {

absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenJournal(const std::string& directory) {
  absl::StatusOr<DataDirectory> locked = DataDirectory::Lock(directory);
  if (!locked.ok()) return locked.status();
  return SqliteJournal::Open(*std::move(locked));
}

OpenedJournal MustOpen(const std::string& directory) {
  absl::StatusOr<OpenedJournal> journal = OpenJournal(directory);
  HV_CHECK(journal.ok()) << journal.status();
  return *std::move(journal);
}

absl::StatusOr<std::vector<Event>> ReplayAll(Journal& journal) {
  std::vector<Event> events;
  HV_RETURN_IF_ERROR(journal.Replay([&events](const Event& event) { events.push_back(event); }));
  return events;
}

absl::StatusOr<std::vector<Event>> OpenAndReplay(const std::string& directory) {
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteJournal> journal, OpenJournal(directory));
  return ReplayAll(*journal);
}

void CopyJournal(const std::string& from, const std::string& to) {
  std::filesystem::create_directories(to);
  for (const char* name : {"/journal.db", "/journal.db-wal"}) {
    if (!std::filesystem::exists(from + name)) continue;
    std::filesystem::copy_file(from + name, to + name,
                               std::filesystem::copy_options::overwrite_existing);
  }
}

void RunSql(const std::string& file, const std::string& sql) {
  sqlite3* db = nullptr;
  HV_CHECK(sqlite3_open(file.c_str(), &db) == SQLITE_OK) << file;
  HV_CHECK(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
      << sql << ": " << sqlite3_errmsg(db);
  sqlite3_close(db);
}

void FlipBit(const std::string& file, uint64_t byte, int bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<int64_t>(byte));
  const int value = stream.get() ^ (1 << bit);
  stream.seekp(static_cast<int64_t>(byte));
  stream.put(static_cast<char>(value));
  HV_CHECK(stream.good()) << file << " byte " << byte;
}

FileSizeLimit::FileSizeLimit(uint64_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  HV_CHECK(getrlimit(RLIMIT_FSIZE, &before_) == 0) << "getrlimit";
  const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
  HV_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0) << "setrlimit";
}

FileSizeLimit::~FileSizeLimit() { HV_CHECK(setrlimit(RLIMIT_FSIZE, &before_) == 0) << "setrlimit"; }

}  // namespace halving
