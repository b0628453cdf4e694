// To a caller of one owner the studies of others are not there.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/checkpoint_id.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

StudySpec Named(const std::string& name, const std::string& owner) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.name = name;
  spec.owner = owner;
  return spec;
}

Ask AskOf(const std::string& worker, const Scope& scope) {
  return {.worker = worker, .scope = scope};
}

class OwnerTest : public testing::Test {
 protected:
  OwnerTest() {
    f_.Create(Named("a", "vision"));
    f_.Create(Named("b", "speech"));
    f_.Create(Named("c", ""));
  }
  SchedulerFixture f_;
};

TEST_F(OwnerTest, AStudyIsItsCreatorsWhereNothingElseIsSaid) {
  f_.Do(CreateStudy{.spec = Named("d", ""), .fallback_seed = 7, .scope = "vision"});
  EXPECT_EQ(f_.scheduler().FindStudy("d")->spec().owner, "vision");
  f_.Do(CreateStudy{.spec = Named("d", ""), .fallback_seed = 7, .scope = "vision"});  // Again.
  EXPECT_THAT(
      f_.Execute(CreateStudy{.spec = Named("e", "speech"), .fallback_seed = 7, .scope = "vision"}),
      StatusIs(StatusCode::kPermissionDenied, HasSubstr("speech")));
}

TEST_F(OwnerTest, ATakenNameTellsNothingOfTheStudy) {
  const auto refused =
      f_.Execute(CreateStudy{.spec = Named("b", ""), .fallback_seed = 7, .scope = "vision"});
  EXPECT_THAT(refused, StatusIs(StatusCode::kAlreadyExists,
                                AllOf(HasSubstr("\"b\""), Not(HasSubstr("RUNNING")))));
}

TEST_F(OwnerTest, AnOwnerThatIsNoNameIsRefused) {
  for (const std::string& bad :
       {std::string("a b"), std::string("../x"), std::string("a/b"), std::string(65, 'a')}) {
    EXPECT_THAT(f_.Execute(CreateStudy{.spec = Named("d", bad), .fallback_seed = 7}),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("owner")));
  }
}

TEST_F(OwnerTest, NoCommandReachesAnothersStudy) {
  for (const std::string name : {"b", "c"}) {
    const Scope scope = "vision";
    const std::vector<Command> commands = {
        PauseStudy{.name = name, .scope = scope}, ResumeStudy{.name = name, .scope = scope},
        StopStudy{.name = name, .scope = scope},
        ExtendStudy{.name = name, .limits = {.max_evaluations = 99}, .scope = scope},
        DeleteStudy{.name = name, .scope = scope}};
    for (const Command& command : commands) {
      EXPECT_THAT(f_.Execute(command), StatusIs(StatusCode::kNotFound)) << name;
    }
    EXPECT_EQ(f_.scheduler().FindStudy(name)->state(), StudyState::kRunning);
  }
  EXPECT_THAT(f_.Execute(PauseStudy{.name = "a", .scope = "vision"}), IsOk());
  EXPECT_THAT(f_.Execute(PauseStudy{.name = "b"}), IsOk()) << "without a scope all are reached";
}

TEST_F(OwnerTest, AWorkerOfAnOwnerGetsTrialsOfHisOnly) {
  for (int i = 0; i < 4; ++i) {
    const auto got = f_.AskWith(AskOf("w" + std::to_string(i), "vision"));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->study, "a");
  }
  f_.Do(PauseStudy{.name = "a"});
  EXPECT_FALSE(f_.AskWith(AskOf("w9", "vision")).has_value());
  EXPECT_TRUE(f_.AskWith(AskOf("w10", "")).has_value());
}

TEST_F(OwnerTest, ALeaseIsOfUseToItsOwnerOnly) {
  const auto got = f_.AskWith(AskOf("w", "vision"));
  ASSERT_TRUE(got.has_value());
  for (const Outcome& outcome : {Outcome(Progress{}), Outcome(Completed{.error = 0.1}),
                                 Outcome(Failed{.reason = "x"}), Outcome(Returned{})}) {
    EXPECT_THAT(f_.Execute(Report{.lease = got->lease, .outcome = outcome, .scope = "speech"}),
                StatusIs(StatusCode::kNotFound));
  }
  const StoreCheckpoint upload{.lease = got->lease,
                               .epoch = 2,
                               .bytes = 5,
                               .sha256 = std::string(32, 's'),
                               .scope = "speech"};
  EXPECT_THAT(f_.Execute(upload), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(f_.scheduler().TrialOfLease(got->lease, "speech").status(),
              StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(f_.Execute(Report{
                  .lease = got->lease, .outcome = Completed{.error = 0.1}, .scope = "vision"}),
              IsOk());
}

TEST_F(OwnerTest, WhetherAnothersCheckpointIsNeededIsNotTold) {
  const auto got = f_.AskWith(AskOf("w", "vision"));
  ASSERT_TRUE(got.has_value());
  const std::string gone = StoredCheckpointId(got->lease, 1, std::string(32, 'g'));
  EXPECT_FALSE(f_.scheduler().IsNeeded(gone, "vision"));
  EXPECT_TRUE(f_.scheduler().IsNeeded(gone, "speech"));
}

TEST_F(OwnerTest, AWarmStartTakesNothingOfAnother) {
  f_.Complete(*f_.AskWith(AskOf("w", "speech")), 0.5);
  StudySpec spec = Named("d", "");
  spec.warm_start.study = "b";
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec, .fallback_seed = 7, .scope = "vision"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("warm_start")));
  EXPECT_THAT(f_.Execute(CreateStudy{.spec = spec, .fallback_seed = 7, .scope = "speech"}), IsOk());
}

TEST(StudyCheckpointQuotaTest, CountsWhatTheStudyHasNow) {
  SchedulerFixture f(Quotas{.checkpoint_bytes_per_study = 100});
  f.Create(SmallSpec({.max_evaluations = 30}));
  const auto store = [&](const Assignment& on, int64_t epoch, int64_t bytes) {
    return f.Execute(StoreCheckpoint{.lease = on.lease,
                                     .epoch = epoch,
                                     .bytes = bytes,
                                     .sha256 = std::string(32, static_cast<char>('a' + epoch))});
  };
  const Assignment first = f.Take("w1");
  const Assignment second = f.Take("w2");
  EXPECT_THAT(store(first, 2, 60), IsOk());
  EXPECT_THAT(store(second, 2, 41),
              StatusIs(StatusCode::kResourceExhausted, AllOf(HasSubstr("60"), HasSubstr("100"))));
  EXPECT_THAT(store(second, 2, 40), IsOk());
  f.Fail(first, /*retryable=*/false);  // Its checkpoint goes.
  EXPECT_EQ(f.study().checkpoint_bytes(), 40);
  EXPECT_THAT(store(f.Take("w3"), 2, 60), IsOk());
}

}  // namespace
}  // namespace halving
