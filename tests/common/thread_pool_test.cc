#include "common/thread_pool.h"

#include <future>
#include <vector>

#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(ThreadPoolTest, RunsTasksInTheirOrderOnOneThread) {
  std::vector<int> ran;
  ThreadPool pool(1);
  for (int i = 0; i < 100; ++i) pool.Post([&ran, i] { ran.push_back(i); });
  pool.Stop();
  ASSERT_EQ(ran.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[i], i);
}

TEST(ThreadPoolTest, ATaskThatBlocksHoldsUpItsThreadOnly) {
  ThreadPool pool(2);
  std::promise<void> go_on;
  std::promise<void> other;
  pool.Post([waits = go_on.get_future().share()] { waits.wait(); });
  pool.Post([&] { other.set_value(); });
  other.get_future().wait();
  go_on.set_value();
}

TEST(ThreadPoolTest, AfterStopATaskIsRunByItsPoster) {
  ThreadPool pool(1);
  pool.Stop();
  std::thread::id ran_by;
  pool.Post([&ran_by] { ran_by = std::this_thread::get_id(); });
  EXPECT_EQ(ran_by, std::this_thread::get_id());
}

TEST(ThreadPoolTest, RunsARepeatedTaskAgainAndAgainBesideOthers) {
  ThreadPool pool(2);
  std::promise<void> third;
  int times = 0;
  pool.PostEvery(absl::Milliseconds(1), [&] {
    if (++times == 3) third.set_value();
  });
  std::promise<void> other;
  pool.Post([&] { other.set_value(); });
  other.get_future().wait();
  third.get_future().wait();
}

}  // namespace
}  // namespace halving
