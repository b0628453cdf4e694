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
  const Answer first = f_.Do(CreateStudy{.spec = Next(2)});
  f_.Complete(f_.Take("w"), -100);  // Another one is the best now.
  const Answer again = f_.Do(CreateStudy{.spec = Next(2)});
  EXPECT_EQ(again.study, first.study);
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = Next(3)}), StatusIs(StatusCode::kAlreadyExists));
  StudySpec cold = Next();
  cold.warm_start = {};
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = cold}), StatusIs(StatusCode::kAlreadyExists));
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
}

}  // namespace
}  // namespace halving
