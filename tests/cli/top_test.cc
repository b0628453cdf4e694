#include "cli/top.h"

#include <algorithm>

#include "cli/render_top.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

v1::Worker MakeWorker(const std::string& id, double utilisation) {
  v1::Worker worker;
  worker.set_worker_id(id);
  worker.set_device("cuda:0 NVIDIA H100");
  worker.set_connected(true);
  worker.set_utilisation(utilisation);
  return worker;
}

v1::Worker BusyWorker(const std::string& id, double utilisation) {
  v1::Worker worker = MakeWorker(id, utilisation);
  worker.set_study("lenet");
  worker.set_trial_id(7);
  return worker;
}

TopPicture SamplePicture() {
  TopPicture picture{"127.0.0.1:7070", 3, 1, {MakeSampleStatus()}, {}};
  picture.workers = {BusyWorker("a-busy", 0.9), BusyWorker("b-slow", 1), MakeWorker("c-idle", 0.2),
                     MakeWorker("d-gone", 0)};
  picture.workers[1].set_straggling(true);
  picture.workers[2].mutable_idle_for()->set_seconds(95);
  picture.workers[3].set_connected(false);
  return picture;
}

TEST(RenderTopTest, ShowsStudiesAndFirstTheWorkersOfConcern) {
  EXPECT_EQ(RenderTop(SamplePicture(), 0, {}),
            R"(127.0.0.1:7070  1 of 3 studies running
[#####################---------]  70% used over the last 10 minutes
4 workers: 2 busy (1 straggling), 1 idle, 1 disconnected

study  progress               best  by trial  running  queued  failed  epochs/min   to go
lenet  [####--------]  40%  0.2700    3 at 4        2       2       1         6.2  6m 30s

worker  state         doing          busy  last seen  finished  lost  device
b-slow  straggling    lenet trial 7  100%   0.0s ago         -     -  cuda:0 NVIDIA H100
c-idle  idle 1m 35s   -               20%   0.0s ago         -     -  cuda:0 NVIDIA H100
a-busy  busy          lenet trial 7   90%   0.0s ago         -     -  cuda:0 NVIDIA H100
d-gone  disconnected  -                0%   0.0s ago         -     -  cuda:0 NVIDIA H100
)");
}

TEST(RenderTopTest, NothingIsSaidInWords) {
  EXPECT_THAT(RenderTop({}, 0, {}), AllOf(HasSubstr("No study is running.\n"),
                                          HasSubstr("No worker has asked for work yet.\n")));
}

TEST(RenderTopTest, StudiesAndWorkersShareTheRows) {
  for (const int rows : {12, 21, 40}) {
    for (const size_t studies : {1u, 5u, 60u}) {
      for (const size_t workers : {1u, 5u, 60u}) {
        TopPicture picture = SamplePicture();
        picture.running.resize(studies, MakeSampleStatus());
        picture.running_total = static_cast<int64_t>(studies);
        picture.workers.resize(workers, BusyWorker("more", 1));
        const std::string text = RenderTop(picture, rows, {});
        const auto lines = std::count(text.begin(), text.end(), '\n');
        EXPECT_LE(lines, rows) << studies << " " << workers;
        EXPECT_TRUE(studies + workers < 60 || lines >= rows - 3) << studies << " " << workers;
      }
    }
  }
}

TEST(RenderTopTest, NothingFromTheServerDrivesTheTerminal) {
  TopPicture picture = SamplePicture();
  picture.running[0].mutable_study()->mutable_spec()->set_name("\x1b[2J");
  picture.workers[0].set_worker_id("\x1b[2J");
  EXPECT_THAT(RenderTop(picture, 0, {}), Not(HasSubstr("\x1b")));
}

class TopTest : public CommandFixture {
 protected:
  TopTest() {
    service_->SetStatus(MakeSampleStatus());
    SampleStudy ended = MakeSampleStudy(1, 7);
    ended.study.mutable_spec()->set_name("ended");
    service_->AddStudy(ended);
    service_->AddWorker(BusyWorker("gpu-1", 0.5));
  }
};

TEST_F(TopTest, PrintsThePictureOnceWhereNobodyLooks) {
  EXPECT_EQ(Run({"top"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(HasSubstr("1 of 2 studies running\n"), HasSubstr("\nlenet "),
                           HasSubstr("\ngpu-1 "), Not(HasSubstr("ended")), Not(HasSubstr("q "))));
  EXPECT_THAT(console_.key_waits, IsEmpty());
}

TEST_F(TopTest, RedrawsUntilQIsPressed) {
  console_.PretendTerminal();
  console_.keys = std::string("\0x\0q", 4);
  EXPECT_EQ(Run({"top", "--interval", "3s"}), kExitOk) << err();
  EXPECT_THAT(console_.key_waits, SizeIs(4));
  EXPECT_EQ(console_.key_waits[0], absl::Seconds(3));
  EXPECT_THAT(out(), HasSubstr("12:34:56  q or Ctrl-C ends the looking; the studies go on."));
  EXPECT_THAT(out(), HasSubstr("\x1b[11A"));
}

TEST_F(TopTest, OutlastsAServerThatGoesAway) {
  console_.PretendTerminal();
  console_.keys = std::string("\0\0q", 3);
  const auto key = console_.get()->key;
  console_.get()->key = [&](absl::Duration at_most) {
    service_->Fail(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
    return key(at_most);
  };
  EXPECT_EQ(Run({"top"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("the server does not answer; trying again."));
}

TEST_F(TopTest, ARefusalEndsIt) {
  service_->Fail(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  EXPECT_EQ(Run({"top"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("gone"));
  EXPECT_EQ(Run({"top", "--interval", "0"}), kExitUsage);
}

TEST_F(TopTest, AsksForNoMoreStudiesThanAllowed) {
  v1::StudyStatus other = MakeSampleStatus();
  other.mutable_study()->mutable_spec()->set_name("newer");
  service_->SetStatus(other);
  EXPECT_EQ(Run({"top", "--limit", "1"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(HasSubstr("\nnewer "), HasSubstr("... and 1 more running\n")));
}

}  // namespace
}  // namespace halving
