// The small tables that the scheduler keeps beside its studies.
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/core/asks.h"
#include "server/core/leases.h"
#include "server/core/sliding_sum.h"
#include "server/core/workers.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Key = LeaseTable::Key;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(LeaseTableTest, DueIsTheOneThatEndedFirstThenByStudyAndTrial) {
  LeaseTable table;
  table.Set({2, 1}, "a", kNow);
  table.Set({1, 9}, "b", kNow);
  table.Set({1, 5}, "c", kNow + absl::Seconds(1));
  table.Set({3, 3}, "d", kNow - absl::Seconds(1));
  std::vector<Key> order;
  while (const std::optional<Key> due = table.FirstDue(kNow + absl::Seconds(1))) {
    order.push_back(*due);
    table.Erase(*due);
  }
  EXPECT_THAT(order, ElementsAre(Key{3, 3}, Key{1, 9}, Key{2, 1}, Key{1, 5}));
  EXPECT_EQ(table.NextDeadline(), absl::InfiniteFuture());
}

TEST(LeaseTableTest, IsDueAtItsDeadlineAndNotBeforeAndStaysUntilErased) {
  LeaseTable table;
  table.Set({1, 1}, "a", kNow);
  EXPECT_EQ(table.FirstDue(kNow - absl::Nanoseconds(1)), std::nullopt);
  EXPECT_EQ(table.FirstDue(kNow), (Key{1, 1}));
  EXPECT_EQ(table.FirstDue(kNow), (Key{1, 1}));
}

TEST(LeaseTableTest, SetMovesTheDeadlineAndTheHolder) {
  LeaseTable table;
  table.Set({1, 1}, "a", kNow);
  table.Set({1, 1}, "b", kNow + absl::Seconds(5));
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(table.NextDeadline(), kNow + absl::Seconds(5));
  EXPECT_THAT(table.HeldBy("a"), IsEmpty());
  EXPECT_THAT(table.HeldBy("b"), ElementsAre(Key{1, 1}));
}

TEST(LeaseTableTest, PostponeMovesEveryDeadline) {
  LeaseTable table;
  table.Set({1, 1}, "a", kNow);
  table.Set({1, 2}, "a", kNow + absl::Seconds(1));
  table.Postpone(absl::Seconds(10));
  EXPECT_EQ(table.NextDeadline(), kNow + absl::Seconds(10));
  table.Erase({1, 1});
  EXPECT_EQ(table.NextDeadline(), kNow + absl::Seconds(11));
  table.Erase({1, 2});
  EXPECT_EQ(table.size(), 0);
  EXPECT_EQ(table.NextDeadline(), absl::InfiniteFuture());
}

TEST(LeaseTableTest, KnowsHoldersAndStudies) {
  LeaseTable table;
  table.Set({2, 1}, "w1", kNow);
  table.Set({2, 7}, "w10", kNow);
  table.Set({9, 1}, "w1", kNow);
  EXPECT_THAT(table.HeldBy("w1"), ElementsAre(Key{2, 1}, Key{9, 1}));
  EXPECT_TRUE(table.IsHolder("w10"));
  EXPECT_FALSE(table.IsHolder("w"));
  EXPECT_THAT(table.Studies(), ElementsAre(2, 9));
  EXPECT_TRUE(table.Contains({2, 7}));
  EXPECT_FALSE(table.Contains({7, 2}));
  table.Erase({5, 5});  // None there: no matter.
  EXPECT_EQ(table.size(), 3);
}

TEST(SlidingSumTest, HoldsTheLastTenMinutes) {
  SlidingSum sum;
  EXPECT_EQ(sum.Sum(kNow), absl::ZeroDuration());
  sum.Add(kNow, absl::Seconds(5));
  sum.Add(kNow + absl::Minutes(5), absl::Seconds(7));
  EXPECT_EQ(sum.Sum(kNow + absl::Minutes(5)), absl::Seconds(12));
  EXPECT_EQ(sum.Sum(kNow + absl::Minutes(9)), absl::Seconds(12));
  EXPECT_EQ(sum.Sum(kNow + absl::Minutes(11)), absl::Seconds(7));
  EXPECT_EQ(sum.Sum(kNow + absl::Minutes(16)), absl::ZeroDuration());
}

TEST(SlidingSumTest, ASlotThatIsUsedAgainForgetsWhatItHeld) {
  SlidingSum sum;
  sum.Add(kNow, absl::Seconds(5));
  sum.Add(kNow + absl::Minutes(10), absl::Seconds(7));
  EXPECT_EQ(sum.Sum(kNow + absl::Minutes(10)), absl::Seconds(7));
}

TEST(AskLogTest, KeepsAnAskUntilADayAfterItsLeaseWasOver) {
  AskLog log;
  log.Record("w", "i", "r", {.study = 1, .trial = 2, .attempt = 3});
  log.ForgetOld(kNow + absl::Hours(1000));
  ASSERT_NE(log.Find("w", "i", "r"), nullptr) << "an open lease is never forgotten";
  EXPECT_EQ(log.Find("w", "i", "r")->trial, 2);
  log.Retire("w", "i", "r", kNow);
  log.ForgetOld(kNow + absl::Hours(24));
  EXPECT_NE(log.Find("w", "i", "r"), nullptr);
  log.ForgetOld(kNow + absl::Hours(24) + absl::Nanoseconds(1));
  EXPECT_EQ(log.Find("w", "i", "r"), nullptr);
  EXPECT_EQ(log.size(), 0u);
}

TEST(AskLogTest, DoesNotRunItsPartsTogether) {
  AskLog log;
  log.Record("ab", "c", "d", {.study = 1, .trial = 1, .attempt = 1});
  EXPECT_EQ(log.Find("a", "bc", "d"), nullptr);
  EXPECT_EQ(log.Find("ab", "", "cd"), nullptr);
}

TEST(WorkerTableTest, ForgetsWhoWasNotSeenForADayUnlessItHoldsALease) {
  WorkerTable workers;
  LeaseTable leases;
  workers.See({.worker = "gone", .time = kNow});
  workers.See({.worker = "holder", .time = kNow});
  leases.Set({1, 1}, "holder", kNow);
  workers.ForgetUnseen(kNow + absl::Hours(24), leases);
  EXPECT_NE(workers.Find("gone"), nullptr);
  workers.ForgetUnseen(kNow + absl::Hours(24) + absl::Seconds(1), leases);
  EXPECT_EQ(workers.Find("gone"), nullptr);
  EXPECT_NE(workers.Find("holder"), nullptr);
}

TEST(WorkerTableTest, IsConnectedForAMinuteAfterItsLastSignOfLife) {
  WorkerTable workers;
  workers.See({.worker = "w", .time = kNow});
  LeaseTable leases;
  EXPECT_EQ(workers.Connected(kNow + absl::Seconds(60), leases), 1);
  EXPECT_EQ(workers.Connected(kNow + absl::Seconds(61), leases), 0);
  workers.SeeAt("w", kNow + absl::Seconds(61));
  workers.SeeAt("never seen", kNow);
  EXPECT_EQ(workers.Connected(kNow + absl::Seconds(61), leases), 1);
}

TEST(WorkerTableTest, IsConnectedAsLongAsItHoldsALease) {
  WorkerTable workers;
  LeaseTable leases;
  workers.See({.worker = "w", .time = kNow});
  leases.Set({1, 1}, "w", kNow + absl::Hours(1));
  EXPECT_EQ(workers.Connected(kNow + absl::Minutes(10), leases), 1);
  leases.Erase({1, 1});
  EXPECT_EQ(workers.Connected(kNow + absl::Minutes(10), leases), 0);
}

TEST(WorkerTableTest, RemembersSixtyFourForerunners) {
  WorkerTable workers;
  for (int i = 0; i <= 65; ++i) {
    workers.Start({.worker = "w", .incarnation = std::to_string(i), .time = kNow});
  }
  EXPECT_FALSE(workers.IsSuperseded("w", "0"));
  EXPECT_TRUE(workers.IsSuperseded("w", "1"));
  EXPECT_TRUE(workers.IsSuperseded("w", "64"));
  EXPECT_FALSE(workers.IsSuperseded("w", "65")) << "the one that owns it now";
}

}  // namespace
}  // namespace halving
