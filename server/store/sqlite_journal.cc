#include "server/store/sqlite_journal.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/crypto.h"
#include "common/pipeline_stage.h"
#include "common/random.h"
#include "common/status.h"
#include "server/store/event_codec.h"
#include "server/store/journal_rows.h"
#include "server/store/sqlite_backup.h"
#include "server/store/sqlite_compaction.h"
#include "server/store/sqlite_statement.h"
#include "server/store/wal_check.h"

namespace halving {
namespace {

constexpr int kApplicationId = 0x48414c56;  // "HALV".
constexpr size_t kSecretBytes = 32;
constexpr int kFoldAtPages = 1000;  // As SQLite itself would.
constexpr size_t kReplayedAtOnce = 1024;

// A name that nobody gives a copy of their own.
constexpr char kCopyPrefix[] = ".halving-copy-";

// Copies that a server did not live to hand over.
void SweepCopies(const DataDirectory& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path(), error)) {
    if (absl::StartsWith(entry.path().filename().string(), kCopyPrefix)) {
      std::filesystem::remove(entry.path(), error);
    }
  }
}

// What means something in a URI is written as %XX. https://www.sqlite.org/uri.html
std::string UriPath(const std::string& path) {
  return absl::StrReplaceAll(path, {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(DataDirectory directory) {
  SweepCopies(directory);
  std::string file = directory.journal_file();
  return OpenToWrite(
      std::unique_ptr<SqliteJournal>(new SqliteJournal(std::move(file), std::move(directory))));
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::OpenFile(const std::string& file) {
  return OpenToWrite(std::unique_ptr<SqliteJournal>(new SqliteJournal(file, std::nullopt)));
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::OpenToWrite(
    std::unique_ptr<SqliteJournal> journal) {
  HV_RETURN_IF_ERROR(CheckWal(journal->file_ + "-wal"));
  HV_RETURN_IF_ERROR(journal->Connect(journal->file_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  HV_ASSIGN_OR_RETURN(const bool made, journal->CheckOwner());
  HV_RETURN_IF_ERROR(journal->UseWal());
  if (!made) HV_RETURN_IF_ERROR(journal->MakeSchema());
  HV_RETURN_IF_ERROR(journal->CheckPages());
  HV_RETURN_IF_ERROR(journal->LoadState());
  return journal;
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::OpenToRead(const std::string& file) {
  auto journal = std::unique_ptr<SqliteJournal>(new SqliteJournal(file, std::nullopt));
  if (!std::filesystem::exists(file)) {
    return absl::NotFoundError(absl::StrCat("there is no journal ", file));
  }
  HV_RETURN_IF_ERROR(CheckWal(file + "-wal"));
  if (std::filesystem::exists(file + "-wal")) {
    // Only a connection that may write takes a -wal into account; this one leaves it as it is.
    HV_RETURN_IF_ERROR(journal->Connect(file, SQLITE_OPEN_READWRITE));
    HV_RETURN_IF_ERROR(journal->Run("PRAGMA query_only = 1"));
  } else {
    // Without "immutable" SQLite would make a -wal, and want to.
    HV_RETURN_IF_ERROR(journal->Connect(absl::StrCat("file:", UriPath(file), "?immutable=1"),
                                        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI));
  }
  HV_ASSIGN_OR_RETURN(const bool made, journal->CheckOwner());
  if (!made) return absl::NotFoundError(absl::StrCat(file, " is empty; it holds no journal"));
  HV_RETURN_IF_ERROR(journal->CheckPages());
  HV_RETURN_IF_ERROR(journal->LoadState());
  journal->read_only_ = true;
  return journal;
}

SqliteJournal::~SqliteJournal() {
  for (sqlite3_stmt* statement : {begin_, insert_, commit_}) sqlite3_finalize(statement);
  sqlite3_close(db_);  // If it is known to be whole: folds the -wal into it and removes that.
}

absl::Status SqliteJournal::Connect(const std::string& name, int flags) {
  if (sqlite3_open_v2(name.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    return Error("opening");
  }
  sqlite3_extended_result_codes(db_, 1);
  // What is damaged is left as it is, also when it is closed.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // EXCLUSIVE before WAL: the WAL index then lives in memory, and no second connection can exist.
  return Run("PRAGMA locking_mode = EXCLUSIVE");
}

absl::StatusOr<bool> SqliteJournal::CheckOwner() {
  HV_ASSIGN_OR_RETURN(const int64_t application, ReadNumber("PRAGMA application_id"));
  HV_ASSIGN_OR_RETURN(const int64_t version, ReadNumber("PRAGMA user_version"));
  HV_ASSIGN_OR_RETURN(const int64_t tables, ReadNumber("SELECT count(*) FROM sqlite_master"));
  if (tables > 0 && application != kApplicationId) {
    return absl::FailedPreconditionError(
        absl::StrCat(file_,
                     " is an SQLite database, but no journal of halving-server; choose "
                     "another --data-dir"));
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(file_, " has layout version ", version,
                     ", written by a newer halving-server; this one reads up to ", kSchemaVersion,
                     ". Start the newer one"));
  }
  return tables > 0;
}

absl::Status SqliteJournal::UseWal() {
  HV_ASSIGN_OR_RETURN(const std::string mode, ReadText("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return absl::FailedPreconditionError(absl::StrCat(
        file_, " stays in journal mode \"", mode,
        "\", it must be \"wal\"; is the data directory on a file system that can lock files?"));
  }
  // Instead of SQLite's own, which hides a failed sync. Fold() looks at the number.
  sqlite3_wal_hook(
      db_,
      [](void* pages, sqlite3*, const char*, int now) {
        *static_cast<int*>(pages) = now;
        return SQLITE_OK;
      },
      &wal_pages_);
  return Run("PRAGMA synchronous = FULL");
}

absl::Status SqliteJournal::MakeSchema() {
  HV_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  HV_RETURN_IF_ERROR(
      Run("CREATE TABLE events (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, "
          "chain BLOB NOT NULL)"));
  HV_RETURN_IF_ERROR(Run("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)"));
  HV_RETURN_IF_ERROR(SetMeta("secret", SecureRandomBytes(kSecretBytes)));
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA application_id = ", kApplicationId).c_str()));
  HV_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA user_version = ", kFirstSchemaVersion).c_str()));
  return Run("COMMIT");
}

// What the hashes do not cover: rows that a damaged page no longer lists.
absl::Status SqliteJournal::CheckPages() {
  HV_ASSIGN_OR_RETURN(const std::string found, ReadText("PRAGMA quick_check(1)"));
  if (found == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      file_, " is damaged: ", found, ". Nothing was changed; restore a backup of the directory"));
}

absl::Status SqliteJournal::LoadState() {
  HV_ASSIGN_OR_RETURN(secret_, ReadText("SELECT value FROM meta WHERE name = 'secret'"));
  HV_ASSIGN_OR_RETURN(
      const std::string restored,
      ReadText("SELECT coalesce(max(value), x'') FROM meta WHERE name = 'restored'"));
  lease_key_ = restored.empty() ? secret_ : HmacSha256(secret_, restored);
  const SqliteStatement last(db_, "SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1");
  const int step = sqlite3_step(last.get());
  if (step != SQLITE_ROW && step != SQLITE_DONE) return Error("reading");
  last_chain_ = secret_;
  if (step == SQLITE_ROW) {
    last_seq_ = sqlite3_column_int64(last.get(), 0);
    last_chain_ = std::string(last.Blob(1).substr(0, kChainBytes));
  }
  HV_RETURN_IF_ERROR(LoadPacked());
  HV_RETURN_IF_ERROR(Prepare("BEGIN IMMEDIATE", &begin_));
  HV_RETURN_IF_ERROR(Prepare("COMMIT", &commit_));
  return Prepare("INSERT INTO events (seq, data, chain) VALUES (?, ?, ?)", &insert_);
}

absl::Status SqliteJournal::LoadPacked() {
  HV_ASSIGN_OR_RETURN(const int64_t version, ReadNumber("PRAGMA user_version"));
  if (version == kFirstSchemaVersion) return absl::OkStatus();
  HV_ASSIGN_OR_RETURN(const int64_t pending,
                      ReadNumber("SELECT count(*) FROM meta WHERE name = 'compacting'"));
  compaction_pending_ = pending > 0;
  const SqliteStatement select(db_, "SELECT study, upto, deleted FROM packed ORDER BY study");
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
    packed_[sqlite3_column_int64(select.get(), 0)] = {
        .upto = sqlite3_column_int64(select.get(), 1),
        .deleted = sqlite3_column_int(select.get(), 2) != 0};
  }
  if (step != SQLITE_DONE) return Error("reading");
  HV_ASSIGN_OR_RETURN(const std::string hash,
                      ReadText("SELECT coalesce(max(value), x'') FROM meta WHERE name = 'packed'"));
  if (hash == (packed_.empty() ? "" : PackedHash(packed_))) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(file_,
                   ": what it says of compacted studies is not what was written (its checksum "
                   "differs). Nothing was changed; restore a backup of the data directory"));
}

std::string SqliteJournal::PackedHash(const absl::btree_map<StudyUid, Packed>& packed) const {
  std::string text;
  for (const auto& [study, entry] : packed) {
    absl::StrAppend(&text, study, " ", entry.upto, entry.deleted ? " deleted\n" : "\n");
  }
  return ChainHash(secret_, static_cast<int64_t>(packed.size()), text);
}

absl::StatusOr<std::unique_ptr<JournalCompaction>> SqliteJournal::StartCompaction(
    const CompactionPlan& plan) {
  return SqliteCompaction::Start(this, plan);
}

std::vector<StudyUid> SqliteJournal::CompactedStudies() const {
  std::vector<StudyUid> studies;
  for (const auto& [study, packed] : packed_) {
    if (!packed.deleted && !went_on_.contains(study)) studies.push_back(study);
  }
  return studies;
}

absl::Status SqliteJournal::Prepare(const char* sql, sqlite3_stmt** statement) {
  const int prepared =
      sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, nullptr);
  return prepared == SQLITE_OK ? absl::OkStatus() : Error("preparing");
}

absl::Status SqliteJournal::Step(sqlite3_stmt* statement, const char* doing) {
  absl::Status status = sqlite3_step(statement) == SQLITE_DONE ? absl::OkStatus() : Error(doing);
  sqlite3_reset(statement);
  return status;
}

absl::Status SqliteJournal::Append(const std::vector<Event>& events) {
  if (events.empty()) return absl::OkStatus();
  return Transact([&] {
    for (const Event& event : events) HV_RETURN_IF_ERROR(InsertRow(EncodeEvent(event)));
    return absl::OkStatus();
  });
}

absl::Status SqliteJournal::Transact(absl::FunctionRef<absl::Status()> body) {
  HV_RETURN_IF_ERROR(StartWriting());
  const int64_t seq_before = last_seq_;
  const std::string chain_before = last_chain_;
  absl::Status status = Step(begin_, "BEGIN IMMEDIATE");
  if (status.ok()) status = body();
  if (status.ok()) status = Step(commit_, "COMMIT");
  if (status.ok()) return Fold();
  last_seq_ = seq_before;
  last_chain_ = chain_before;
  wal_leftovers_ = true;
  // SQLite may have rolled back by itself. If it has not and cannot, the disk's state is unknown.
  if (sqlite3_get_autocommit(db_) == 0) {
    const absl::Status rolled_back = Run("ROLLBACK");
    if (!rolled_back.ok()) return absl::InternalError(rolled_back.message());
  }
  return status;
}

// The events are on disk already, so a full disk is no failure here: a later call finds room. After
// a failed append what is tried again covers what it left.
absl::Status SqliteJournal::Fold() {
  if (!wal_leftovers_ && wal_pages_ < kFoldAtPages) return absl::OkStatus();
  const absl::Status folded = FoldAll();
  return absl::IsResourceExhausted(folded) ? absl::OkStatus() : folded;
}

absl::Status SqliteJournal::FoldAll() {
  const int mode = wal_leftovers_ ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  if (sqlite3_wal_checkpoint_v2(db_, nullptr, mode, nullptr, nullptr) != SQLITE_OK) {
    return Error("folding the -wal into");
  }
  wal_leftovers_ = false;
  wal_pages_ = 0;
  return absl::OkStatus();
}

absl::Status SqliteJournal::InsertRow(absl::string_view data) {
  const int64_t seq = last_seq_ + 1;
  std::string chain = ChainHash(last_chain_, seq, data);
  sqlite3_bind_int64(insert_, 1, seq);
  sqlite3_bind_blob(insert_, 2, data.data(), static_cast<int>(data.size()), SQLITE_STATIC);
  sqlite3_bind_blob(insert_, 3, chain.data(), static_cast<int>(chain.size()), SQLITE_STATIC);
  HV_RETURN_IF_ERROR(Step(insert_, "writing"));
  last_seq_ = seq;
  last_chain_ = std::move(chain);
  return absl::OkStatus();
}

absl::Status SqliteJournal::Replay(absl::FunctionRef<void(const Event&)> apply) {
  // Events are applied while the next ones are read and checked: half of the work each.
  PipelineStage<std::vector<Event>> applying([apply](const std::vector<Event>& events) {
    for (const Event& event : events) apply(event);
    return absl::OkStatus();
  });
  std::vector<Event> events;
  const absl::Status status = ReadAll([&](Event event) {
    events.push_back(std::move(event));
    if (events.size() < kReplayedAtOnce) return;
    applying.Add(std::exchange(events, {})).IgnoreError();
  });
  applying.Add(std::move(events)).IgnoreError();
  applying.Flush().IgnoreError();
  HV_RETURN_IF_ERROR(status);
  if (read_only_) return absl::OkStatus();
  // Without room the journal can be read all the same; whoever appends is told.
  const absl::Status started = StartWriting();
  return absl::IsResourceExhausted(started) ? absl::OkStatus() : started;
}

absl::Status SqliteJournal::ReadAll(absl::FunctionRef<void(Event)> take) {
  const SqliteStatement select(db_, "SELECT seq, data, chain FROM events ORDER BY seq");
  ChainWalk walk(secret_);
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
    const int64_t seq = sqlite3_column_int64(select.get(), 0);
    const absl::string_view data = select.Blob(1);
    if (!walk.Next(seq, data, select.Blob(2))) return LostRow(walk.last() + 1);
    const absl::Status read = ReadRow(seq, data, take);
    if (!read.ok()) {
      return absl::Status(read.code(), absl::StrCat(file_, ": event ", seq, ": ", read.message()));
    }
  }
  return step == SQLITE_DONE ? absl::OkStatus() : Error("reading");
}

absl::Status SqliteJournal::ReadRow(int64_t seq, absl::string_view data,
                                    absl::FunctionRef<void(Event)> take) {
  HV_ASSIGN_OR_RETURN(const RowHead head, ReadRowHead(data));
  if (head.kind == RowKind::kGap) return absl::OkStatus();
  if (head.kind != RowKind::kPack) {
    if (head.kind != RowKind::kStudyDeleted && IsVoid(seq, head.study)) return absl::OkStatus();
    if (head.kind == RowKind::kStudyExtended) went_on_.insert(head.study);
    HV_ASSIGN_OR_RETURN(Event event, DecodeEvent(data));
    take(std::move(event));
    return absl::OkStatus();
  }
  HV_ASSIGN_OR_RETURN(const int64_t upto, DecodePackUpto(data));
  if (!IsValidPack(seq, head.study, upto)) return absl::OkStatus();
  HV_ASSIGN_OR_RETURN(const Pack pack, DecodePack(data));
  for (const std::string& packed : pack.events) {
    HV_ASSIGN_OR_RETURN(Event event, DecodeEvent(packed));
    take(std::move(event));
  }
  return absl::OkStatus();
}

bool SqliteJournal::IsValidPack(int64_t seq, StudyUid study, int64_t upto) const {
  const auto at = packed_.find(study);
  return at != packed_.end() && !at->second.deleted && at->second.upto == upto && seq > upto;
}

bool SqliteJournal::IsVoid(int64_t seq, StudyUid study) const {
  const auto at = packed_.find(study);
  return at != packed_.end() && seq <= at->second.upto;
}

absl::Status SqliteJournal::LostRow(int64_t seq) const {
  return absl::DataLossError(
      absl::StrCat(file_, ": event ", seq,
                   " is not the one that was written there (its checksum differs). Nothing was "
                   "changed; restore a backup of the data directory"));
}

// The journal is whole, or its caller has no need to know: from here on it is changed. What a
// killed process left behind in the -wal must be gone before: a shorter append over it would look
// like damage to the next start.
absl::Status SqliteJournal::StartWriting() {
  if (writing_) return absl::OkStatus();
  HV_RETURN_IF_ERROR(FoldAll());
  writing_ = true;
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<JournalBackup>> SqliteJournal::StartBackup() {
  const std::filesystem::path directory = std::filesystem::path(file_).parent_path();
  return SqliteBackup::Start(db_, directory / absl::StrCat(kCopyPrefix, ++backups_));
}

absl::Status SqliteJournal::RenewSecret() {
  HV_RETURN_IF_ERROR(StartWriting());
  const std::string restored = SecureRandomBytes(kSecretBytes);
  HV_RETURN_IF_ERROR(SetMeta("restored", restored));
  lease_key_ = HmacSha256(secret_, restored);
  return absl::OkStatus();
}

absl::Status SqliteJournal::SetMeta(const char* name, const std::string& value) {
  const SqliteStatement insert(db_, "INSERT OR REPLACE INTO meta VALUES (?, ?)");
  sqlite3_bind_text(insert.get(), 1, name, -1, SQLITE_STATIC);
  sqlite3_bind_blob(insert.get(), 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  return sqlite3_step(insert.get()) == SQLITE_DONE ? absl::OkStatus() : Error("writing");
}

absl::Status SqliteJournal::Run(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? absl::OkStatus()
                                                                        : Error(sql);
}

absl::StatusOr<int64_t> SqliteJournal::ReadNumber(const char* sql) {
  const SqliteStatement statement(db_, sql);
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return Error(sql);
  return sqlite3_column_int64(statement.get(), 0);
}

absl::StatusOr<std::string> SqliteJournal::ReadText(const char* sql) {
  const SqliteStatement statement(db_, sql);
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return Error(sql);
  return std::string(statement.Blob(0));
}

}  // namespace halving
