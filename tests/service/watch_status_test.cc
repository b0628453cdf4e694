// WatchStatus over the wire.
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class WatchStatusTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(f.Create(FlatSpec("s", 9)), IsOk()); }
  void Stop() { ASSERT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk()); }
  void Delete() { ASSERT_THAT(f.Named(&StudyStub::DeleteStudy, "s"), IsOk()); }

  ServerFixture f;
};

TEST_F(WatchStatusTest, ShowsAStatusAtOnce) {
  Watcher watcher(f, WatchOf("s"));
  const v1::StudyStatus status = watcher.Next();
  EXPECT_EQ(status.study().spec().name(), "s");
  EXPECT_EQ(status.study().state(), v1::STUDY_STATE_RUNNING);
}

TEST_F(WatchStatusTest, ShowsAnotherAfterEachChange) {
  Watcher watcher(f, WatchOf("s"));
  EXPECT_EQ(watcher.Next().running_total(), 0);
  for (int i = 1; i <= 3; ++i) {
    f.Take("a", absl::StrCat(i));
    f.Pass(absl::Seconds(1));
    EXPECT_EQ(watcher.Next().running_total(), i);
  }
}

TEST_F(WatchStatusTest, ChangesWithinTheIntervalComeAsOne) {
  Watcher watcher(f, WatchOf("s", 10));
  EXPECT_EQ(watcher.Next().running_total(), 0);
  for (int i = 1; i <= 9; ++i) {
    f.Take("a", absl::StrCat(i));
    f.Pass(absl::Seconds(1));
  }
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(watcher.Next().running_total(), 9);
}

TEST_F(WatchStatusTest, EndsWithTheStudy) {
  Watcher watcher(f, WatchOf("s"));
  watcher.Next();
  Stop();
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(watcher.Next().study().state(), v1::STUDY_STATE_STOPPED);
  EXPECT_THAT(watcher.End(), IsOk());
}

TEST_F(WatchStatusTest, OfAStudyThatHasEndedShowsItOnce) {
  Stop();
  Watcher watcher(f, WatchOf("s"));
  EXPECT_EQ(watcher.Next().study().state(), v1::STUDY_STATE_STOPPED);
  EXPECT_THAT(watcher.End(), IsOk());
}

TEST_F(WatchStatusTest, EndsWhenTheStudyIsDeletedMeanwhile) {
  Watcher watcher(f, WatchOf("s", 100));
  watcher.Next();
  Stop();
  Delete();
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kNotFound));
}

TEST_F(WatchStatusTest, DoesNotTurnToAnotherStudyOfThatName) {
  Watcher watcher(f, WatchOf("s", 1000));
  watcher.Next();
  HeldEngine held(*f.engine);
  // All in one batch, so that the watch never meets a server without such a study.
  const auto ignore = [](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
    EXPECT_THAT(reply, IsOk());
  };
  CreateStudy another{.spec = {.name = "s",
                               .objective = "lenet",
                               .parameters = {{"x", FloatRange{0, 1}}},
                               .halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2},
                               .limits = {.max_evaluations = 2}}};
  f.engine->Post(StopStudy{.name = "s"}, ignore);
  f.engine->Post(DeleteStudy{.name = "s"}, ignore);
  f.engine->Post(another, ignore);
  f.engine->Post(PauseStudy{.name = "s"}, ignore);  // Or it might be of the version shown last.
  held.Release();
  f.RunBatch();
  f.Pass(absl::Seconds(1000));
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kNotFound, HasSubstr("another one")));
}

TEST_F(WatchStatusTest, OfAWrongIntervalIsRefused) {
  Watcher watcher(f, WatchOf("s", -1));
  EXPECT_THAT(watcher.End(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("min_interval is -1 s")));
}

TEST_F(WatchStatusTest, EndsWhenTheServerGoesDown) {
  Watcher watcher(f, WatchOf("s"));
  watcher.Next();
  f.engine->Drain();
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kUnavailable, HasSubstr("going down")));
}

TEST_F(WatchStatusTest, OfCallersWhoLeaveAtAnyTimeLeavesTheServerWell) {
  for (int i = 0; i < 100; ++i) {
    Watcher watcher(f, WatchOf("s"));
    if (i % 3 == 1) watcher.Next();
    if (i % 11 == 2) f.Take("a", absl::StrCat(i));
    watcher.Cancel();
  }
  EXPECT_EQ(f.Status("s").running_total(), 9);
}

TEST_F(WatchStatusTest, ServesManyAtOnce) {
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 50; ++i) {
    watchers.push_back(std::make_unique<Watcher>(f, WatchOf("s")));
    watchers.back()->Next();
  }
  Stop();
  f.Pass(absl::Seconds(1));
  for (const auto& watcher : watchers) {
    EXPECT_EQ(watcher->Next().study().state(), v1::STUDY_STATE_STOPPED);
    EXPECT_THAT(watcher->End(), IsOk());
  }
}

}  // namespace
}  // namespace halving
