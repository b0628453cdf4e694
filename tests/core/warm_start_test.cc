// A warm start: a study begins with the best configs of another one.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// The study "s" has trained its trials 1 to 8 to the first rung, the higher ids the better.
class WarmStartTest : public testing::Test {
 protected:
  WarmStartTest() : f_(SmallSpec({.max_evaluations = 30})) {
    for (const Assignment& a : f_.TakeMany(8)) f_.Complete(a, -static_cast<double>(a.lease.trial));
  }

  StudySpec Next(int32_t trials = 0) {
    StudySpec spec = SmallSpec({.max_evaluations = 30});
    spec.name = "next";
    spec.seed = 2;
    spec.warm_start = {.study = "s", .trials = trials};
    return spec;
  }
  NamedConfig ConfigOf(TrialId id) { return f_.study().space().Decode(f_.trial(id).config); }

  SchedulerFixture f_;
};

TEST_F(WarmStartTest, BeginsWithTheBestOfTheOtherStudy) {
  f_.Create(Next(3));
  EXPECT_THAT(f_.study("next").spec().initial_configs,
              ElementsAre(ConfigOf(8), ConfigOf(7), ConfigOf(6)));
}

TEST_F(WarmStartTest, ComesAfterTheConfigsThatThePersonNamed) {
  StudySpec spec = Next(1);
  spec.initial_configs = {{{"x", 0.25}}};
  f_.Create(spec);
  EXPECT_THAT(f_.study("next").spec().initial_configs,
              ElementsAre((NamedConfig{{"x", 0.25}}), ConfigOf(8)));
}

TEST_F(WarmStartTest, IsFiveTrialsUnlessSaid) {
  f_.Create(Next());
  EXPECT_THAT(f_.study("next").spec().initial_configs, SizeIs(5));
  EXPECT_EQ(f_.study("next").spec().warm_start.trials, 5);
}

TEST_F(WarmStartTest, TakesWhatThereIsWhenThatIsFewer) {
  f_.Create(Next(100));
  EXPECT_THAT(f_.study("next").spec().initial_configs, SizeIs(8));
}

TEST_F(WarmStartTest, TheRequestMayBeRepeatedThoughTheOtherStudyWentOn) {
  StudySpec request = Next(2);
  request.initial_configs = {{{"x", 0.25}}};
  const Answer first = f_.Do(CreateStudy{.spec = request});
  f_.Complete(f_.Take("w"), -100);  // Another one is the best now.
  EXPECT_EQ(f_.Do(CreateStudy{.spec = request}).study, first.study);
  StudySpec shown = request;
  shown.initial_configs = f_.study("next").spec().initial_configs;
  EXPECT_EQ(f_.Do(CreateStudy{.spec = shown}).study, first.study) << "as GetStudy shows it";
  const auto another = [&](const StudySpec& spec) {
    EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}), StatusIs(StatusCode::kAlreadyExists));
  };
  StudySpec more = request;
  more.warm_start.trials = 3;
  another(more);
  StudySpec cold = request;
  cold.warm_start = {};
  another(cold);
  StudySpec other = request;
  other.initial_configs = {};
  another(other);
}

TEST_F(WarmStartTest, TakesNoConfigTwice) {
  StudySpec spec = Next(2);
  spec.initial_configs = {ConfigOf(8)};
  f_.Create(spec);
  EXPECT_THAT(f_.study("next").spec().initial_configs,
              ElementsAre(ConfigOf(8), ConfigOf(7), ConfigOf(6)));
}

TEST_F(WarmStartTest, IsBoundedWhateverTheOtherStudyHolds) {
  StudySpec wide = SmallSpec({.max_evaluations = 1000});
  wide.name = "wide";
  wide.halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2};
  wide.parameters.clear();
  for (int i = 0; i < 300; ++i) {
    wide.parameters.push_back({std::string(100, 'p') + std::to_string(i), FloatRange{0, 1}});
  }
  f_.Create(wide);
  f_.Do(StopStudy{.name = "s"});
  for (int i = 0; i < 100; ++i) f_.Complete(f_.Take("w"), i);
  wide.name = "next";
  wide.warm_start = {.study = "wide", .trials = 100};
  f_.Create(wide);
  const size_t taken = f_.study("next").spec().initial_configs.size();
  EXPECT_GE(taken, 5u);
  EXPECT_LE(taken, 10u) << "36 KB each";
}

TEST_F(WarmStartTest, LeavesOutWhatTheNewSpaceDoesNotHold) {
  StudySpec spec = Next(8);
  const double x8 = f_.trial(8).config[0];
  spec.parameters = {{"x", FloatRange{x8 - 0.1, x8 + 0.1}}};
  f_.Create(spec);
  const std::vector<NamedConfig>& configs = f_.study("next").spec().initial_configs;
  ASSERT_FALSE(configs.empty());
  EXPECT_EQ(configs[0], ConfigOf(8));
  EXPECT_LT(configs.size(), 8u);
}

TEST_F(WarmStartTest, SaysWhyWhenNothingFits) {
  StudySpec spec = Next();
  spec.parameters = {{"y", FloatRange{0, 1}}};
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("sets \"x\", which is none of the study's parameters")));
  EXPECT_EQ(f_.scheduler().FindStudy("next"), nullptr);
}

TEST_F(WarmStartTest, WaitsForNoResult) {
  StudySpec empty = SmallSpec({.max_evaluations = 30});
  empty.name = "empty";
  f_.Create(empty);
  StudySpec spec = Next();
  spec.warm_start.study = "empty";
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("no result yet")));
}

TEST_F(WarmStartTest, OfNoStudyOrOfItselfIsRefused) {
  StudySpec spec = Next();
  spec.warm_start.study = "nobody";
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kNotFound, HasSubstr("warm_start.study")));
  spec.warm_start.study = "next";
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("the study itself")));
  spec.warm_start = {.study = "", .trials = 3};
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("warm_start.study is empty")));
  spec.warm_start = {.study = "s", .trials = -1};
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("warm_start.trials is -1")));
  spec.warm_start = {.study = "s", .trials = 101};
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("warm_start.trials is 101")));
}

}  // namespace
}  // namespace halving
