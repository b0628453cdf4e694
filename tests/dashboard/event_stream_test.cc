// Server-sent events: what comes, when a stream ends, and how many there may be.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// A page that follows a stream, on a thread of its own.
class Follower {
 public:
  Follower(const DashboardFixture& f, const std::string& path)
      : client_(f.Client()), thread_([this, path] { Follow(path); }) {}
  ~Follower() {
    left_ = true;
    client_->stop();
    thread_.join();
  }

  // The names of the events so far.
  std::vector<std::string> Names() const {
    MutexLock lock(&mu_);
    std::vector<std::string> names;
    for (const absl::string_view line : absl::StrSplit(text_, '\n')) {
      if (absl::StartsWith(line, "event: ")) names.emplace_back(line.substr(7));
    }
    return names;
  }
  nlohmann::json LastData() const {
    MutexLock lock(&mu_);
    const size_t at = text_.rfind("data: ");
    return nlohmann::json::parse(text_.substr(at + 6, text_.find('\n', at) - at - 6));
  }
  void AwaitEvents(size_t count) const {
    ServerFixture::Await("events", [this, count] { return Names().size() >= count; });
  }
  bool ended() const { return ended_; }
  // Whether the server closed the stream as it should; once it has ended.
  bool ended_well() const { return ended_well_; }
  void AwaitEnd() const {
    ServerFixture::Await("the end", [this] { return ended(); });
  }

 private:
  void Follow(const std::string& path) {
    const httplib::Result result = client_->Get(path, [this](const char* data, size_t length) {
      MutexLock lock(&mu_);
      text_.append(data, length);
      return !left_;
    });
    ended_well_ = result && result->status == 200;
    ended_ = true;
  }

  const std::unique_ptr<httplib::Client> client_;
  mutable Mutex mu_;
  std::string text_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> left_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> ended_well_ = false;
  std::thread thread_;
};

class EventStreamTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(f.Create(TwoRungs("s", 3)), IsOk()); }

  DashboardFixture f;
};

TEST_F(EventStreamTest, AStatusComesAtOnceAndAfterEachChangeAndAtTheEndNothingMore) {
  Follower page(f, "/api/v1/studies/s/events");
  page.AwaitEvents(1);
  EXPECT_EQ(page.LastData()["evaluations"], "0");
  for (int i = 1; i <= 2; ++i) {
    f.Finish(0.5);
    f.Pass(absl::Seconds(1));
    page.AwaitEvents(1 + i);
    EXPECT_EQ(page.LastData()["evaluations"], std::to_string(i));
  }
  f.Finish(0.5);
  f.Pass(absl::Seconds(1));
  page.AwaitEnd();
  EXPECT_THAT(page.Names(), testing::ElementsAre("status", "status", "status", "status", "end"));
}

TEST_F(EventStreamTest, AnEndedStudyIsFollowedAgainOnceItWasExtended) {
  for (int i = 0; i < 3; ++i) f.Finish(0.5);
  {
    Follower page(f, "/api/v1/studies/s/events");
    page.AwaitEnd();
  }
  ASSERT_EQ(f.Post("/api/v1/studies/s/extend", R"({"maxEvaluations": 30})").status, 200);
  Follower page(f, "/api/v1/studies/s/events");
  page.AwaitEvents(1);
  EXPECT_EQ(page.LastData()["study"]["state"], "STUDY_STATE_RUNNING");
  f.Finish(0.5);
  f.Pass(absl::Seconds(1));
  page.AwaitEvents(2);
  EXPECT_EQ(page.Names(), std::vector<std::string>({"status", "status"}));
}

TEST_F(EventStreamTest, ChangesWithinASecondComeAsOne) {
  Follower page(f, "/api/v1/studies/s/events");
  page.AwaitEvents(1);
  f.Finish(0.5);
  f.Finish(0.5);
  f.Pass(absl::Seconds(1));
  page.AwaitEvents(2);
  EXPECT_EQ(page.LastData()["evaluations"], "2");
  EXPECT_THAT(page.Names(), SizeIs(2));
}

TEST_F(EventStreamTest, ADeletedStudyIsGone) {
  Follower page(f, "/api/v1/studies/s/events");
  page.AwaitEvents(1);
  ASSERT_EQ(f.Post("/api/v1/studies/s/pause").status, 200);
  ASSERT_EQ(f.Post("/api/v1/studies/s/stop").status, 200);
  ASSERT_EQ(f.Client()->Delete("/api/v1/studies/s", {{"X-Halving", "1"}})->status, 200);
  ASSERT_THAT(f.Create(TwoRungs("s", 3)), IsOk());
  f.Pass(absl::Seconds(1));
  page.AwaitEnd();
  EXPECT_EQ(page.Names().back(), "gone");
}

TEST_F(EventStreamTest, AServerThatStopsSaysByeToAllItsPages) {
  Follower study(f, "/api/v1/studies/s/events");
  Follower overview(f, "/api/v1/events");
  study.AwaitEvents(1);
  overview.AwaitEvents(1);
  f.dashboard->Stop();
  study.AwaitEnd();
  overview.AwaitEnd();
  EXPECT_EQ(study.Names().back(), "bye");
  EXPECT_EQ(overview.Names().back(), "bye");
  EXPECT_TRUE(study.ended_well() && overview.ended_well()) << "not broken off";
}

TEST_F(EventStreamTest, AFullDiskIsSaidAndTheStreamGoesOn) {
  Follower page(f, "/api/v1/studies/s/events");
  page.AwaitEvents(1);
  f.journal.FillDisk();
  f.Create(FlatSpec("t", 1)).IgnoreError();
  ServerFixture::Await("trouble", [&] {
    f.Pass(absl::Seconds(1));
    return page.Names().back() == "unavailable";
  });
  EXPECT_THAT(page.LastData()["message"].get<std::string>(), HasSubstr("disk"));
  f.journal.MakeRoom();
  ServerFixture::Await("a status again", [&] {
    f.Pass(absl::Seconds(1));
    return page.Names().back() == "status";
  });
}

TEST_F(EventStreamTest, TheOverviewComesWhenItChanges) {
  Follower page(f, "/api/v1/events?q=s");
  page.AwaitEvents(1);
  EXPECT_EQ(page.LastData()["studies"][0]["evaluations"], "0");
  f.Finish(0.5);
  page.AwaitEvents(2);
  EXPECT_EQ(page.LastData()["studies"][0]["evaluations"], "1");
}

TEST_F(EventStreamTest, MorePagesThanThereAreThreadsForAreToldToAskInstead) {
  constexpr int kMost = 64;
  std::vector<std::unique_ptr<Follower>> pages;
  for (int i = 0; i < kMost; ++i) {
    pages.push_back(std::make_unique<Follower>(f, "/api/v1/studies/s/events"));
  }
  for (const auto& page : pages) page->AwaitEvents(1);
  const httplib::Response refused = f.Get("/api/v1/studies/s/events");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.get_header_value("Retry-After"), "5");
  EXPECT_EQ(f.Get("/api/v1/studies/s/status").status, 200) << "what is no stream is served";
  pages.clear();
  // Who left is noticed when it is next written to.
  ServerFixture::Await("room", [&] {
    for (const std::string change : {"pause", "resume"}) {
      f.Post("/api/v1/studies/s/" + change);
      f.Pass(absl::Seconds(1));
    }
    Follower again(f, "/api/v1/studies/s/events");
    ServerFixture::Await("an answer", [&] { return again.ended() || !again.Names().empty(); });
    return !again.Names().empty();
  });
}

}  // namespace
}  // namespace halving
