#include "server/dashboard/figure.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "server/service/translate.h"

namespace halving {
namespace {

// Of each rung, shown whatever else must go.
constexpr size_t kLeading = 20;

const MirroredResult& Last(const MirroredTrial& trial) { return trial.results.back(); }

bool IsBetter(const MirroredTrial* a, const MirroredTrial* b) {
  return std::make_tuple(RankedError(Last(*a).error), a->id) <
         std::make_tuple(RankedError(Last(*b).error), b->id);
}

// Keeps the best of them, and every so manieth of the others.
void Thin(std::vector<const MirroredTrial*>* trials, size_t most) {
  if (trials->size() <= most) return;
  const size_t leading = std::min(kLeading, most);
  std::nth_element(trials->begin(), trials->begin() + static_cast<std::ptrdiff_t>(leading),
                   trials->end(), IsBetter);
  // By id, so that the same ones stay from one picture to the next.
  std::sort(trials->begin() + static_cast<std::ptrdiff_t>(leading), trials->end(),
            [](const auto* a, const auto* b) { return a->id < b->id; });
  std::vector<const MirroredTrial*> kept(trials->begin(),
                                         trials->begin() + static_cast<std::ptrdiff_t>(leading));
  const size_t others = trials->size() - leading;
  const size_t room = most - leading;
  for (size_t i = 0; i < room; ++i) kept.push_back((*trials)[leading + i * others / room]);
  *trials = std::move(kept);
}

// Small groups whole, so that what they leave goes to the large ones.
void ThinAll(std::vector<std::vector<const MirroredTrial*>>* groups) {
  std::vector<std::vector<const MirroredTrial*>*> by_size;
  for (auto& group : *groups) by_size.push_back(&group);
  std::sort(by_size.begin(), by_size.end(),
            [](const auto* a, const auto* b) { return a->size() < b->size(); });
  size_t room = kMostDrawn;
  for (size_t i = 0; i < by_size.size(); ++i) {
    Thin(by_size[i], room / (by_size.size() - i));
    room -= by_size[i]->size();
  }
}

void ShowResult(const StudyFacts& facts, const MirroredResult& result, v1::FigureResult* to) {
  to->set_epochs(static_cast<double>(facts.rungs[result.rung]));
  if (std::isfinite(result.error)) to->set_error(result.error);
  to->set_seconds(result.seconds);
  to->set_study_epochs(static_cast<double>(result.study_epochs));
}

void ShowTrial(const StudyFacts& facts, const MirroredTrial& trial, v1::FigureTrial* to) {
  to->set_id(static_cast<double>(trial.id));
  to->set_round(static_cast<double>(trial.round));
  to->set_state(static_cast<v1::TrialState>(trial.state));
  ToProto(facts.space.Decode(trial.config), to->mutable_config());
  for (const MirroredResult& result : trial.results) ShowResult(facts, result, to->add_results());
}

void ShowIncumbents(const StudyFacts& facts, const std::vector<MirroredIncumbent>& incumbents,
                    v1::Figure* to) {
  for (const MirroredIncumbent& incumbent : incumbents) {
    v1::Incumbent* shown = to->add_incumbents();
    shown->set_trial_id(static_cast<double>(incumbent.trial));
    shown->set_epochs(static_cast<double>(facts.rungs[incumbent.result.rung]));
    shown->set_error(incumbent.result.error);
    shown->set_seconds(incumbent.result.seconds);
    shown->set_study_epochs(static_cast<double>(incumbent.result.study_epochs));
  }
}

}  // namespace

void ShowFigure(const TrialMirror& mirror, v1::Figure* to) {
  const StudyFacts& facts = mirror.facts();
  ToProto(facts.create_time, to->mutable_start_time());
  for (const int64_t epochs : facts.rungs) to->add_rungs(static_cast<double>(epochs));
  mirror.Read([&](const auto& trials, const auto& incumbents) {
    std::vector<std::vector<const MirroredTrial*>> groups(facts.rungs.size());
    size_t count = 0;
    for (const MirroredTrial& trial : trials) {
      if (trial.results.empty()) continue;
      groups[Last(trial).rung].push_back(&trial);
      ++count;
    }
    ThinAll(&groups);
    std::vector<const MirroredTrial*> drawn;
    for (const auto& group : groups) drawn.insert(drawn.end(), group.begin(), group.end());
    std::sort(drawn.begin(), drawn.end(),
              [](const auto* a, const auto* b) { return a->id < b->id; });
    for (const MirroredTrial* trial : drawn) ShowTrial(facts, *trial, to->add_drawn());
    to->set_trials(static_cast<int64_t>(count));
    to->set_left_out(static_cast<int64_t>(count - drawn.size()));
    ShowIncumbents(facts, incumbents, to);
    return 0;
  });
}

std::vector<TrialId> CurvesFor(const v1::Figure& figure) {
  std::vector<std::tuple<double, double, TrialId>> ranked;
  for (const v1::FigureTrial& trial : figure.drawn()) {
    const v1::FigureResult& last = *trial.results().rbegin();
    const double error = last.has_error() ? last.error() : HUGE_VAL;
    ranked.emplace_back(-last.epochs(), error, static_cast<TrialId>(trial.id()));
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<TrialId> ids;
  for (size_t i = 0; i < std::min(ranked.size(), kMostCurves); ++i) {
    ids.push_back(std::get<2>(ranked[i]));
  }
  return ids;
}

void ShowCurve(const Trial& trial, v1::FigureTrial* to) {
  const auto size = static_cast<int64_t>(trial.curve.size());
  const int64_t shown = std::min<int64_t>(size, kMostCurvePoints);
  for (int64_t i = 0; i < shown; ++i) {
    const TrialPoint& point = trial.curve[shown == 1 ? 0 : i * (size - 1) / (shown - 1)];
    v1::FigurePoint* to_point = to->add_curve();
    to_point->set_epoch(static_cast<double>(point.epoch));
    if (std::isfinite(point.error)) to_point->set_error(point.error);
  }
}

}  // namespace halving
