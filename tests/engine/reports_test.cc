// Reports, the asks that come with them, and what an answer promises.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

Ask Next(const std::string& worker, const std::string& incarnation = "") {
  return {.worker = worker, .request_id = "next", .incarnation = incarnation};
}

TEST(ReportTest, AndItsNextAreOneTransaction) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  const Assignment taken = f.Take("a");
  const size_t before = f.journal.transactions().size();
  const Pending report = f.StartReport(taken.lease, Completed{.error = 1}, Next("a"));
  f.Run();
  EXPECT_TRUE(report->reply()->asked);
  EXPECT_EQ(report->trial(), 2);
  const auto transactions = f.journal.transactions();
  ASSERT_THAT(transactions, SizeIs(before + 1));
  EXPECT_EQ(CountOf<TrialReported>(transactions.back()), 1);
  EXPECT_EQ(CountOf<TrialLeased>(transactions.back()), 1);
}

TEST(ReportTest, IsAnsweredWithItsNextWhenThereIsWork) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  const Pending report =
      f.StartReport(taken.lease, Completed{.error = 1}, Next("a"), absl::Seconds(30));
  f.Run();
  EXPECT_TRUE(report->waits());
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 1) << "it counts before it is answered";
  ASSERT_THAT(f.Call(Flat("t", 1)), IsOk());
  EXPECT_EQ(report->trial(), 1);
  EXPECT_EQ(report->reply()->assignment->study, "t");
  EXPECT_NE(report->reply()->answer.study, 0);
}

TEST(ReportTest, WhoseNextFindsNoWorkIsOkAtItsDeadline) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  const Pending report =
      f.StartReport(taken.lease, Completed{.error = 1}, Next("a"), absl::Seconds(30));
  f.Run();
  f.Pass(absl::Seconds(30));
  ASSERT_THAT(report->reply(), IsOk());
  EXPECT_TRUE(report->reply()->asked);
  EXPECT_EQ(report->trial(), 0);
}

TEST(ReportTest, WhoseNextIsRefusedIsOkAndSaysNothingOfIt) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  const Pending old = f.StartAsk(Ask{.worker = "a", .incarnation = "1"});
  f.Run();
  // A newer process takes the worker id over; the old one reports all the same.
  f.StartAsk(Ask{.worker = "a", .incarnation = "2", .objectives = {"none"}}, absl::ZeroDuration());
  f.Run();
  const Pending report = f.StartReport(old->reply()->assignment->lease, Completed{.error = 1},
                                       Next("a", "1"), absl::Seconds(30));
  f.Run();
  ASSERT_THAT(report->reply(), IsOk());
  EXPECT_FALSE(report->reply()->asked);
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 1);
}

TEST(ReportTest, ThatIsRefusedLeavesItsNextUnasked) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending report = f.StartReport({.study = 1, .trial = 1, .attempt = 1},
                                       Completed{.error = 1}, Next("a"), absl::Seconds(30));
  f.Run();
  EXPECT_THAT(report->reply(), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 0);
}

TEST(ReportTest, OfACallerWhoLeftCountsButItsNextGetsNoTrial) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  const Assignment taken = f.Take("a");
  const Engine::Gone gone = Engine::NewGone();
  gone->store(true);
  const Pending report =
      f.StartReport(taken.lease, Completed{.error = 1}, Next("a"), absl::Seconds(30), gone);
  f.Run();
  EXPECT_FALSE(report->waits());
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 1);
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 1) << "the one before the report";
}

TEST(ReportTest, SentAgainWithItsNextGetsTheSameTrial) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 3)), IsOk());
  const Assignment taken = f.Take("a");
  const Pending first = f.StartReport(taken.lease, Completed{.error = 1}, Next("a"));
  f.Run();
  const Pending again = f.StartReport(taken.lease, Completed{.error = 1}, Next("a"));
  f.Run();
  EXPECT_FALSE(first->reply()->answer.duplicate);
  EXPECT_TRUE(again->reply()->answer.duplicate);
  EXPECT_EQ(again->trial(), first->trial());
}

// ---- durability

TEST(AnswerTest, IsGivenOnlyAfterItsEventsAreInTheJournal) {
  EngineFixture f;
  int checked = 0;
  const auto in_journal = [&f, &checked](auto kind) {
    ++checked;
    EXPECT_EQ(CountOf<decltype(kind)>(f.journal.events()), 1) << "answered before it was durable";
  };
  f.engine().Post(Flat("s", 1), [&](absl::StatusOr<Engine::Reply>, const Engine::View&) {
    in_journal(StudyCreated{});
  });
  LeaseKey lease;
  f.engine().PostAsk(Ask{.worker = "a", .request_id = "r"}, absl::ZeroDuration(), nullptr,
                     [&](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
                       lease = reply->assignment->lease;
                       in_journal(TrialLeased{});
                     });
  f.engine().PostRead([&](const absl::Status&, const Engine::View& view) {
    EXPECT_EQ(view.scheduler.FindStudy("s")->running().size(), 1u);
    in_journal(TrialLeased{});
  });
  f.Run();
  f.engine().PostReport({.lease = lease, .outcome = Completed{.error = 1}}, std::nullopt,
                        absl::ZeroDuration(), nullptr,
                        [&](absl::StatusOr<Engine::Reply>, const Engine::View&) {
                          in_journal(TrialReported{});
                          in_journal(StudyEnded{});
                        });
  f.Run();
  EXPECT_EQ(checked, 5);
}

TEST(AnswerTest, ToABatchComesAfterOneTransaction) {
  EngineFixture f;
  f.StartCommand(Flat("s", 3));
  for (const char* worker : {"a", "b", "c"}) f.StartAsk(worker);
  f.Run();
  ASSERT_THAT(f.journal.transactions(), SizeIs(1));
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.transactions()[0]), 3);
}

TEST(AnswerTest, ThatChangedNothingDurableWritesNothing) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  const size_t before = f.journal.attempts().size();
  f.Pass(absl::Seconds(3));
  ASSERT_THAT(f.CallReport(taken.lease, Progress{}), IsOk());
  EXPECT_THAT(f.Call(StopStudy{.name = "other"}), StatusIs(StatusCode::kNotFound));
  f.StartAsk("b", absl::ZeroDuration());
  f.Run();
  EXPECT_THAT(f.journal.attempts(), SizeIs(before));
}

TEST(AnswerTest, ARefusalChangesNothing) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const std::string before = f.Known();
  EXPECT_THAT(f.Call(Flat("s", 2)), StatusIs(StatusCode::kAlreadyExists, HasSubstr("\"s\"")));
  EXPECT_EQ(f.Known(), before);
}

// ---- restarts

TEST(ReplayTest, ARestartedEngineKnowsWhatTheOldOneKnew) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 5)), IsOk());
  const Assignment one = f.Take("a");
  f.Take("b");
  ASSERT_THAT(f.CallReport(one.lease, Completed{.error = 0.5}), IsOk());
  const std::string before = f.Known();
  EXPECT_EQ(f.Replayed(), before);
  f.Restart();
  EXPECT_EQ(f.Known(), before);
}

TEST(ReplayTest, AnAskSentAgainAfterARestartGetsTheSameTrial) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 5)), IsOk());
  const Ask ask{.worker = "a", .request_id = "r", .incarnation = "1"};
  const Pending before = f.StartAsk(ask);
  f.Run();
  f.Restart();
  const Pending after = f.StartAsk(ask);
  f.Run();
  EXPECT_EQ(after->trial(), before->trial());
  EXPECT_TRUE(after->reply()->assignment->lease == before->reply()->assignment->lease);
}

TEST(ReplayTest, AJournalThatCannotBeReadIsRefusedAsItSays) {
  FakeClock clock;
  FaultJournal journal;
  journal.FailReplay(absl::DataLossError("event 7 is not the one that was written there"));
  EXPECT_THAT(Engine::Create(&journal, &clock).status(),
              StatusIs(StatusCode::kDataLoss, HasSubstr("event 7")));
}

}  // namespace
}  // namespace halving
