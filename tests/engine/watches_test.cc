// Watches: told of a study at once, after each change, and of its end.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr absl::Duration kInstant = absl::Nanoseconds(1);

TEST(WatchTest, OfAnotherVersionIsAnsweredAtOnce) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", 0);
  f.Run();
  EXPECT_THAT(watch->reply(), IsOk());
}

TEST(WatchTest, OfTheCurrentVersionIsAnsweredAfterAChange) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", f.VersionOf("s"));
  f.Run();
  f.Pass(absl::Seconds(5));
  EXPECT_TRUE(watch->waits());
  f.Take("a");
  EXPECT_THAT(watch->reply(), IsOk());
}

TEST(WatchTest, IsNotAnsweredBeforeItsEarliestTime) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", 0, f.clock.Now() + absl::Seconds(7));
  f.Run();
  f.Pass(absl::Seconds(7) - kInstant);
  EXPECT_TRUE(watch->waits());
  f.Pass(kInstant);
  EXPECT_THAT(watch->reply(), IsOk());
}

TEST(WatchTest, OfAnotherStudyIsLeftAlone) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", f.VersionOf("s"));
  f.Run();
  ASSERT_THAT(f.Call(Flat("t", 1)), IsOk());
  EXPECT_TRUE(watch->waits());
}

TEST(WatchTest, OfNoStudyIsNotFound) {
  EngineFixture f;
  const Pending watch = f.StartWatch("s", 0);
  f.Run();
  EXPECT_THAT(watch->reply(), StatusIs(StatusCode::kNotFound, HasSubstr("\"s\"")));
}

TEST(WatchTest, OfAStudyThatIsDeletedIsNotFoundWhateverItsEarliestTime) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", 0, absl::InfiniteFuture());
  f.Run();
  ASSERT_THAT(f.Call(StopStudy{.name = "s"}), IsOk());
  EXPECT_TRUE(watch->waits());
  ASSERT_THAT(f.Call(DeleteStudy{.name = "s"}), IsOk());
  EXPECT_THAT(watch->reply(), StatusIs(StatusCode::kNotFound));
}

TEST(WatchTest, IsToldWhenTheServerGoesDown) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", f.VersionOf("s"), absl::InfiniteFuture());
  f.Run();
  f.engine().Drain();
  f.Run();
  EXPECT_THAT(watch->reply(), StatusIs(StatusCode::kUnavailable, HasSubstr("going down")));
}

TEST(WatchTest, OfACallerWhoLeftIsDropped) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Engine::Gone gone = Engine::NewGone();
  const Pending watch = f.StartWatch("s", f.VersionOf("s"), absl::InfinitePast(), gone);
  f.Run();
  gone->store(true);
  f.engine().Sweep();
  f.Run();
  EXPECT_THAT(watch->reply(), StatusIs(StatusCode::kCancelled));
  const Pending late = f.StartWatch("s", 0, absl::InfinitePast(), gone);
  f.Run();
  EXPECT_THAT(late->reply(), StatusIs(StatusCode::kCancelled));
}

// A watcher shows what it was told of; after a change that is not on disk that would be a promise.
TEST(WatchTest, IsNotToldOfAChangeThatCouldNotBeWritten) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Pending watch = f.StartWatch("s", f.VersionOf("s"));
  f.Run();
  f.journal.FillDisk(1);
  f.StartAsk("a");
  f.Run();
  EXPECT_TRUE(watch->waits());
  f.Pass(absl::Seconds(1));
  EXPECT_THAT(watch->reply(), IsOk());
}

TEST(WatchTest, BeyondTenThousandIsRefusedAndTheOthersWait) {
  constexpr int kMost = 10'000;
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const uint64_t version = f.VersionOf("s");
  const Pending first = f.StartWatch("s", version);
  for (int i = 1; i < kMost; ++i) f.StartWatch("s", version);
  const Pending beyond = f.StartWatch("s", version);
  f.Run();
  EXPECT_THAT(beyond->reply(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(first->waits());
  f.Take("a");
  EXPECT_THAT(first->reply(), IsOk());
}

}  // namespace
}  // namespace halving
