// StudyIndex: one row for each study, for the page that lists them.
#ifndef HALVING_SERVER_DASHBOARD_STUDY_INDEX_H_
#define HALVING_SERVER_DASHBOARD_STUDY_INDEX_H_

#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "halving/v1/dashboard.pb.h"
#include "server/dashboard/trial_query.h"
#include "server/engine/engine.h"

namespace halving {

// Which studies, and how many of them.
struct OverviewQuery {
  PageQuery page;
  std::string text;                 // In the name or the objective.
  std::set<v1::StudyState> states;  // None: all.
  static absl::StatusOr<OverviewQuery> Parse(const QueryParams& params);
};

// Looks at the engine's studies at most once a second, some at a time, however many pages ask; of
// ended ones, which change no more, only once. Thread-safe.
class StudyIndex {
 public:
  // Not owned.
  explicit StudyIndex(Engine* engine) : engine_(engine) {}

  // UNAVAILABLE: see AskEngine(). Leaves server_version and journal_writable to the caller.
  absl::StatusOr<v1::Overview> Show(const OverviewQuery& query, const Scope& scope)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Row {
    uint64_t version = 0;  // Of the study, when it was looked at.
    bool ended = false;
    std::string owner;
    v1::StudyRow shown;
  };
  using Rows = absl::btree_map<StudyUid, Row>;
  struct Slice {
    Rows rows;
    std::set<StudyUid> unchanged;
    StudyUid last = 0;  // 0: there are no more.
  };

  absl::Status Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Slice> LookAt(StudyUid after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Engine* const engine_;
  Mutex mu_;
  absl::Time refreshed_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  Rows rows_ ABSL_GUARDED_BY(mu_);
  int64_t workers_connected_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t workers_busy_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_STUDY_INDEX_H_
