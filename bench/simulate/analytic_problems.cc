// Functions from the literature on optimisation at several fidelities.
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/simulate/chance.h"
#include "bench/simulate/problems.h"
#include "common/random.h"

namespace halving {
namespace {

constexpr uint64_t kNoiseStream = 0x6e6f697365;

// ---- Hartmann

constexpr size_t kTerms = 4;
constexpr std::array<double, kTerms> kAlpha = {1.0, 1.2, 3.0, 3.2};

template <size_t kSize>
struct Hartmann {
  std::array<std::array<double, kSize>, kTerms> a;
  std::array<std::array<double, kSize>, kTerms> p;
  std::array<double, kSize> best;
};

constexpr Hartmann<3> kHartmann3 = {.a = {{{3, 10, 30}, {0.1, 10, 35}, {3, 10, 30}, {0.1, 10, 35}}},
                                    .p = {{{0.3689, 0.1170, 0.2673},
                                           {0.4699, 0.4387, 0.7470},
                                           {0.1091, 0.8732, 0.5547},
                                           {0.0381, 0.5743, 0.8828}}},
                                    .best = {0.114614, 0.555649, 0.852547}};

constexpr Hartmann<6> kHartmann6 = {
    .a = {{{10, 3, 17, 3.5, 1.7, 8},
           {0.05, 10, 17, 0.1, 8, 14},
           {3, 3.5, 1.7, 10, 17, 8},
           {17, 8, 0.05, 10, 0.1, 14}}},
    .p = {{{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
           {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
           {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
           {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}}},
    .best = {0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573}};

struct Quality {
  const char* name;
  double bias;   // Taken off each weight at fidelity 0.
  double noise;  // Deviation at fidelity 0.
};
constexpr Quality kQualities[] = {
    {"good", 0.5, 0.1}, {"moderate", 1, 0.2}, {"bad", 2, 0.4}, {"terrible", 4, 0.8}};

template <size_t kSize>
ProblemFacts HartmannFacts(const Hartmann<kSize>& hartmann, const Quality& quality) {
  ProblemFacts facts{.name = absl::StrCat("hartmann", kSize, "-", quality.name),
                     .ladder = {.min_epochs = 1, .max_epochs = 81, .eta = 3},
                     .best = Config(hartmann.best.begin(), hartmann.best.end())};
  for (size_t i = 1; i <= kSize; ++i) {
    facts.parameters.push_back({absl::StrCat("x", i), FloatRange{0, 1}});
  }
  return facts;
}

// Hartmann's function with weights that are biased and errors that are noisy at a low fidelity:
// MF-Hartmann of Mallik et al., "PriorBand" (2023), after Kandasamy et al., "Multi-fidelity
// Bayesian optimisation with continuous approximations" (2017).
template <size_t kSize>
class HartmannProblem : public Problem {
 public:
  HartmannProblem(const Hartmann<kSize>& hartmann, const Quality& quality)
      : Problem(HartmannFacts(hartmann, quality)), hartmann_(hartmann), quality_(quality) {
    Finish();
  }

  double Error(const Config& config, int64_t epochs, uint64_t seed) const override {
    const double missing = 1 - Fidelity(epochs);
    double sum = 0;
    for (size_t i = 0; i < kTerms; ++i) {
      double distance = 0;
      for (size_t j = 0; j < kSize; ++j) {
        const double apart = config[j] - hartmann_.p[i][j];
        distance += hartmann_.a[i][j] * apart * apart;
      }
      sum += (kAlpha[i] - quality_.bias * missing) * std::exp(-distance);
    }
    const uint64_t bits = MixBits(seed, kNoiseStream, static_cast<uint64_t>(epochs));
    return missing > 0 ? -sum + quality_.noise * missing * Normal(bits) : -sum;
  }

 private:
  const Hartmann<kSize>& hartmann_;
  const Quality& quality_;
};

// ---- Branin

// Three of its coefficients move with the fidelity, as in Kandasamy et al. (2017).
class BraninProblem : public Problem {
 public:
  BraninProblem()
      : Problem({.name = "branin",
                 .parameters = {{"x1", FloatRange{-5, 10}}, {"x2", FloatRange{0, 15}}},
                 .ladder = {.min_epochs = 1, .max_epochs = 27, .eta = 3},
                 .best = {std::numbers::pi, 2.275}}) {
    Finish();
  }

  double Error(const Config& config, int64_t epochs, uint64_t) const override {
    constexpr double kPi = std::numbers::pi;
    const double missing = 1 - Fidelity(epochs);
    const double b = 5.1 / (4 * kPi * kPi) - 0.01 * missing;
    const double c = 5 / kPi - 0.1 * missing;
    const double t = 1 / (8 * kPi) + 0.05 * missing;
    const double x = config[0];
    const double bowl = config[1] - b * x * x + c * x - 6;
    return bowl * bowl + 10 * (1 - t) * std::cos(x) + 10;
  }
};

// ---- Borehole

// Minus the flow of water through a borehole, of which Xiong, Qian and Wu, "Sequential design and
// analysis of high-accuracy and low-accuracy computer codes" (2013), give a cheap variant.
class BoreholeProblem : public Problem {
 public:
  BoreholeProblem()
      : Problem({.name = "borehole",
                 .parameters = {{"rw", FloatRange{0.05, 0.15}},
                                {"r", FloatRange{100, 50'000, /*log=*/true}},
                                {"tu", FloatRange{63'070, 115'600}},
                                {"hu", FloatRange{990, 1110}},
                                {"tl", FloatRange{63.1, 116}},
                                {"hl", FloatRange{700, 820}},
                                {"l", FloatRange{1120, 1680}},
                                {"kw", FloatRange{9855, 12'045}}},
                 .ladder = {.min_epochs = 1, .max_epochs = 27, .eta = 3},
                 .best = {0.15, 100, 115'600, 1110, 116, 700, 1120, 12'045}}) {
    Finish();
  }

  double Error(const Config& config, int64_t epochs, uint64_t) const override {
    const double z = Fidelity(epochs);
    const double cheap = z < 1 ? (1 - z) * Flow(config, 5, 1.5) : 0;
    return -(z * Flow(config, 2 * std::numbers::pi, 1) + cheap);
  }

 private:
  static double Flow(const Config& config, double factor, double offset) {
    const double rw = config[0];
    const double tu = config[2];
    const double ratio = std::log(config[1] / rw);
    const double resistance = 2 * config[6] * tu / (ratio * rw * rw * config[7]);
    return factor * tu * (config[3] - config[5]) / (ratio * (offset + resistance + tu / config[4]));
  }
};

}  // namespace

std::vector<std::unique_ptr<const Problem>> AnalyticProblems() {
  std::vector<std::unique_ptr<const Problem>> problems;
  for (const Quality& quality : kQualities) {
    problems.push_back(std::make_unique<HartmannProblem<3>>(kHartmann3, quality));
  }
  for (const Quality& quality : kQualities) {
    problems.push_back(std::make_unique<HartmannProblem<6>>(kHartmann6, quality));
  }
  problems.push_back(std::make_unique<BraninProblem>());
  problems.push_back(std::make_unique<BoreholeProblem>());
  return problems;
}

}  // namespace halving
