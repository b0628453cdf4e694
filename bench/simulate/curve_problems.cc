// Learning curves such as classifiers have, over the hyper-parameters of one.
#include <algorithm>
#include <cmath>
#include <utility>

#include "bench/simulate/chance.h"
#include "bench/simulate/problems.h"
#include "common/random.h"

namespace halving {
namespace {

constexpr uint64_t kNoiseStream = 0x6375727665;
constexpr double kChance = 0.9;  // The error of a guess: of ten classes.
constexpr double kBestError = 0.04;
constexpr double kNoise = 0.01;  // Deviation of an error at the beginning.
constexpr int64_t kMaxEpochs = 81;

constexpr double kMinRate = 1e-4;
constexpr double kMaxRate = 1;
constexpr double kMinWidth = 16;
constexpr double kMaxWidth = 512;
constexpr double kMaxDropout = 0.8;
constexpr double kMaxLayers = 8;

// The best values. A layer more wants a lower rate.
constexpr double kBestRate = 1e-2;
constexpr double kBestDropout = 0.3;
constexpr double kBestWidth = 192;
constexpr double kBestLayers = 3;
constexpr double kRatePerDepth = 0.3;

double LogPlace(double value, double min, double max) {
  return std::log(value / min) / std::log(max / min);
}

// A config with each value where it lies in its range, from 0 to 1.
struct Place {
  explicit Place(const Config& config)
      : rate(LogPlace(config[0], kMinRate, kMaxRate)),
        dropout(config[1] / kMaxDropout),
        width(LogPlace(config[2], kMinWidth, kMaxWidth)),
        depth((config[3] - 1) / (kMaxLayers - 1)),
        activation(static_cast<size_t>(config[4])) {}

  double rate;
  double dropout;
  double width;
  double depth;
  size_t activation;
};

// The error at the end, before which curves differ.
double FinalErrorAt(const Place& at, const Place& best) {
  constexpr double kPenalty[] = {0, 0.04, 0.15};
  const double rate = at.rate - best.rate + kRatePerDepth * (at.depth - best.depth);
  const double dropout = at.dropout - best.dropout;
  const double width = at.width - best.width;
  const double depth = at.depth - best.depth;
  const double badness = 8 * rate * rate + dropout * dropout + width * width + 0.8 * depth * depth +
                         kPenalty[at.activation];
  return kBestError + (kChance - kBestError) * -std::expm1(-badness);
}

// A shape falls from 1 at the first epoch to 0 at the last one; a curve follows it from where it
// begins to its final error. Immutable.
class CurveProblem : public Problem {
 public:
  double Error(const Config& config, int64_t epochs, uint64_t seed) const override {
    const Place at(config);
    const double final_error = FinalErrorAt(at, best_);
    if (epochs >= kMaxEpochs) return final_error;
    const double error = Curve(at, final_error, static_cast<double>(epochs));
    const uint64_t bits = MixBits(seed, kNoiseStream, static_cast<uint64_t>(epochs));
    return error + kNoise * (1 - Fidelity(epochs)) * Normal(bits);
  }

 protected:
  explicit CurveProblem(const std::string& name)
      : Problem({.name = name,
                 .parameters = {{"learning_rate", FloatRange{kMinRate, kMaxRate, /*log=*/true}},
                                {"dropout", FloatRange{0, kMaxDropout}},
                                {"width", IntRange{16, 512, /*log=*/true}},
                                {"layers", IntRange{1, 8}},
                                {"activation", Choice{{std::string("relu"), std::string("tanh"),
                                                       std::string("sigmoid")}}}},
                 .ladder = {.min_epochs = 1, .max_epochs = kMaxEpochs, .eta = 3},
                 .best = {kBestRate, kBestDropout, kBestWidth, kBestLayers, 0}}),
        best_(best()) {}

  // The error after so many epochs, `final_error` after the last.
  virtual double Curve(const Place& at, double final_error, double epochs) const = 0;

 private:
  const Place best_;
};

// error = floor + a * epochs^-b, where a is how much there is to learn and b how fast: higher rates
// and less dropout learn faster, whatever their floor.
class PowerLaw : public CurveProblem {
 public:
  PowerLaw() : CurveProblem("power-law") { Finish(); }

 protected:
  double Curve(const Place& at, double final_error, double epochs) const override {
    const double a = 0.25 + 0.25 * at.depth + 0.1 * static_cast<double>(at.activation);
    const double b = std::clamp(0.3 + 0.9 * at.rate - 0.3 * at.dropout, 0.15, 1.2);
    const double floor = final_error - a * std::pow(static_cast<double>(kMaxEpochs), -b);
    return floor + a * std::pow(epochs, -b);
  }
};

// floor, a and b are the parameters themselves, each independent of the others, with noise of the
// given deviation below the top: nothing at the first epoch tells how it will end but the error
// itself.
class IndependentPowerLaw : public Problem {
 public:
  IndependentPowerLaw(const std::string& name, double noise)
      : Problem({.name = name,
                 .parameters = {{"floor", FloatRange{0.05, 0.5}},
                                {"a", FloatRange{0.2, 0.9}},
                                {"b", FloatRange{0.3, 1}}},
                 .ladder = {.min_epochs = 1, .max_epochs = kMaxEpochs, .eta = 3},
                 .best = {0.05, 0.2, 1}}),
        noise_(noise) {
    Finish();
  }

  double Error(const Config& config, int64_t epochs, uint64_t seed) const override {
    const double error = config[0] + config[1] * std::pow(static_cast<double>(epochs), -config[2]);
    if (epochs >= kMaxEpochs) return error;
    return error + noise_ * Normal(MixBits(seed, kNoiseStream, static_cast<uint64_t>(epochs)));
  }

 private:
  const double noise_;
};

// An exponential fall from chance, the slower the better it ends.
class Crossing : public CurveProblem {
 public:
  Crossing() : CurveProblem("crossing") { Finish(); }

 protected:
  double Curve(const Place&, double final_error, double epochs) const override {
    const double quality = (kChance - final_error) / (kChance - kBestError);  // 0 to 1.
    const double time =
        static_cast<double>(kMaxEpochs) * (0.01 + 0.15 * quality * quality * quality);
    const double end = std::exp(-static_cast<double>(kMaxEpochs) / time);
    const double left = (std::exp(-epochs / time) - end) / (1 - end);
    return final_error + (kChance - final_error) * left;
  }
};

// At chance until an epoch that comes later with lower rates, more layers and saturating units,
// then a power law.
class LateTakeoff : public CurveProblem {
 public:
  LateTakeoff() : CurveProblem("late-takeoff") { Finish(); }

 protected:
  double Curve(const Place& at, double final_error, double epochs) const override {
    const double slowness = std::clamp(
        0.45 * (1 - at.rate) + 0.35 * at.depth + 0.1 * static_cast<double>(at.activation), 0.0,
        1.0);
    const double start = std::pow(static_cast<double>(kMaxEpochs) / 2, slowness);
    if (epochs <= start) return kChance;
    const double end = std::pow(static_cast<double>(kMaxEpochs) - start + 1, -1.0);
    const double left = (1 / (epochs - start + 1) - end) / (1 - end);
    return final_error + (kChance - final_error) * left;
  }
};

}  // namespace

std::vector<std::unique_ptr<const Problem>> PowerLawProblems() {
  std::vector<std::unique_ptr<const Problem>> problems;
  problems.push_back(std::make_unique<PowerLaw>());
  problems.push_back(std::make_unique<IndependentPowerLaw>("independent-power-law", 0));
  problems.push_back(std::make_unique<IndependentPowerLaw>("noisy-power-law", 0.05));
  return problems;
}

std::vector<std::unique_ptr<const Problem>> CurveProblems() {
  std::vector<std::unique_ptr<const Problem>> problems;
  problems.push_back(std::make_unique<PowerLaw>());
  problems.push_back(std::make_unique<Crossing>());
  problems.push_back(std::make_unique<LateTakeoff>());
  return problems;
}

}  // namespace halving
