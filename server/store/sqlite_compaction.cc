#include "server/store/sqlite_compaction.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/store/sqlite_statement.h"

namespace halving {
namespace {

constexpr int64_t kRowsPerStep = 500;
constexpr int kPacksPerStep = 16;
// Large enough to deflate well, and small enough to be made in a few milliseconds.
constexpr size_t kPackBytes = 64 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<JournalCompaction>> SqliteCompaction::Start(
    SqliteJournal* journal, const CompactionPlan& plan) {
  std::unique_ptr<SqliteCompaction> compaction(new SqliteCompaction(journal, plan));
  HV_RETURN_IF_ERROR(compaction->MakeTable());
  compaction->Enter(Phase::kPack);
  compaction->pack_upto_ = compaction->upto_;
  return compaction;
}

SqliteCompaction::SqliteCompaction(SqliteJournal* journal, const CompactionPlan& plan)
    : journal_(*journal), ended_(plan.ended.begin(), plan.ended.end()), deleted_(plan.deleted) {}

// Older versions cannot read a journal that was compacted, and from then on say so.
absl::Status SqliteCompaction::MakeTable() {
  return journal_.Transact([this] {
    HV_RETURN_IF_ERROR(
        journal_.Run("CREATE TABLE IF NOT EXISTS packed (study INTEGER PRIMARY KEY, upto INTEGER "
                     "NOT NULL, deleted INTEGER NOT NULL, hash BLOB NOT NULL)"));
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
  packers_.erase(study);
}

absl::StatusOr<std::vector<SqliteCompaction::Row>> SqliteCompaction::ReadSlice(int64_t upto) {
  const SqliteStatement select(
      journal_.db_,
      "SELECT seq, data, chain FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
  sqlite3_bind_int64(select.get(), 1, position_);
  sqlite3_bind_int64(select.get(), 2, upto);
  sqlite3_bind_int64(select.get(), 3, kRowsPerStep);
  std::vector<Row> rows;
  int step = sqlite3_step(select.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(select.get())) {
    rows.push_back({.seq = sqlite3_column_int64(select.get(), 0),
                    .data = std::string(select.Blob(1)),
                    .chain = std::string(select.Blob(2))});
  }
  if (step != SQLITE_DONE) return journal_.Error("reading");
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
  std::vector<StudyUid> full;
  for (const Row& row : rows) HV_RETURN_IF_ERROR(PackRow(row));
  for (const auto& [study, packer] : packers_) {
    if (packer.bytes() >= kPackBytes) full.push_back(study);
  }
  if (full.empty()) return absl::OkStatus();
  return journal_.Transact([&] {
    for (const StudyUid study : full) HV_RETURN_IF_ERROR(AppendPack(study));
    return absl::OkStatus();
  });
}

absl::Status SqliteCompaction::PackRow(const Row& row) {
  HV_ASSIGN_OR_RETURN(const RowHead head, ReadRowHead(row.data));
  if (head.kind == RowKind::kGap || !ended_.contains(head.study)) return absl::OkStatus();
  if (head.kind != RowKind::kPack) {
    if (!journal_.IsVoid(row.seq, head.study)) packers_[head.study].Add(row.data);
    return absl::OkStatus();
  }
  HV_ASSIGN_OR_RETURN(const Pack pack, DecodePack(row.data));
  if (!journal_.IsValidPack(row.seq, pack.study, pack.upto)) return absl::OkStatus();
  for (const std::string& event : pack.events) packers_[head.study].Add(event);
  return absl::OkStatus();
}

absl::Status SqliteCompaction::AppendPack(StudyUid study) {
  return journal_.InsertRow(packers_[study].Take(study, pack_upto_));
}

absl::Status SqliteCompaction::FlushSome() {
  if (packers_.empty()) {
    Enter(Phase::kMark);
    return absl::OkStatus();
  }
  return journal_.Transact([this] {
    for (int i = 0; i < kPacksPerStep && !packers_.empty(); ++i) {
      const auto first = packers_.begin();
      if (!first->second.empty()) HV_RETURN_IF_ERROR(AppendPack(first->first));
      packers_.erase(first);
    }
    return absl::OkStatus();
  });
}

// ---- mark

absl::Status SqliteCompaction::Mark() {
  HV_RETURN_IF_ERROR(journal_.Transact([this] {
    for (const StudyUid study : ended_) HV_RETURN_IF_ERROR(MarkOne(study, /*deleted=*/false));
    for (const StudyUid study : deleted_) HV_RETURN_IF_ERROR(MarkOne(study, /*deleted=*/true));
    return journal_.SetMeta("compacting", "1");
  }));
  for (const StudyUid study : ended_) journal_.packed_[study] = {.upto = pack_upto_};
  for (const StudyUid study : deleted_) {
    journal_.packed_[study] = {.upto = pack_upto_, .deleted = true};
  }
  journal_.compaction_pending_ = true;
  Enter(Phase::kSweep);
  return absl::OkStatus();
}

absl::Status SqliteCompaction::MarkOne(StudyUid study, bool deleted) {
  SqliteStatement insert(journal_.db_, "INSERT OR REPLACE INTO packed VALUES (?, ?, ?, ?)");
  const std::string hash = PackedHash(journal_.secret_, study, pack_upto_, deleted);
  sqlite3_bind_int64(insert.get(), 1, study);
  sqlite3_bind_int64(insert.get(), 2, pack_upto_);
  sqlite3_bind_int(insert.get(), 3, deleted ? 1 : 0);
  insert.BindBlob(4, hash);
  return journal_.Step(insert.get(), "writing");
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
  HV_RETURN_IF_ERROR(journal_.Transact([this] {
    HV_RETURN_IF_ERROR(journal_.Run("DELETE FROM packed WHERE deleted = 1"));
    return journal_.Run("DELETE FROM meta WHERE name = 'compacting'");
  }));
  absl::erase_if(journal_.packed_, [](const auto& entry) { return entry.second.deleted; });
  journal_.compaction_pending_ = false;
  phase_ = Phase::kDone;
  return absl::OkStatus();
}

}  // namespace halving
