#include "server/dashboard/trial_mirror.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status.h"
#include "server/dashboard/ask_engine.h"

namespace halving {
namespace {

// Some tens of microseconds of the engine's time.
constexpr TrialId kSlice = 256;
constexpr absl::Duration kFreshFor = absl::Milliseconds(500);
// Beyond so many that changed, it is simpler to look at all.
constexpr size_t kMostNoted = 100'000;

MirroredTrial CopyOf(const Study& study, const Trial& trial) {
  MirroredTrial copy{.id = trial.id,
                     .state = study.ShownState(trial),
                     .round = trial.round,
                     .attempts = trial.attempts,
                     .config = trial.config};
  for (const RungResult& result : trial.results) {
    copy.results.push_back({.rung = result.rung,
                            .error = result.error,
                            .seconds = absl::ToDoubleSeconds(result.end_time - study.create_time()),
                            .study_epochs = result.study_epochs});
  }
  return copy;
}

absl::Status Deleted() { return absl::NotFoundError("the study was deleted"); }

absl::StatusOr<std::vector<MirroredTrial>> CopyOf(const Engine::View& view, StudyUid uid,
                                                  const std::vector<TrialId>& ids) {
  const Study* study = view.scheduler.FindStudy(uid);
  if (study == nullptr) return Deleted();
  std::vector<MirroredTrial> copied;
  copied.reserve(ids.size());
  for (const TrialId id : ids) copied.push_back(CopyOf(*study, *study->FindTrial(id)));
  return copied;
}

}  // namespace

StudyFacts FactsOf(const Study& study) {
  StudyFacts facts{.uid = study.uid(),
                   .name = study.spec().name,
                   .owner = study.spec().owner,
                   .create_time = study.create_time(),
                   .space = study.space(),
                   .rungs = {}};
  for (int k = 0; k < study.ladder().rungs(); ++k) facts.rungs.push_back(study.ladder().epochs(k));
  return facts;
}

void TrialMirror::NoteTrials(absl::Span<const TrialId> trials) {
  noted_.all = noted_.all || noted_.trials.size() + trials.size() > kMostNoted;
  if (noted_.all) return;
  noted_.trials.insert(trials.begin(), trials.end());
}

void TrialMirror::Note(const Event& event) {
  MutexLock lock(&noted_mu_);
  if (const auto* closed = std::get_if<RungClosed>(&event); closed != nullptr) {
    NoteTrials(closed->promoted);
    NoteTrials(closed->eliminated);
  } else if (std::holds_alternative<StudyEnded>(event) ||
             std::holds_alternative<StudyExtended>(event)) {
    noted_.all = true;  // Of those on their way, what people see has changed.
  } else {
    const TrialId trial = std::visit(
        [](const auto& e) -> TrialId {
          if constexpr (requires { e.trial; }) return e.trial;
          return 0;
        },
        event);
    if (trial != 0) NoteTrials({&trial, 1});
  }
}

absl::Status TrialMirror::Refresh() {
  MutexLock lock(&refresh_mu_);
  if (Clock::Real()->Now() < refreshed_ + kFreshFor) return absl::OkStatus();
  Noted noted;
  {
    MutexLock noted_lock(&noted_mu_);
    std::swap(noted, noted_);
  }
  const absl::Status copied = Copy(noted);
  if (!copied.ok()) {
    // Next time anew.
    MutexLock noted_lock(&noted_mu_);
    noted_.all = true;
    return copied;
  }
  TakeIncumbents();
  refreshed_ = Clock::Real()->Now();
  return absl::OkStatus();
}

absl::Status TrialMirror::Copy(const Noted& noted) {
  const auto known =
      static_cast<TrialId>(Read([](const auto& trials, const auto&) { return trials.size(); }));
  std::vector<TrialId> ids(noted.trials.begin(), noted.trials.upper_bound(known));
  if (noted.all) {
    ids.resize(static_cast<size_t>(known));
    std::iota(ids.begin(), ids.end(), TrialId{1});
  }
  for (size_t begin = 0; begin < ids.size(); begin += kSlice) {
    const size_t end = std::min(ids.size(), begin + kSlice);
    HV_RETURN_IF_ERROR(CopySlice({ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                  ids.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  // Those beyond are copied as new ones.
  for (TrialId after = known; after >= 0;) {
    HV_ASSIGN_OR_RETURN(after, CopyNew(after));
  }
  return absl::OkStatus();
}

absl::Status TrialMirror::CopySlice(std::vector<TrialId> ids) {
  HV_ASSIGN_OR_RETURN(
      std::vector<MirroredTrial> copied,
      AskEngine<std::vector<MirroredTrial>>(
          engine_, [uid = facts_.uid, ids = std::move(ids)](const Engine::View& view) {
            return CopyOf(view, uid, ids);
          }));
  Take(std::move(copied));
  return absl::OkStatus();
}

// The last one copied; -1 when there are no more.
absl::StatusOr<TrialId> TrialMirror::CopyNew(TrialId after) {
  HV_ASSIGN_OR_RETURN(
      std::vector<MirroredTrial> copied,
      AskEngine<std::vector<MirroredTrial>>(
          engine_,
          [uid = facts_.uid,
           after](const Engine::View& view) -> absl::StatusOr<std::vector<MirroredTrial>> {
            const Study* study = view.scheduler.FindStudy(uid);
            if (study == nullptr) return Deleted();
            std::vector<TrialId> ids;
            for (TrialId id = after + 1; id <= std::min(study->trials(), after + kSlice); ++id) {
              ids.push_back(id);
            }
            return CopyOf(view, uid, ids);
          }));
  const bool more = copied.size() == kSlice;
  Take(std::move(copied));
  return more ? after + kSlice : -1;
}

void TrialMirror::Take(std::vector<MirroredTrial> copied) {
  if (copied.empty()) return;
  MutexLock lock(&mu_);
  ++version_;
  for (MirroredTrial& trial : copied) {
    const auto place = static_cast<size_t>(trial.id - 1);
    if (place >= trials_.size()) trials_.resize(place + 1);
    const size_t known = trials_[place].results.size();
    for (size_t i = known; i < trial.results.size(); ++i) {
      if (std::isfinite(trial.results[i].error)) fresh_.push_back({trial.id, trial.results[i]});
    }
    trials_[place] = std::move(trial);
  }
}

void TrialMirror::TakeIncumbents() {
  MutexLock lock(&mu_);
  // A result may come here after a later one, as the slices are of different moments.
  fresh_.insert(fresh_.end(), incumbents_.begin(), incumbents_.end());
  std::sort(fresh_.begin(), fresh_.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.result.seconds, a.trial) < std::make_pair(b.result.seconds, b.trial);
  });
  incumbents_.clear();
  for (const MirroredIncumbent& result : fresh_) {
    const bool better =
        incumbents_.empty() || result.result.error < incumbents_.back().result.error;
    if (better) incumbents_.push_back(result);
  }
  fresh_.clear();
}

}  // namespace halving
