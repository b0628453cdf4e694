#include "server/daemon/watchdog.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "absl/time/clock.h"
#include "common/check.h"
#include "common/sd_notify.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

constexpr absl::Duration kTime = absl::Milliseconds(20);  // The manager's.
constexpr absl::Duration kPatience = absl::Seconds(30);

// A service manager's socket, and an engine that answers only when it is told to.
class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    HV_CHECK(path_.size() < sizeof(address.sun_path)) << path_;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    HV_CHECK(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) << path_;
  }

  // Whether a datagram came within `time`; then it must be a sign of life.
  bool HearsWithin(absl::Duration time) {
    pollfd fds[] = {{fd_.get(), POLLIN, 0}};
    if (poll(fds, 1, static_cast<int>(absl::ToInt64Milliseconds(time))) == 0) return false;
    char buffer[64];
    const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), 0);
    EXPECT_EQ(std::string(buffer, static_cast<size_t>(size)), "WATCHDOG=1");
    return true;
  }

  // Whether one comes while the engine answers what is posted.
  bool HearsOfAnEngineThatRuns() {
    const absl::Time end = absl::Now() + kPatience;
    while (absl::Now() < end) {
      engine_.Run();
      if (HearsWithin(kTime / 4)) return true;
    }
    return false;
  }

  EngineFixture engine_;
  TempDir temp_;
  const std::string path_ = temp_.File("notify");
  UniqueFd fd_;
  SdNotifier manager_{path_, kTime};
};

TEST_F(WatchdogTest, AnEngineThatDoesNotAnswerGivesNoSignOfLife) {
  const Watchdog watchdog(&engine_.engine(), manager_);
  EXPECT_FALSE(HearsWithin(kTime * 10));
  EXPECT_TRUE(HearsOfAnEngineThatRuns());
  EXPECT_TRUE(HearsOfAnEngineThatRuns());
  // One may still be on its way, of a read that was answered already.
  HearsWithin(kTime * 10);
  EXPECT_FALSE(HearsWithin(kTime * 10)) << "it hangs again";
}

TEST_F(WatchdogTest, AFullDiskIsNoHang) {
  ASSERT_TRUE(engine_.Call(Flat("s", 1)).ok());
  engine_.journal.FillDisk();
  const Pending refused = engine_.StartCommand(Flat("t", 1));
  engine_.Run();
  ASSERT_FALSE(refused->reply().ok());
  const Watchdog watchdog(&engine_.engine(), manager_);
  EXPECT_TRUE(HearsOfAnEngineThatRuns());
  EXPECT_TRUE(HearsOfAnEngineThatRuns());
}

TEST_F(WatchdogTest, WithoutATimeItAsksNothing) {
  const SdNotifier manager(path_, std::nullopt);
  const Watchdog watchdog(&engine_.engine(), manager);
  engine_.Run();
  EXPECT_FALSE(HearsWithin(kTime * 5));
}

TEST_F(WatchdogTest, EndsWhileTheEngineStillOwesItAnAnswer) {
  { const Watchdog watchdog(&engine_.engine(), manager_); }
  engine_.Run();
  EXPECT_FALSE(HearsWithin(kTime));
}

}  // namespace
}  // namespace halving
