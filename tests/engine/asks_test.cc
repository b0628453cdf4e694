// Asks that wait: who is served, when, and in what order.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr absl::Duration kInstant = absl::Nanoseconds(1);

// ---- as soon as there is work

TEST(WaitingAskTest, IsAnsweredInTheBatchThatBringsWork) {
  EngineFixture f;
  const Pending ask = f.StartAsk("a");
  f.Run();
  EXPECT_TRUE(ask->waits());
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_EQ(ask->trial(), 1);
}

TEST(WaitingAskTest, IsAnsweredWhenATrialIsGivenBack) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  const Pending ask = f.StartAsk("b");
  f.Run();
  EXPECT_TRUE(ask->waits());
  ASSERT_THAT(f.CallReport(taken.lease, Returned{.reason = "leaving"}), IsOk());
  EXPECT_EQ(ask->trial(), taken.lease.trial);
}

TEST(WaitingAskTest, IsAnsweredWhenALeaseExpires) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(40));
  const Pending ask = f.StartAsk("b");
  f.Pass(absl::Seconds(20) - kInstant);
  EXPECT_TRUE(ask->waits());
  f.Pass(kInstant);
  EXPECT_EQ(ask->trial(), 1);
}

TEST(WaitingAskTest, IsAnsweredWhenItsStudyIsResumed) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  ASSERT_THAT(f.Call(PauseStudy{.name = "s"}), IsOk());
  const Pending ask = f.StartAsk("a");
  f.Run();
  EXPECT_TRUE(ask->waits());
  ASSERT_THAT(f.Call(ResumeStudy{.name = "s"}), IsOk());
  EXPECT_EQ(ask->trial(), 1);
}

TEST(WaitingAskTest, WithoutWaitIsAnsweredAtOnce) {
  EngineFixture f;
  const Pending ask = f.StartAsk("a", absl::ZeroDuration());
  f.Run();
  ASSERT_THAT(ask->reply(), IsOk());
  EXPECT_TRUE(ask->reply()->asked);
  EXPECT_EQ(ask->trial(), 0);
}

// ---- in the order they came

TEST(WaitingAskTest, ThoseWhoCameFirstAreServedFirst) {
  EngineFixture f;
  const Pending a = f.StartAsk("a");
  f.Run();
  const Pending b = f.StartAsk("b");
  const Pending c = f.StartAsk("c");
  f.Run();
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  EXPECT_EQ(a->trial(), 1);
  EXPECT_EQ(b->trial(), 2);
  EXPECT_TRUE(c->waits());
}

TEST(WaitingAskTest, ComesBeforeANewAskBehindTheWorkInOneBatch) {
  EngineFixture f;
  const Pending first = f.StartAsk("a");
  f.Run();
  f.StartCommand(Flat("s", 1));
  const Pending late = f.StartAsk("b");
  f.Run();
  EXPECT_EQ(first->trial(), 1);
  EXPECT_TRUE(late->waits());
}

TEST(WaitingAskTest, ComesBeforeTheNextOfTheReportThatBringsWork) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  const Pending first = f.StartAsk("b");
  f.Run();
  const Pending report = f.StartReport(taken.lease, Returned{},
                                       Ask{.worker = "a", .request_id = "next"}, absl::Seconds(30));
  f.Run();
  EXPECT_EQ(first->trial(), 1);
  EXPECT_TRUE(report->waits());
}

TEST(WaitingAskTest, IsPassedOverByWorkThatItDoesNotServe) {
  EngineFixture f;
  const Pending a = f.StartAsk(Ask{.worker = "a", .objectives = {"other"}});
  const Pending b = f.StartAsk(Ask{.worker = "b", .objectives = {"other"}});
  const Pending c = f.StartAsk(Ask{.worker = "c", .objectives = {"lenet", "other"}});
  const Pending d = f.StartAsk(Ask{.worker = "d"});
  f.Run();
  ASSERT_THAT(f.Call(Flat("s", 2, "lenet")), IsOk());
  EXPECT_TRUE(a->waits());
  EXPECT_TRUE(b->waits());
  EXPECT_EQ(c->trial(), 1);
  EXPECT_EQ(d->trial(), 2);
  ASSERT_THAT(f.Call(Flat("t", 1, "other")), IsOk());
  EXPECT_EQ(a->trial(), 1);
  EXPECT_TRUE(b->waits());
}

// ---- until its time is over

TEST(WaitingAskTest, IsAnsweredWithoutATrialAtItsDeadlineAndNotBefore) {
  EngineFixture f;
  const Pending ask = f.StartAsk("a", absl::Seconds(30));
  f.Run();
  f.Pass(absl::Seconds(30) - kInstant);
  EXPECT_TRUE(ask->waits());
  f.Pass(kInstant);
  ASSERT_THAT(ask->reply(), IsOk());
  EXPECT_TRUE(ask->reply()->asked);
  EXPECT_FALSE(ask->reply()->draining);
  EXPECT_EQ(ask->trial(), 0);
}

TEST(WaitingAskTest, GetsTheWorkThatComesAtItsDeadline) {
  EngineFixture f;
  const Pending ask = f.StartAsk("a", absl::Seconds(30));
  f.Run();
  f.clock.Advance(absl::Seconds(30));
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_EQ(ask->trial(), 1);
}

// ---- callers that are gone

TEST(WaitingAskTest, OfACallerWhoLeftIsDroppedBeforeItCanLease) {
  EngineFixture f;
  const Engine::Gone gone = Engine::NewGone();
  const Pending left = f.StartAsk("a", absl::Seconds(30), gone);
  const Pending stays = f.StartAsk("b");
  f.Run();
  gone->store(true);
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_THAT(left->reply(), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(stays->trial(), 1);
}

TEST(WaitingAskTest, OfACallerWhoLeftIsDroppedWhenNothingElseHappens) {
  EngineFixture f;
  const Engine::Gone gone = Engine::NewGone();
  const Pending left = f.StartAsk("a", absl::Seconds(30), gone);
  f.Run();
  gone->store(true);
  f.engine().Sweep();
  f.Run();
  EXPECT_THAT(left->reply(), StatusIs(StatusCode::kCancelled));
}

TEST(WaitingAskTest, OfACallerWhoLeftBeforeItWasLookedAtLeasesNothing) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Engine::Gone gone = Engine::NewGone();
  gone->store(true);
  const Pending left = f.StartAsk("a", absl::Seconds(30), gone);
  f.Run();
  EXPECT_THAT(left->reply(), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 0);
}

// ---- asks that were sent again

TEST(WaitingAskTest, SentTwiceGetsOneTrialTwice) {
  EngineFixture f;
  const Ask ask{.worker = "a", .request_id = "r"};
  const Pending first = f.StartAsk(ask);
  const Pending again = f.StartAsk(ask);
  f.Run();
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  EXPECT_EQ(first->trial(), 1);
  EXPECT_EQ(again->trial(), 1);
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 1);
}

// The first one's connection is dead, which nobody has noticed yet.
TEST(WaitingAskTest, SentAgainBehindOthersGetsItsTrialAtItsDeadlineAtTheLatest) {
  EngineFixture f;
  const Ask ask{.worker = "a", .request_id = "r"};
  f.StartAsk(ask, absl::Seconds(60));
  const Pending other = f.StartAsk("b", absl::Seconds(60));
  f.Run();
  const Pending again = f.StartAsk(ask, absl::Seconds(20));
  f.Run();
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Pass(absl::Seconds(20));
  EXPECT_EQ(again->trial(), 1);
  EXPECT_TRUE(other->waits());
}

TEST(WaitingAskTest, OfAProcessThatWasReplacedIsRefusedAtItsDeadlineAtTheLatest) {
  EngineFixture f;
  const Pending old = f.StartAsk(Ask{.worker = "a", .incarnation = "1"}, absl::Seconds(20));
  f.Run();
  f.StartAsk(Ask{.worker = "a", .incarnation = "2"}, absl::Seconds(60));
  f.Run();
  f.Pass(absl::Seconds(20));
  EXPECT_THAT(old->reply(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("taken over")));
}

TEST(WaitingAskTest, WhoseLeaseIsOverIsAnsweredAtOnceWithoutATrial) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  const Ask ask{.worker = "a", .request_id = "r"};
  const Pending first = f.StartAsk(ask);
  f.Run();
  ASSERT_THAT(f.CallReport(first->reply()->assignment->lease, Completed{.error = 1}), IsOk());
  const Pending again = f.StartAsk(ask, absl::Seconds(30));
  f.Run();
  ASSERT_THAT(again->reply(), IsOk());
  EXPECT_EQ(again->trial(), 0);
}

TEST(WaitingAskTest, WhoseLeaseIsOverHoldsUpNobodyBehindIt) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Ask ask{.worker = "a", .request_id = "r"};
  const Pending first = f.StartAsk(ask);
  f.Run();
  ASSERT_THAT(f.CallReport(first->reply()->assignment->lease, Completed{.error = 1}), IsOk());
  f.StartAsk(ask, absl::Seconds(30));
  const Pending other = f.StartAsk("b");
  f.Run();
  ASSERT_THAT(f.Call(Flat("t", 1)), IsOk());
  EXPECT_EQ(other->trial(), 1);
}

TEST(WaitingAskTest, OfAProcessThatWasReplacedIsRefusedWhenWorkComes) {
  EngineFixture f;
  const Pending old = f.StartAsk(Ask{.worker = "a", .incarnation = "1"});
  f.Run();
  const Pending fresh = f.StartAsk(Ask{.worker = "a", .incarnation = "2"});
  f.Run();
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_THAT(old->reply(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("taken over")));
  EXPECT_EQ(fresh->trial(), 1);
}

// ---- more than anybody needs

TEST(WaitingAskTest, BeyondAHundredThousandIsRefusedAndTheOthersAreServed) {
  constexpr int kMost = 100'000;
  EngineFixture f;
  const Pending first = f.StartAsk("a");
  for (int i = 1; i < kMost; ++i) f.StartAsk("a");
  const Pending beyond = f.StartAsk("b");
  f.Run();
  EXPECT_THAT(beyond->reply(), StatusIs(StatusCode::kResourceExhausted, HasSubstr("100000 asks")));
  EXPECT_TRUE(first->waits());
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_EQ(first->trial(), 1);
}

// ---- down

TEST(DrainTest, AnswersThoseThatWait) {
  EngineFixture f;
  const Pending ask = f.StartAsk("a");
  f.Run();
  f.engine().Drain();
  f.Run();
  ASSERT_THAT(ask->reply(), IsOk());
  EXPECT_TRUE(ask->reply()->asked);
  EXPECT_TRUE(ask->reply()->draining);
  EXPECT_EQ(ask->trial(), 0);
}

TEST(DrainTest, HandsOutNothingMore) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 3)), IsOk());
  const Pending waiting = f.StartAsk(Ask{.worker = "x", .objectives = {"other"}});
  f.Run();
  f.engine().Drain();
  const Pending ask = f.StartAsk("a");
  f.StartCommand(Flat("t", 3, "other"));
  f.Run();
  EXPECT_TRUE(ask->reply()->draining);
  EXPECT_TRUE(waiting->reply()->draining);
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 0);
}

TEST(DrainTest, ReportsAndReadsGoOn) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 2)), IsOk());
  const Assignment taken = f.Take("a");
  f.engine().Drain();
  const Pending report = f.StartReport(taken.lease, Completed{.error = 1},
                                       Ask{.worker = "a", .request_id = "n"}, absl::Seconds(30));
  const Pending read = f.StartRead();
  f.Run();
  ASSERT_THAT(report->reply(), IsOk());
  EXPECT_FALSE(report->reply()->answer.duplicate);
  EXPECT_TRUE(report->reply()->draining);
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 1);
  EXPECT_THAT(read->reply(), IsOk());
}

}  // namespace
}  // namespace halving
