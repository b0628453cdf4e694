#include "server/store/sqlite_compaction.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/store/sqlite_statement.h"

namespace halving {
namespace {

constexpr int64_t kRowsPerStep = 500;
constexpr size_t kBytesPerStep = 1 << 20;  // Or a few bytes more.
constexpr int kPacksPerStep = 16;
// Large enough to deflate well, and small enough to be made in a few milliseconds.
constexpr size_t kPackBytes = 64 << 10;
// Of events that wait for their packs, of all studies together.
constexpr size_t kMostWaitingBytes = 16 << 20;
// What stays free on the disk beside what the packs may take, for the appends of workers.
constexpr uint64_t kLeftFreeBytes = 64 << 20;

// A pack takes a quarter of its rows, or less.
absl::Status CheckRoom(const std::string& file) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(file, error) / 4 + kLeftFreeBytes;
  const auto space = std::filesystem::space(std::filesystem::path(file).parent_path(), error);
  if (error || space.available >= bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("a compaction of ", file, " needs ", bytes >> 20,
                                                   " MiB, but the disk has ", space.available >> 20,
                                                   " MiB"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalCompaction>> SqliteCompaction::Start(
    SqliteJournal* journal, const CompactionPlan& plan) {
  if (!plan.ended.empty()) HV_RETURN_IF_ERROR(CheckRoom(journal->file_));
  std::unique_ptr<SqliteCompaction> compaction(new SqliteCompaction(journal, plan));
  HV_RETURN_IF_ERROR(compaction->MakeTable());
  compaction->Enter(Phase::kPack);
  compaction->pack_upto_ = compaction->upto_;
  return compaction;
}

SqliteCompaction::SqliteCompaction(SqliteJournal* journal, const CompactionPlan& plan)
    : journal_(*journal),
      ended_(plan.ended.begin(), plan.ended.end()),
      deleted_(plan.deleted),
      walk_(journal->secret_) {}

// Older versions cannot read a journal that was compacted, and from then on say so.
absl::Status SqliteCompaction::MakeTable() {
  return journal_.Transact([this] {
    HV_RETURN_IF_ERROR(
        journal_.Run("CREATE TABLE IF NOT EXISTS packed (study INTEGER PRIMARY KEY, upto INTEGER "
                     "NOT NULL, deleted INTEGER NOT NULL)"));
    return journal_.Run(
        absl::StrCat("PRAGMA user_version = ", SqliteJournal::kSchemaVersion).c_str());
  });
}

void SqliteCompaction::Enter(Phase phase) {
  phase_ = phase;
  position_ = 0;
  upto_ = journal_.last_seq_;
}

absl::StatusOr<bool> SqliteCompaction::Step() {
  switch (phase_) {
    case Phase::kPack:
      HV_RETURN_IF_ERROR(PackSlice());
      break;
    case Phase::kFlush:
      HV_RETURN_IF_ERROR(FlushSome());
      break;
    case Phase::kMark:
      HV_RETURN_IF_ERROR(Mark());
      break;
    case Phase::kSweep:
      HV_RETURN_IF_ERROR(SweepSlice());
      break;
    case Phase::kForget:
      HV_RETURN_IF_ERROR(Forget());
      break;
    case Phase::kDone:
      break;
  }
  return phase_ == Phase::kDone;
}

void SqliteCompaction::Exclude(StudyUid study) {
  if (phase_ > Phase::kMark) return;  // What counts of it then stands behind its packs.
  ended_.erase(study);
  const auto packer = packers_.find(study);
  if (packer == packers_.end()) return;
  waiting_bytes_ -= packer->second.bytes();
  packers_.erase(packer);
}

absl::StatusOr<std::vector<SqliteCompaction::Row>> SqliteCompaction::ReadSlice(int64_t upto) {
  const SqliteStatement select(
      journal_.db_,
      "SELECT seq, data, chain FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
  sqlite3_bind_int64(select.get(), 1, position_);
  sqlite3_bind_int64(select.get(), 2, upto);
  sqlite3_bind_int64(select.get(), 3, kRowsPerStep);
  std::vector<Row> rows;
  size_t bytes = 0;
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW && bytes < kBytesPerStep; step = sqlite3_step(select.get())) {
    bytes += select.Blob(1).size();
    rows.push_back({.seq = sqlite3_column_int64(select.get(), 0),
                    .data = std::string(select.Blob(1)),
                    .chain = std::string(select.Blob(2))});
  }
  if (step != SQLITE_DONE && step != SQLITE_ROW) return journal_.Error("reading");
  position_ = rows.empty() ? upto : rows.back().seq;
  return rows;
}

// ---- pack

absl::Status SqliteCompaction::PackSlice() {
  if (ended_.empty()) {
    Enter(Phase::kMark);
    return absl::OkStatus();
  }
  HV_ASSIGN_OR_RETURN(const std::vector<Row> rows, ReadSlice(upto_));
  if (rows.empty()) {
    Enter(Phase::kFlush);
    return absl::OkStatus();
  }
  std::vector<std::string> packs;
  for (const Row& row : rows) {
    // What was damaged since the start must not get a new hash.
    if (!walk_.Next(row.seq, row.data, row.chain)) return journal_.LostRow(row.seq);
    HV_RETURN_IF_ERROR(PackRow(row, &packs));
  }
  while (waiting_bytes_ > kMostWaitingBytes) {
    const auto largest = std::max_element(
        packers_.begin(), packers_.end(),
        [](const auto& a, const auto& b) { return a.second.bytes() < b.second.bytes(); });
    packs.push_back(TakePack(largest->first));
  }
  if (packs.empty()) return absl::OkStatus();
  return journal_.Transact([&] {
    for (const std::string& pack : packs) HV_RETURN_IF_ERROR(journal_.InsertRow(pack));
    return absl::OkStatus();
  });
}

absl::Status SqliteCompaction::PackRow(const Row& row, std::vector<std::string>* packs) {
  HV_ASSIGN_OR_RETURN(const RowHead head, ReadRowHead(row.data));
  if (head.kind == RowKind::kGap || !ended_.contains(head.study)) return absl::OkStatus();
  if (head.kind != RowKind::kPack) {
    if (!journal_.IsVoid(row.seq, head.study)) PackEvent(head.study, row.data, packs);
    return absl::OkStatus();
  }
  HV_ASSIGN_OR_RETURN(const Pack pack, DecodePack(row.data));
  if (!journal_.IsValidPack(row.seq, pack.study, pack.upto)) return absl::OkStatus();
  for (const std::string& event : pack.events) PackEvent(head.study, event, packs);
  return absl::OkStatus();
}

void SqliteCompaction::PackEvent(StudyUid study, absl::string_view event,
                                 std::vector<std::string>* packs) {
  Packer& packer = packers_[study];
  const size_t before = packer.bytes();
  packer.Add(event);
  waiting_bytes_ += packer.bytes() - before;
  if (packer.bytes() >= kPackBytes) packs->push_back(TakePack(study));
}

std::string SqliteCompaction::TakePack(StudyUid study) {
  Packer& packer = packers_[study];
  waiting_bytes_ -= packer.bytes();
  return packer.Take(study, pack_upto_);
}

absl::Status SqliteCompaction::FlushSome() {
  if (packers_.empty()) {
    Enter(Phase::kMark);
    return absl::OkStatus();
  }
  return journal_.Transact([this] {
    for (int i = 0; i < kPacksPerStep && !packers_.empty(); ++i) {
      const auto first = packers_.begin();
      if (!first->second.empty()) {
        HV_RETURN_IF_ERROR(journal_.InsertRow(TakePack(first->first)));
      }
      packers_.erase(first);
    }
    return absl::OkStatus();
  });
}

// ---- mark

absl::Status SqliteCompaction::Mark() {
  absl::btree_map<StudyUid, SqliteJournal::Packed> packed = journal_.packed_;
  for (const StudyUid study : ended_) packed[study] = {.upto = pack_upto_};
  for (const StudyUid study : deleted_) packed[study] = {.upto = pack_upto_, .deleted = true};
  HV_RETURN_IF_ERROR(journal_.Transact([&] {
    HV_RETURN_IF_ERROR(WritePacked(packed));
    return journal_.SetMeta("compacting", "1");
  }));
  journal_.packed_ = std::move(packed);
  for (const StudyUid study : ended_) journal_.went_on_.erase(study);
  journal_.compaction_pending_ = true;
  Enter(Phase::kSweep);
  return absl::OkStatus();
}

absl::Status SqliteCompaction::WritePacked(
    const absl::btree_map<StudyUid, SqliteJournal::Packed>& packed) {
  HV_RETURN_IF_ERROR(journal_.Run("DELETE FROM packed"));
  const SqliteStatement insert(journal_.db_, "INSERT INTO packed VALUES (?, ?, ?)");
  for (const auto& [study, entry] : packed) {
    sqlite3_bind_int64(insert.get(), 1, study);
    sqlite3_bind_int64(insert.get(), 2, entry.upto);
    sqlite3_bind_int(insert.get(), 3, entry.deleted ? 1 : 0);
    HV_RETURN_IF_ERROR(journal_.Step(insert.get(), "writing"));
  }
  return packed.empty() ? journal_.Run("DELETE FROM meta WHERE name = 'packed'")
                        : journal_.SetMeta("packed", journal_.PackedHash(packed));
}

// ---- sweep

absl::Status SqliteCompaction::SweepSlice() {
  HV_ASSIGN_OR_RETURN(const std::vector<Row> rows, ReadSlice(upto_));
  if (rows.empty()) {
    run_.reset();
    Enter(Phase::kForget);
    return absl::OkStatus();
  }
  return journal_.Transact([&] {
    for (const Row& row : rows) HV_RETURN_IF_ERROR(SweepRow(row));
    return WriteRun();  // It may go on in the next slice.
  });
}

absl::Status SqliteCompaction::SweepRow(const Row& row) {
  HV_ASSIGN_OR_RETURN(const RowHead head, ReadRowHead(row.data));
  HV_ASSIGN_OR_RETURN(const bool may_go, MayGo(row, head));
  if (!may_go) {
    HV_RETURN_IF_ERROR(WriteRun());
    run_.reset();
    return absl::OkStatus();
  }
  int64_t first = row.seq;
  const bool is_gap = head.kind == RowKind::kGap;
  if (is_gap) {
    HV_ASSIGN_OR_RETURN(first, DecodeGap(row.data));
  }
  if (!run_.has_value()) {
    run_ = Run{.first = first, .changed = !is_gap};
  } else {
    run_->changed = true;
  }
  run_->last = row.seq;
  run_->chain = row.chain.substr(0, kChainBytes);
  return absl::OkStatus();
}

absl::StatusOr<bool> SqliteCompaction::MayGo(const Row& row, const RowHead& head) const {
  switch (head.kind) {
    case RowKind::kGap:
      return true;
    case RowKind::kStudyDeleted:  // Its uid must not be given out again.
      return false;
    case RowKind::kEvent:
    case RowKind::kStudyExtended:
      return journal_.IsVoid(row.seq, head.study);
    case RowKind::kPack: {
      HV_ASSIGN_OR_RETURN(const int64_t upto, DecodePackUpto(row.data));
      return !journal_.IsValidPack(row.seq, head.study, upto);
    }
  }
  return false;
}

absl::Status SqliteCompaction::WriteRun() {
  if (!run_.has_value() || !run_->changed) return absl::OkStatus();
  SqliteStatement remove(journal_.db_, "DELETE FROM events WHERE seq >= ? AND seq < ?");
  sqlite3_bind_int64(remove.get(), 1, run_->first);
  sqlite3_bind_int64(remove.get(), 2, run_->last);
  HV_RETURN_IF_ERROR(journal_.Step(remove.get(), "removing"));
  SqliteStatement update(journal_.db_, "UPDATE events SET data = ?, chain = ? WHERE seq = ?");
  const std::string data = EncodeGap(run_->first);
  const std::string chain = GapChain(run_->chain, run_->last, data);
  update.BindBlob(1, data);
  update.BindBlob(2, chain);
  sqlite3_bind_int64(update.get(), 3, run_->last);
  HV_RETURN_IF_ERROR(journal_.Step(update.get(), "removing"));
  run_->changed = false;
  return absl::OkStatus();
}

// ---- forget

absl::Status SqliteCompaction::Forget() {
  absl::btree_map<StudyUid, SqliteJournal::Packed> packed = journal_.packed_;
  absl::erase_if(packed, [](const auto& entry) { return entry.second.deleted; });
  HV_RETURN_IF_ERROR(journal_.Transact([&] {
    HV_RETURN_IF_ERROR(WritePacked(packed));
    return journal_.Run("DELETE FROM meta WHERE name = 'compacting'");
  }));
  journal_.packed_ = std::move(packed);
  journal_.compaction_pending_ = false;
  phase_ = Phase::kDone;
  return absl::OkStatus();
}

}  // namespace halving
