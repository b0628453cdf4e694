// Journal: events on disk, in order.
#ifndef HALVING_SERVER_STORE_JOURNAL_H_
#define HALVING_SERVER_STORE_JOURNAL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/events.h"

namespace halving {

// A copy of a journal in the making. The file goes with the object; nothing of it is left behind.
// To be stepped by the journal's thread; thread-compatible from then on.
class JournalBackup {
 public:
  virtual ~JournalBackup() = default;

  // Copies a slice, a few milliseconds' worth. True once the copy is whole: it then holds all that
  // was appended before this call. RESOURCE_EXHAUSTED: the disk has no room for it. After any error
  // the copy is worthless.
  virtual absl::StatusOr<bool> Step() = 0;

  // Where it lies: a journal of its own, which can be verified and restored.
  virtual const std::string& file() const = 0;
};

// The events of studies that have ended, put together so that they take less room on disk and are
// read faster. To be stepped by the journal's thread, and not to outlive the journal; whenever it
// ends, the journal gives back the same events as before, though those of one study at another
// place among those of others.
class JournalCompaction {
 public:
  virtual ~JournalCompaction() = default;

  // Does a slice, a few milliseconds' worth. True once all is done. RESOURCE_EXHAUSTED: the disk is
  // full; what was done stays. Any other error: as of Journal::Append().
  virtual absl::StatusOr<bool> Step() = 0;

  // Events of this study were appended since: it is left as it is. To be called before the next
  // step.
  virtual void Exclude(StudyUid study) = 0;
};

// What of a journal is to be compacted.
struct CompactionPlan {
  std::vector<StudyUid> ended;    // Their events are kept.
  std::vector<StudyUid> deleted;  // Of their events only StudyDeleted is kept.
};

// Journal keeps the durable events and gives them back in the order they came. It knows nothing of
// what they mean. Thread-compatible: the Engine's thread owns it once the server runs.
class Journal {
 public:
  virtual ~Journal() = default;

  // Appends all of `events`, or none; on OK they have reached the disk. They must be durable kinds.
  // RESOURCE_EXHAUSTED: the disk is full, nothing was written, and the same append may be tried
  // again. Any other error: what the disk holds is unknown, and only a restart can tell.
  virtual absl::Status Append(const std::vector<Event>& events) = 0;

  // Calls `apply` for each event since the beginning, on one thread, which need not be the
  // caller's, and no more once this has returned. DATA_LOSS when one is not what was written.
  virtual absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) = 0;

  // Appends may go on between the steps of the copy. It must not outlive the journal before it is
  // whole. RESOURCE_EXHAUSTED: there is no room beside the journal.
  virtual absl::StatusOr<std::unique_ptr<JournalBackup>> StartBackup() = 0;

  virtual bool IsCompactable() const { return false; }
  // One at a time, of a journal that is compactable. RESOURCE_EXHAUSTED: the disk is full.
  virtual absl::StatusOr<std::unique_ptr<JournalCompaction>> StartCompaction(
      const CompactionPlan& /*plan*/) {
    return absl::UnimplementedError("this journal is not compacted");
  }
  // Whether a compaction was broken off, so that one with an empty plan has something to do.
  virtual bool CompactionPending() const { return false; }
  // The studies whose events were compacted. After a replay, without those that went on since.
  virtual std::vector<StudyUid> CompactedStudies() const { return {}; }

  // 32 random bytes, made with the journal and anew when a backup is restored: the key of its lease
  // ids.
  virtual const std::string& secret() const = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_JOURNAL_H_
