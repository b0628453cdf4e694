// SqliteCompaction: puts the events of studies that have ended into few rows, while the journal is
// written.
#ifndef HALVING_SERVER_STORE_SQLITE_COMPACTION_H_
#define HALVING_SERVER_STORE_SQLITE_COMPACTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/journal.h"
#include "server/store/journal_rows.h"
#include "server/store/sqlite_journal.h"
#include "server/store/sqlite_statement.h"

namespace halving {

// In this order, each in slices of one transaction:
//
//   pack    reads all rows up to the last one of now, and appends the events of each study as packs
//   mark    says of all of these studies at once that from now on their packs count, and not their
//           rows; until then whoever reads the journal passes the packs over
//   sweep   removes the rows that do not count; the last one of those that stand together stays as
//           a gap, so that the chain of hashes goes on behind it
//   forget  what there was to know of studies that were deleted
//
// Whatever it is broken off by, the journal stays whole; a later compaction sweeps up.
// Thread-compatible, as its journal.
class SqliteCompaction : public JournalCompaction {
 public:
  // `journal` is not owned and must outlive it.
  static absl::StatusOr<std::unique_ptr<JournalCompaction>> Start(SqliteJournal* journal,
                                                                  const CompactionPlan& plan);

  absl::StatusOr<bool> Step() override;
  void Exclude(StudyUid study) override;

 private:
  enum class Phase { kPack, kFlush, kMark, kSweep, kForget, kDone };
  struct Row {
    int64_t seq = 0;
    std::string data;
    std::string chain;
  };
  // Rows that stand together and are gone, or will be.
  struct Run {
    int64_t first = 0;
    int64_t last = 0;
    std::string chain;     // Of the last one.
    bool changed = false;  // The file does not say so yet.
  };

  SqliteCompaction(SqliteJournal* journal, const CompactionPlan& plan);

  absl::Status MakeTable();
  // The next rows behind position_, up to `upto`; moves position_.
  absl::StatusOr<std::vector<Row>> ReadSlice(int64_t upto);
  absl::Status PackSlice();
  // Adds the packs that are full to `packs`.
  absl::Status PackRow(const Row& row, std::vector<std::string>* packs);
  void PackEvent(StudyUid study, absl::string_view event, std::vector<std::string>* packs);
  std::string TakePack(StudyUid study);
  absl::Status FlushSome();
  absl::Status Mark();
  absl::Status WritePacked(const absl::btree_map<StudyUid, SqliteJournal::Packed>& packed);
  absl::Status SweepSlice();
  absl::Status SweepRow(const Row& row);
  absl::StatusOr<bool> MayGo(const Row& row, const RowHead& head) const;
  absl::Status WriteRun();
  absl::Status Forget();
  void Enter(Phase phase);

  SqliteJournal& journal_;
  absl::btree_set<StudyUid> ended_;
  const std::vector<StudyUid> deleted_;
  Phase phase_ = Phase::kPack;
  int64_t upto_ = 0;       // The last row that this phase looks at.
  int64_t pack_upto_ = 0;  // As it was for the packs.
  int64_t position_ = 0;   // The last row that it has looked at.
  ChainWalk walk_;         // Of the rows that were packed.
  absl::btree_map<StudyUid, Packer> packers_;
  size_t waiting_bytes_ = 0;  // In all of them.
  std::optional<Run> run_;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_COMPACTION_H_
