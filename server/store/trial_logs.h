// TrialLogs: keeps what trainers printed, as far as that costs nobody anything.
#ifndef HALVING_SERVER_STORE_TRIAL_LOGS_H_
#define HALVING_SERVER_STORE_TRIAL_LOGS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "server/store/trial_log_table.h"

namespace halving {

// Lines wait in memory, at most some MiB of them, until a thread of its own writes them to a
// database: once a second, or when much has come in. Nothing here is a promise, and nothing fails:
// what does not fit is dropped, and a database that cannot be used is renamed and begun anew.
//
// Thread-safe. Append() and Forget() never wait for the disk; the others do.
class TrialLogs {
 public:
  struct Options {
    TrialLogTable::Options table;
    // Told once what goes wrong, and again after it went well; may be called by any thread, must
    // not call back.
    std::function<void(const std::string&)> warn;
  };

  // Opens or makes the database in a directory that the caller holds.
  TrialLogs(std::string file, Options options);
  // Stops.
  ~TrialLogs();
  TrialLogs(const TrialLogs&) = delete;
  TrialLogs& operator=(const TrialLogs&) = delete;

  // Lines that are known already, by their attempt and number, are passed over.
  void Append(PrintedLines printed) ABSL_LOCKS_EXCLUDED(mu_);

  // The study was deleted.
  void Forget(StudyUid study) ABSL_LOCKS_EXCLUDED(mu_);
  // Those that were deleted without a word: all but these. In order.
  void ForgetAllBut(const absl::btree_set<StudyUid>& studies) ABSL_LOCKS_EXCLUDED(db_mu_, mu_);

  // All that came in before and is kept, in order of attempts and numbers. Some 64 KiB a trial.
  std::vector<KeptLines> Read(StudyUid study, TrialId trial) ABSL_LOCKS_EXCLUDED(db_mu_, mu_);

  // Writes what waits.
  void Flush() ABSL_LOCKS_EXCLUDED(db_mu_, mu_);

  // The same, and ends the thread. What comes later waits in vain.
  void Stop() ABSL_LOCKS_EXCLUDED(db_mu_, mu_);

 private:
  struct Waiting {
    std::vector<PrintedLines> printed;
    std::vector<StudyUid> forget;
    int64_t bytes = 0;

    bool empty() const { return printed.empty() && forget.empty(); }
  };

  void Loop() ABSL_LOCKS_EXCLUDED(db_mu_, mu_);
  bool AwaitWork() ABSL_LOCKS_EXCLUDED(mu_);  // False: stopping.
  void WriteWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Write(const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  // Makes sure that there is a table, or says why there is none.
  absl::Status Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  // Gives up a table that cannot be used, and begins anew.
  absl::Status BeginAnew(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  void Note(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  void Warn(const std::string& what) const;

  const std::string file_;
  const Options options_;

  Mutex db_mu_;                                                   // Before mu_.
  std::unique_ptr<TrialLogTable> table_ ABSL_GUARDED_BY(db_mu_);  // Null: it cannot be opened.
  bool warned_ ABSL_GUARDED_BY(db_mu_) = false;

  Mutex mu_;
  CondVar changed_;
  Waiting waiting_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_TRIAL_LOGS_H_
