#include "server/core/spec.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/plan.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

StudySpec Valid() {
  return {.name = "mnist_2-A",
          .objective = "lenet",
          .parameters = {{"rate", FloatRange{0.01, 1, true}}},
          .initial_configs = {{{"rate", 0.1}}},
          .halving = {.min_epochs = 2, .max_epochs = 10, .eta = 2, .prefactor = 0},
          .limits = {.max_evaluations = 30}};
}

using Change = std::function<void(StudySpec&)>;

struct SpecCase {
  std::string name;
  Change change;                     // Of Valid().
  std::vector<std::string> message;  // Of the refusal; none: it is accepted.
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

void PrintTo(const SpecCase& c, std::ostream* os) { *os << c.name; }

class NormaliseTest : public testing::TestWithParam<SpecCase> {};

TEST_P(NormaliseTest, AcceptsOrSaysWhatIsWrong) {
  StudySpec spec = Valid();
  GetParam().change(spec);
  const absl::StatusOr<StudySpec> normal = Normalise(spec);
  EXPECT_EQ(normal.ok(), GetParam().message.empty()) << normal.status();
  for (const std::string& part : GetParam().message) {
    EXPECT_THAT(normal, StatusIs(GetParam().code, HasSubstr(part)));
    EXPECT_THAT(MakePlan(spec), StatusIs(GetParam().code, HasSubstr(part))) << "same errors";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Names, NormaliseTest,
    testing::ValuesIn(std::vector<SpecCase>{
        {"NameEmpty", [](auto& s) { s.name = ""; }, {"name is \"\"", "1 to 64"}},
        {"Name64Bytes", [](auto& s) { s.name = std::string(64, 'a'); }, {}},
        {"Name65Bytes", [](auto& s) { s.name = std::string(65, 'a'); }, {"1 to 64"}},
        {"NameSpace", [](auto& s) { s.name = "a b"; }, {"name is \"a b\"", "letters, digits"}},
        {"NameSlash", [](auto& s) { s.name = "../x"; }, {"name is \"../x\""}},
        {"NameUmlaut", [](auto& s) { s.name = "\xc3\xa4"; }, {"letters, digits"}},
        {"ObjectiveEmpty",
         [](auto& s) { s.objective = ""; },
         {"objective has 0 bytes", "1 to 128"}},
        {"ObjectiveLong",
         [](auto& s) { s.objective = std::string(129, 'o'); },
         {"objective has 129 bytes", "1 to 128"}},
        {"OptionsTooLarge",
         [](auto& s) { s.objective_options_json = std::string((1 << 20) + 1, ' '); },
         {"objective_options has 1048577 bytes", "at most 1048576"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Space, NormaliseTest,
    testing::ValuesIn(std::vector<SpecCase>{
        {"NoParameters", [](auto& s) { s.parameters = {}; }, {"parameters is empty"}},
        {"TooManyParameters",
         [](auto& s) { s.parameters.assign(1001, s.parameters[0]); },
         {"parameters has 1001 entries", "at most 1000"}},
        {"TooManyChoices",
         [](auto& s) {
           Choice choice;
           for (int i = 0; i < 10'001; ++i) choice.values.emplace_back(static_cast<double>(i));
           s.parameters = {{"rate", choice}};
         },
         {"parameters[0].choice.values has 10001 entries", "at most 10000"}},
        {"TooManyInitialConfigs",
         [](auto& s) {
           s.initial_configs.assign(10'001, {{"rate", 0.5}});
         },
         {"initial_configs has 10001 entries", "at most 10000"}},
        {"BadDomain",
         [](auto& s) {
           s.parameters = {{"rate", FloatRange{1, 0}}};
         },
         {"parameters[0] (rate).float"}},
        {"NoInitialConfigs", [](auto& s) { s.initial_configs = {}; }, {}},
        {"BadInitialConfig",
         [](auto& s) {
           s.initial_configs.push_back({{"rate", 7.0}});
         },
         {"initial_configs[1]", "rate = 7", "a number from 0.01 to 1"}},
        {"InitialConfigLacksOne",
         [](auto& s) { s.initial_configs = {NamedConfig{}}; },
         {"initial_configs[0] lacks \"rate\""}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rule, NormaliseTest,
    testing::ValuesIn(std::vector<SpecCase>{
        {"MinEpochsZero", [](auto& s) { s.halving.min_epochs = 0; }, {"halving.min_epochs is 0"}},
        {"EtaOne", [](auto& s) { s.halving.eta = 1; }, {"halving.eta is 1"}},
        {"PrefactorTooSmall",
         [](auto& s) { s.halving.prefactor = 0.1; },
         {"halving.prefactor is 0.1"}},
        {"FirstRungBeyondAMillion",
         [](auto& s) { s.halving.max_epochs = 1'000'000'000, s.halving.eta = 10; },
         {"at most 1000000"}},
        {"EpochsBeyondABillion",
         [](auto& s) { s.halving.max_epochs = 1'000'000'001; },
         {"halving.max_epochs is 1000000001", "at most 1000000000"}},
        {"PerRound", [](auto& s) { s.policy = PolicyKind::kHalvingPerRound; }, {}},
        {"Asha", [](auto& s) { s.policy = PolicyKind::kAsha; }, {}},
        {"DelayedAsha", [](auto& s) { s.policy = PolicyKind::kDelayedAsha; }, {}},
        {"Hyperband", [](auto& s) { s.policy = PolicyKind::kHyperband; }, {}},
        {"AshaByRounds",
         [](auto& s) { s.policy = PolicyKind::kAsha, s.limits.max_rounds = 2; },
         {"limits.max_rounds is 2", "ASHA has no rounds", "max_evaluations"}},
        {"DelayedAshaByRounds",
         [](auto& s) { s.policy = PolicyKind::kDelayedAsha, s.limits.max_rounds = 2; },
         {"limits.max_rounds is 2", "ASHA has no rounds"}},
        {"Sobol", [](auto& s) { s.searcher = SearcherKind::kSobol; }, {}},
        {"Tpe", [](auto& s) { s.searcher = SearcherKind::kTpe; }, {}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Limits, NormaliseTest,
    testing::ValuesIn(std::vector<SpecCase>{
        {"None",
         [](auto& s) { s.limits = {}; },
         {"limits has none set", "never end", "max_evaluations", "target_error"}},
        {"EvaluationsNegative",
         [](auto& s) { s.limits.max_evaluations = -1; },
         {"max_evaluations -1", "none may be negative"}},
        {"RoundsNegative",
         [](auto& s) { s.limits.max_rounds = -2; },
         {"max_rounds -2", "none may be negative"}},
        {"EpochsNegative",
         [](auto& s) { s.limits.max_total_epochs = -3; },
         {"max_total_epochs -3", "none may be negative"}},
        {"WallTimeNegative",
         [](auto& s) { s.limits.max_wall_time = absl::Seconds(-5); },
         {"limits.max_wall_time is -5s", "may not be negative"}},
        {"TargetNaN",
         [](auto& s) { s.limits.target_error = kNaN; },
         {"limits.target_error is nan", "finite"}},
        {"TargetInfinite",
         [](auto& s) { s.limits.target_error = -kInfinity; },
         {"limits.target_error is -inf", "finite"}},
        {"OnlyTargetZero", [](auto& s) { s.limits = {.target_error = 0}; }, {}},
        {"OnlyWallTime", [](auto& s) { s.limits = {.max_wall_time = absl::Hours(1)}; }, {}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Retry, NormaliseTest,
                         testing::ValuesIn(std::vector<SpecCase>{
                             {"OneAttempt", [](auto& s) { s.max_attempts = 1; }, {}},
                             {"AttemptsNegative",
                              [](auto& s) { s.max_attempts = -1; },
                              {"retry.max_attempts is -1", "1 to 1000"}},
                             {"TooManyAttempts",
                              [](auto& s) { s.max_attempts = 1001; },
                              {"retry.max_attempts is 1001", "1 to 1000"}},
                             {"ShortestLease", [](auto& s) { s.lease = absl::Seconds(1); }, {}},
                             {"LeaseTooShort",
                              [](auto& s) { s.lease = absl::Milliseconds(999); },
                              {"retry.lease is 999ms", "1s to 24h"}},
                             {"LeaseNegative",
                              [](auto& s) { s.lease = absl::Seconds(-1); },
                              {"retry.lease is -1s", "1s to 24h"}},
                             {"LeaseTooLong",
                              [](auto& s) { s.lease = absl::Hours(25); },
                              {"retry.lease is 25h", "1s to 24h"}},
                             {"FewerThanNoCheckpointsKept",
                              [](auto& s) { s.keep_checkpoints = -1; },
                              {"keep_checkpoints is -1", "1 to 1000"}},
                             {"TooManyCheckpointsKept",
                              [](auto& s) { s.keep_checkpoints = 1001; },
                              {"keep_checkpoints is 1001", "1 to 1000"}},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(NormaliseTest, FillsInTheDefaults) {
  StudySpec spec = Valid();
  spec.parameters.push_back({"batch", IntRange{1, 4, false, 0}});
  spec.initial_configs = {{{"rate", 0.1}, {"batch", 2.0}}};
  const absl::StatusOr<StudySpec> normal = Normalise(spec);
  ASSERT_THAT(normal, IsOk());
  EXPECT_EQ(normal->halving.prefactor, 1);
  EXPECT_EQ(normal->max_attempts, 3);
  EXPECT_EQ(normal->lease, absl::Seconds(60));
  EXPECT_EQ(normal->keep_checkpoints, 3);
  EXPECT_EQ(normal->policy, PolicyKind::kHalving);
  EXPECT_EQ(normal->searcher, SearcherKind::kRandom);
  EXPECT_EQ(normal->objective_options_json, "{}");
  EXPECT_EQ(std::get<IntRange>(normal->parameters[1].domain).step, 1);
  EXPECT_EQ(normal->initial_configs[0], (NamedConfig{{"batch", 2.0}, {"rate", 0.1}})) << "sorted";
  EXPECT_EQ(normal->seed, 0u) << "the seed is chosen when the study is created";
}

TEST(NormaliseTest, LeavesWhatWasSaidAloneAndChangesNothingTheSecondTime) {
  StudySpec spec = Valid();
  spec.halving.prefactor = 2;
  spec.max_attempts = 7;
  spec.lease = absl::Seconds(9);
  spec.seed = 5;
  spec.keep_checkpoints = 2;
  const absl::StatusOr<StudySpec> normal = Normalise(spec);
  ASSERT_THAT(normal, IsOkAndHolds(spec));
  EXPECT_THAT(Normalise(*normal), IsOkAndHolds(*normal));
}

struct ExtendCase {
  std::string name;
  Limits current;
  Limits extended;
  Limits result;
  std::vector<std::string> message;
};

void PrintTo(const ExtendCase& c, std::ostream* os) { *os << c.name; }

class ExtendLimitsTest : public testing::TestWithParam<ExtendCase> {};

TEST_P(ExtendLimitsTest, RaisesOrRefuses) {
  const ExtendCase& c = GetParam();
  const absl::StatusOr<Limits> limits = ExtendLimits(c.current, c.extended);
  ASSERT_EQ(limits.ok(), c.message.empty()) << limits.status();
  for (const std::string& part : c.message) {
    EXPECT_THAT(limits, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(part)));
  }
  if (limits.ok()) {
    EXPECT_EQ(*limits, c.result);
  }
}

const Limits kAll = {.max_evaluations = 30,
                     .max_rounds = 2,
                     .max_total_epochs = 100,
                     .max_wall_time = absl::Hours(1),
                     .target_error = 0.1};

Limits AllBut(const std::function<void(Limits&)>& change) {
  Limits limits = kAll;
  change(limits);
  return limits;
}

INSTANTIATE_TEST_SUITE_P(
    , ExtendLimitsTest,
    testing::ValuesIn(std::vector<ExtendCase>{
        {"Evaluations",
         kAll,
         {.max_evaluations = 60},
         AllBut([](Limits& l) { l.max_evaluations = 60; }),
         {}},
        {"Rounds", kAll, {.max_rounds = 3}, AllBut([](Limits& l) { l.max_rounds = 3; }), {}},
        {"Epochs",
         kAll,
         {.max_total_epochs = 101},
         AllBut([](Limits& l) { l.max_total_epochs = 101; }),
         {}},
        {"WallTime",
         kAll,
         {.max_wall_time = absl::Hours(2)},
         AllBut([](Limits& l) { l.max_wall_time = absl::Hours(2); }),
         {}},
        {"TargetIsRaisedByLoweringIt",
         kAll,
         {.target_error = 0.05},
         AllBut([](Limits& l) { l.target_error = 0.05; }),
         {}},
        {"TheSame", kAll, kAll, kAll, {}},
        {"NoneSet", kAll, {}, {}, {"limits has none set"}},
        {"Negative", kAll, {.max_rounds = -1}, {}, {"max_rounds -1", "negative"}},
        {"FewerEvaluations",
         kAll,
         {.max_evaluations = 29},
         {},
         {"limits.max_evaluations would go from 30 to 29", "only raises"}},
        {"FewerRounds", kAll, {.max_rounds = 1}, {}, {"limits.max_rounds would go from 2 to 1"}},
        {"FewerEpochs",
         kAll,
         {.max_total_epochs = 99},
         {},
         {"limits.max_total_epochs would go from 100 to 99"}},
        {"LessTime",
         kAll,
         {.max_wall_time = absl::Minutes(59)},
         {},
         {"limits.max_wall_time would go from 1h to 59m"}},
        {"HigherTarget",
         kAll,
         {.target_error = 0.2},
         {},
         {"limits.target_error would go from 0.1 to 0.2"}},
        {"OneRaisedAndOneLowered",
         kAll,
         {.max_evaluations = 60, .max_rounds = 1},
         {},
         {"limits.max_rounds would go from 2 to 1"}},
        {"ALimitWhereThereWasNone",
         {.max_evaluations = 30},
         {.max_rounds = 9},
         {},
         {"limits.max_rounds would go from 0 to 9"}},
        {"ATargetWhereThereWasNone",
         {.max_evaluations = 30},
         {.target_error = 0.0},
         {},
         {"limits.target_error would go from unset to 0"}},
    }),
    [](const auto& info) { return info.param.name; });

// (bracket, epochs, trials)
using Rung = std::tuple<int, int64_t, int64_t>;

std::vector<Rung> RungsOf(const Plan& plan) {
  std::vector<Rung> rungs;
  for (const PlannedRung& rung : plan.rungs) {
    rungs.emplace_back(rung.bracket, rung.epochs, rung.trials);
  }
  return rungs;
}

TEST(MakePlanTest, CountsOneRoundAndTheRoundsWithinTheLimits) {
  const absl::StatusOr<Plan> plan = MakePlan(Valid());
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(RungsOf(*plan),
              ElementsAre(Rung{0, 2, 8}, Rung{0, 4, 4}, Rung{0, 8, 2}, Rung{0, 10, 1}));
  EXPECT_EQ(plan->evaluations_per_round, 15);
  EXPECT_EQ(plan->epochs_per_round, 8 * 2 + 4 * 2 + 2 * 4 + 1 * 2);
  EXPECT_EQ(plan->epochs_per_round, 34);
  EXPECT_EQ(plan->epochs_per_round_from_scratch, 8 * 2 + 4 * 4 + 2 * 8 + 1 * 10);
  EXPECT_EQ(plan->rounds, 2);
}

TEST(MakePlanTest, OfHyperbandIsAllItsBracketsOnce) {
  StudySpec spec = Valid();
  spec.policy = PolicyKind::kHyperband;
  spec.limits = {.max_evaluations = 70};
  const absl::StatusOr<Plan> plan = MakePlan(spec);
  ASSERT_THAT(plan, IsOk());
  // ceil(4 / (s + 1) * 2^s) trials begin in the bracket of s + 1 rungs.
  EXPECT_THAT(
      RungsOf(*plan),
      ElementsAre(Rung{0, 2, 8}, Rung{0, 4, 4}, Rung{0, 8, 2}, Rung{0, 10, 1}, Rung{1, 4, 6},
                  Rung{1, 8, 3}, Rung{1, 10, 1}, Rung{2, 8, 4}, Rung{2, 10, 2}, Rung{3, 10, 4}));
  EXPECT_EQ(plan->evaluations_per_round, 15 + 10 + 6 + 4);
  EXPECT_EQ(plan->epochs_per_round, 34 + (6 * 4 + 3 * 4 + 1 * 2) + (4 * 8 + 2 * 2) + 4 * 10);
  EXPECT_EQ(plan->rounds, 2);
}

TEST(MakePlanTest, OfAshaIsWhatTheFirstRungOfHalvingComesTo) {
  StudySpec spec = Valid();
  spec.policy = PolicyKind::kAsha;
  const absl::StatusOr<Plan> plan = MakePlan(spec);
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(RungsOf(*plan),
              ElementsAre(Rung{0, 2, 8}, Rung{0, 4, 4}, Rung{0, 8, 2}, Rung{0, 10, 1}));
}

struct RoundsCase {
  std::string name;
  Limits limits;
  int64_t rounds;
};

void PrintTo(const RoundsCase& c, std::ostream* os) { *os << c.name; }

class PlannedRoundsTest : public testing::TestWithParam<RoundsCase> {};

TEST_P(PlannedRoundsTest, LastOnePossiblyCut) {
  StudySpec spec = Valid();
  spec.limits = GetParam().limits;
  const absl::StatusOr<Plan> plan = MakePlan(spec);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->rounds, GetParam().rounds);
}

INSTANTIATE_TEST_SUITE_P(
    , PlannedRoundsTest,
    testing::ValuesIn(std::vector<RoundsCase>{
        {"LessThanOne", {.max_evaluations = 1}, 1},
        {"ExactlyOne", {.max_evaluations = 15}, 1},
        {"OneAndABit", {.max_evaluations = 16}, 2},
        {"Rounds", {.max_rounds = 5}, 5},
        {"EpochsExactlyTwo", {.max_total_epochs = 68}, 2},
        {"EpochsTwoAndABit", {.max_total_epochs = 69}, 3},
        {"TheLeastOfAll", {.max_evaluations = 150, .max_rounds = 3, .max_total_epochs = 136}, 3},
        {"Unbounded", {.max_wall_time = absl::Hours(1)}, 0},
        {"UnboundedByTarget", {.target_error = 0.1}, 0},
        {"NoOverflow",
         {.max_evaluations = std::numeric_limits<int64_t>::max()},
         std::numeric_limits<int64_t>::max() / 15 + 1},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
