#include "server/core/gp_searcher.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "server/core/normal.h"

namespace halving {
namespace {

constexpr double kRandomShare = 0.2;
constexpr size_t kPoints = 64;     // That the process sees...
constexpr size_t kFitPoints = 40;  // ...and that its lengths are fitted to.
constexpr size_t kMostPending = 12;
constexpr double kRungLength = 1;  // To begin with: from the lowest rung to the top.
constexpr size_t kMostFittedLengths = 12;
constexpr size_t kMostSteps = 64;       // From one rung to the next, that a median is taken of.
constexpr size_t kFreeParameters = 16;  // With more of them, fewer points are looked at.
constexpr size_t kCandidates = 160;
constexpr int kCentres = 5;  // The best points, near which most candidates lie.
constexpr double kNearShare = 0.7;
constexpr double kWidestStep = 0.2;
constexpr double kNarrowestStep = 0.002;
constexpr double kOtherChoice = 0.2;

double ExpectedImprovement(const GaussianProcess::Prediction& at, double best) {
  const double z = (best - at.mean) / at.deviation;
  return at.deviation * (z * NormalCumulative(z) + NormalDensity(z));
}

// Moves one coordinate of the point, some, or all, by steps of one size.
Point Near(const SearchSpace& space, Point point, Draws* draws) {
  const double step = kWidestStep * std::pow(kNarrowestStep / kWidestStep, draws->Unit());
  const double share = draws->Unit() < 0.5 ? 1 : 0.3;
  const auto surely = static_cast<size_t>(draws->Below(static_cast<int64_t>(point.size())));
  for (size_t i = 0; i < point.size(); ++i) {
    const bool choice = ChoicesOf(space.parameters()[i]) > 0;
    const bool absent = point[i] == kInactive;
    if (!absent && i != surely && draws->Unit() >= (choice ? kOtherChoice : share)) continue;
    point[i] =
        absent || choice ? draws->Unit() : std::clamp(point[i] + step * draws->Normal(), 0.0, 1.0);
  }
  return point;
}

double MedianOf(std::deque<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Point Anywhere(size_t parameters, Draws* draws) {
  Point point(parameters);
  for (double& at : point) at = draws->Unit();
  return point;
}

// So much of `most` that the cost with so many parameters is that with kFreeParameters.
size_t Scaled(size_t most, size_t least, size_t parameters) {
  return std::max(least, std::min(most, most * kFreeParameters / parameters));
}

}  // namespace

GpSearcher::GpSearcher(const SearchSpace* space, int rungs)
    : results_(space, rungs),
      rungs_(rungs),
      steps_(static_cast<size_t>(rungs)),
      fit_at_(space->parameters().size() + 3) {
  for (const Parameter& parameter : space->parameters()) {
    model_.kernel.is_choice.push_back(ChoicesOf(parameter) > 0);
  }
  model_.kernel.is_choice.push_back(false);
  model_.kernel.lengths.assign(model_.kernel.is_choice.size(), 0.5);
}

void GpSearcher::Begin(int64_t trial, const Config& config) {
  results_.Begin(config);
  pending_.insert(trial);
  last_.push_back(NAN);
}

void GpSearcher::Learn(int64_t trial, int rung, double error) {
  pending_.erase(trial);
  if (!std::isfinite(error)) return;
  double& last = last_[trial - 1];
  if (std::isfinite(last) && std::isfinite(error - last)) {
    steps_[rung].push_back(error - last);
    if (steps_[rung].size() > kMostSteps) steps_[rung].pop_front();
  }
  last = error;
  results_.Add(trial, rung, error);
  if (++count_ < fit_at_ || JudgedRung() < 0) return;
  model_ = Fit(JudgedRung());
  fit_at_ = count_ + std::max<size_t>(2, count_ / 4);
}

int GpSearcher::JudgedRung() const {
  const RungResults::Ranked* ranked = results_.Highest(results_.space().parameters().size() + 3);
  return ranked == nullptr ? -1 : static_cast<int>(results_.RungOf(*ranked));
}

GaussianProcess GpSearcher::ProcessOf(const Model& model, const Data& data) {
  std::vector<double> noise;
  for (const bool lower : data.lower) noise.push_back(lower ? model.lower_noise : model.noise);
  return GaussianProcess(model.kernel, data.points, data.values, noise);
}

Point GpSearcher::WithRung(Point point, int rung) const {
  point.push_back(rungs_ == 1 ? 1 : static_cast<double>(rung) / (rungs_ - 1));
  return point;
}

void GpSearcher::AddRung(int rung, int judged, double shift, size_t most, Data* data) const {
  const RungResults::Ranked& ranked = results_.At(rung);
  const size_t results = ranked.size();
  const size_t kept = std::min(results, most);
  const size_t best = std::min(results, (most + 1) / 2);
  for (size_t i = 0; i < kept; ++i) {
    // The best half as it stands, then evenly over the rest.
    const size_t rank =
        i < best || kept == results ? i : best + (i - best) * (results - best) / (kept - best);
    const auto at = ranked.find_by_order(rank);
    data->points.push_back(WithRung(results_.PointOfTrial(at->second), rung));
    data->values.push_back(at->first + shift);
    data->lower.push_back(rung < judged);
  }
}

// Results of the judged rung and above come first. Of the room that they leave, each lower rung
// gets half, and the lowest the rest.
GpSearcher::Data GpSearcher::DataOf(int judged, size_t most) const {
  Data data;
  double shift = 0;  // What errors of the rung still change by on the way to the top.
  for (int rung = rungs_ - 1; rung >= 0; --rung) {
    const size_t room = most - data.points.size();
    AddRung(rung, judged, shift, rung == 0 || rung >= judged ? room : (room + 1) / 2, &data);
    if (!steps_[rung].empty()) shift += MedianOf(steps_[rung]);
    if (!std::isfinite(shift)) shift = 0;
  }
  std::vector<double> sorted = data.values;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  const double worst = median + (median - sorted.front());
  double sum = 0;
  double squares = 0;
  for (double& value : data.values) {
    value = std::min(value, worst);
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(data.values.size());
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  const double deviation = variance > 0 && std::isfinite(variance) ? std::sqrt(variance) : 1;
  for (double& value : data.values) {
    value = (value - mean) / deviation;
    if (!std::isfinite(value)) value = 0;  // Errors near the largest number.
  }
  return data;
}

// Greedy: one length for all parameters, with the noise; then each by itself.
GpSearcher::Model GpSearcher::Fit(int judged) const {
  const size_t parameters = results_.space().parameters().size();
  const Data data = DataOf(judged, Scaled(kFitPoints, 12, parameters));
  Model best = model_;
  double best_likelihood = -std::numeric_limits<double>::infinity();
  const auto consider = [&](const Model& model) {
    const double likelihood = ProcessOf(model, data).LogLikelihood();
    if (likelihood <= best_likelihood) return;
    best_likelihood = likelihood;
    best = model;
  };
  for (const double length : {0.2, 0.5, 1.2}) {
    for (const double noise : {1e-5, 1e-3, 1e-1}) {
      Model model = {.kernel = model_.kernel, .noise = noise, .lower_noise = noise};
      model.kernel.lengths.assign(model.kernel.lengths.size(), length);
      model.kernel.lengths.back() = kRungLength;
      consider(model);
    }
  }
  for (const double noise : {1e-2, 1e-1, 1.0}) {
    Model model = best;
    model.lower_noise = noise;
    consider(model);
  }
  const size_t lengths = best.kernel.lengths.size();
  for (size_t fitted = 0; fitted < std::min(lengths, Scaled(kMostFittedLengths, 1, parameters));
       ++fitted) {
    const size_t i = lengths - 1 - fitted;  // The rung's first.
    const double length = best.kernel.lengths[i];
    for (const double factor : {0.5, 2.0, 4.0}) {
      Model model = best;
      model.kernel.lengths[i] = length * factor;
      consider(model);
    }
  }
  return best;
}

void GpSearcher::Believe(int judged, Data* data) const {
  const GaussianProcess process = ProcessOf(model_, *data);
  size_t taken = 0;
  for (auto at = pending_.rbegin(); at != pending_.rend() && taken < kMostPending; ++at, ++taken) {
    Point point = WithRung(results_.PointOfTrial(*at), judged);
    data->values.push_back(process.At(point).mean);
    data->points.push_back(std::move(point));
    data->lower.push_back(false);
  }
}

Point GpSearcher::Propose(Draws draws) const {
  const SearchSpace& space = results_.space();
  const size_t parameters = space.parameters().size();
  const RandomSearcher random(parameters);
  const int judged = JudgedRung();
  if (judged < 0 || draws.Unit() < kRandomShare) return random.Propose(draws);
  Data data = DataOf(judged, Scaled(kPoints, 16, parameters));
  Believe(judged, &data);
  const GaussianProcess process = ProcessOf(model_, data);
  // What is known, by what it is predicted to give at the rung that is judged.
  std::vector<std::pair<double, Point>> known;
  for (Point& point : data.points) {
    point.pop_back();
    const double mean = process.At(WithRung(point, judged)).mean;
    known.emplace_back(mean, std::move(point));
  }
  std::sort(known.begin(), known.end());
  const auto centres = std::min<int64_t>(kCentres, static_cast<int64_t>(known.size()));
  Point best;
  double best_improvement = -1;
  for (size_t i = 0; i < Scaled(kCandidates, 16, parameters); ++i) {
    Point candidate = draws.Unit() < kNearShare
                          ? Near(space, known[draws.Below(centres)].second, &draws)
                          : Anywhere(parameters, &draws);
    // Judged as the config that it stands for.
    const Point settled = WithRung(PointOf(space, ConfigAt(space, candidate)), judged);
    const double improvement = ExpectedImprovement(process.At(settled), known.front().first);
    if (!best.empty() && !(improvement > best_improvement)) continue;
    best_improvement = improvement;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace halving
