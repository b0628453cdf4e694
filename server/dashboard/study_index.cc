#include "server/dashboard/study_index.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status.h"
#include "server/dashboard/ask_engine.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr size_t kSlice = 64;
constexpr absl::Duration kFreshFor = absl::Milliseconds(900);

bool Contains(const std::string& text, const std::string& part) {
  return absl::StrContains(absl::AsciiStrToLower(text), absl::AsciiStrToLower(part));
}

bool Matches(const v1::StudyRow& row, const OverviewQuery& query) {
  if (!query.states.empty() && !query.states.contains(row.state())) return false;
  return query.text.empty() || Contains(row.name(), query.text) ||
         Contains(row.objective(), query.text);
}

}  // namespace

absl::StatusOr<OverviewQuery> OverviewQuery::Parse(const QueryParams& params) {
  OverviewQuery query;
  HV_ASSIGN_OR_RETURN(query.page, ParsePage(params));
  const auto text = params.find("q");
  if (text != params.end()) query.text = text->second;
  const auto [first, end] = params.equal_range("state");
  for (auto at = first; at != end; ++at) {
    v1::StudyState state = v1::STUDY_STATE_UNSPECIFIED;
    if (!v1::StudyState_Parse(absl::StrCat("STUDY_STATE_", at->second), &state) ||
        state == v1::STUDY_STATE_UNSPECIFIED) {
      return absl::InvalidArgumentError(
          absl::StrCat("state is \"", at->second,
                       "\"; it must be RUNNING, PAUSED, COMPLETED, STOPPED or FAILED"));
    }
    query.states.insert(state);
  }
  return query;
}

absl::StatusOr<StudyIndex::Slice> StudyIndex::LookAt(StudyUid after) {
  auto ended = std::make_shared<absl::btree_map<StudyUid, uint64_t>>();
  size_t count = 0;
  for (auto at = rows_.upper_bound(after); at != rows_.end() && count < kSlice; ++at, ++count) {
    if (at->second.ended) (*ended)[at->first] = at->second.version;
  }
  return AskEngine<Slice>(engine_, [after, ended](const Engine::View& view) {
    Slice slice;
    const auto& studies = view.scheduler.studies();
    size_t looked_at = 0;
    for (auto at = studies.upper_bound(after); at != studies.end(); ++at, ++looked_at) {
      if (looked_at == kSlice) return absl::StatusOr<Slice>(std::move(slice));
      slice.last = at->first;
      const Study& study = *at->second;
      const auto known = ended->find(at->first);
      if (known != ended->end() && known->second == study.version()) {
        slice.unchanged.insert(at->first);
        continue;
      }
      Row& row = slice.rows[at->first];
      row.version = study.version();
      row.ended = study.ended();
      row.owner = study.spec().owner;
      ShowRow(view.scheduler, study, view.now, &row.shown);
    }
    slice.last = 0;
    return absl::StatusOr<Slice>(std::move(slice));
  });
}

absl::Status StudyIndex::Refresh() {
  if (Clock::Real()->Now() < refreshed_ + kFreshFor) return absl::OkStatus();
  Rows rows;
  StudyUid after = 0;
  do {
    HV_ASSIGN_OR_RETURN(Slice slice, LookAt(after));
    for (const StudyUid uid : slice.unchanged) rows[uid] = std::move(rows_.at(uid));
    for (auto& [uid, row] : slice.rows) rows[uid] = std::move(row);
    for (const StudyUid uid : slice.unchanged) rows_.erase(uid);
    after = slice.last;
  } while (after != 0);
  rows_ = std::move(rows);
  using Counts = std::pair<int64_t, int64_t>;
  HV_ASSIGN_OR_RETURN(
      const Counts workers, AskEngine<Counts>(engine_, [](const auto& view) {
        const LeaseTable& leases = view.scheduler.leases();
        int64_t busy = 0;
        for (const auto& [id, info] : view.scheduler.workers().all()) {
          if (leases.IsHolder(id)) ++busy;
        }
        return absl::StatusOr<Counts>({view.scheduler.workers().Connected(view.now, leases), busy});
      }));
  std::tie(workers_connected_, workers_busy_) = workers;
  refreshed_ = Clock::Real()->Now();
  return absl::OkStatus();
}

absl::StatusOr<v1::Overview> StudyIndex::Show(const OverviewQuery& query, const Scope& scope) {
  MutexLock lock(&mu_);
  HV_RETURN_IF_ERROR(Refresh());
  v1::Overview overview;
  int64_t matched = 0;
  int64_t running = 0;
  int64_t total = 0;
  for (auto at = rows_.rbegin(); at != rows_.rend(); ++at) {
    if (!IsWithin(scope, at->second.owner)) continue;
    const v1::StudyRow& row = at->second.shown;
    ++total;
    if (row.state() == v1::STUDY_STATE_RUNNING) ++running;
    if (!Matches(row, query)) continue;
    ++matched;
    const bool on_page = matched > query.page.offset && overview.studies_size() < query.page.limit;
    if (on_page) *overview.add_studies() = row;
  }
  overview.set_matched(matched);
  overview.set_total(total);
  overview.set_running(running);
  overview.set_workers_connected(workers_connected_);
  overview.set_workers_busy(workers_busy_);
  return overview;
}

}  // namespace halving
