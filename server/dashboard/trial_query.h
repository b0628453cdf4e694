// TrialQuery: which of a study's trials a page shows, and in what order.
#ifndef HALVING_SERVER_DASHBOARD_TRIAL_QUERY_H_
#define HALVING_SERVER_DASHBOARD_TRIAL_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "server/dashboard/trial_mirror.h"

namespace halving {

// As a URL gives them: the values of each name, in their order.
using QueryParams = std::multimap<std::string, std::string>;

// offset and limit of a page, the limit 50 unless given and 200 at most. INVALID_ARGUMENT.
struct PageQuery {
  int64_t offset = 0;
  int64_t limit = 50;
};
absl::StatusOr<PageQuery> ParsePage(const QueryParams& params);

// docs/http.md has its grammar. Immutable.
class TrialQuery {
 public:
  // INVALID_ARGUMENT, naming the parameter of the URL and what it may be.
  static absl::StatusOr<TrialQuery> Parse(const QueryParams& params, const StudyFacts& facts);

  struct Page {
    std::vector<TrialId> ids;
    int64_t matched = 0;
    int64_t total = 0;
  };
  Page Run(const TrialMirror& mirror) const;

 private:
  enum class Field { kId, kRound, kState, kEpochs, kError, kAttempts, kTime, kConfig };
  enum class Relation { kAtMost, kAtLeast, kEqual };
  struct Column {
    Field field = Field::kError;
    size_t parameter = 0;  // Of kConfig.
  };
  struct Condition {
    Column column;
    Relation relation = Relation::kEqual;
    double value = 0;
  };

  static absl::StatusOr<Column> ParseColumn(const std::string& name, const StudyFacts& facts);
  static absl::StatusOr<Condition> ParseCondition(const std::string& text, const StudyFacts& facts);
  // NaN: the trial has none.
  static double ValueOf(const MirroredTrial& trial, const Column& column, const StudyFacts& facts);
  bool Matches(const MirroredTrial& trial, const StudyFacts& facts) const;
  // Rows come in the order of these: none of the first value, the first value, none of the second,
  // the second, the id.
  using Row = std::tuple<bool, double, bool, double, TrialId>;
  Row RowOf(const MirroredTrial& trial, const StudyFacts& facts) const;

  PageQuery page_;
  Column sort_;
  bool descending_ = false;
  std::set<TrialState> states_;  // None: all.
  std::vector<Condition> where_;
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_TRIAL_QUERY_H_
