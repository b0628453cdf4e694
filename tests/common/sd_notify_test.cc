#include "common/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::HasSubstr;

// What a service manager has: a socket that is bound to a path, or to an abstract name.
class FakeManager {
 public:
  explicit FakeManager(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '@' ? 0 : 1);
    HV_CHECK(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size)) ==
             0)
        << name;
  }

  // The next datagram, or "none".
  std::string Next() {
    char buffer[4096];
    const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    return size < 0 ? "none" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  UniqueFd fd_;
};

class SdNotifyTest : public testing::Test {
 protected:
  ~SdNotifyTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }

  TempDir temp_;
};

TEST_F(SdNotifyTest, EachMessageIsADatagramOfItsOwn) {
  FakeManager manager(temp_.File("notify"));
  const SdNotifier notifier(temp_.File("notify"), std::nullopt);
  EXPECT_TRUE(notifier.Ready().ok());
  EXPECT_TRUE(notifier.Status("well").ok());
  EXPECT_TRUE(notifier.Watchdog().ok());
  EXPECT_TRUE(notifier.Stopping().ok());
  EXPECT_EQ(manager.Next(), "READY=1");
  EXPECT_EQ(manager.Next(), "STATUS=well");
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager.Next(), "STOPPING=1");
  EXPECT_EQ(manager.Next(), "none");
}

TEST_F(SdNotifyTest, AnAtMeansAnAbstractSocket) {
  const std::string name = absl::StrCat("@halving-sd-notify-test-", getpid());
  FakeManager manager(name);
  EXPECT_TRUE(SdNotifier(name, std::nullopt).Ready().ok());
  EXPECT_EQ(manager.Next(), "READY=1");
}

TEST_F(SdNotifyTest, AStatusCannotSmuggleInAnotherMessage) {
  FakeManager manager(temp_.File("notify"));
  EXPECT_TRUE(SdNotifier(temp_.File("notify"), std::nullopt).Status("a study\nSTOPPING=1").ok());
  EXPECT_EQ(manager.Next(), "STATUS=a study");
}

TEST_F(SdNotifyTest, WithoutAManagerNothingIsSentAndNothingFails) {
  const SdNotifier notifier = SdNotifier::TakeFromEnvironment();
  EXPECT_TRUE(notifier.Ready().ok());
  EXPECT_EQ(notifier.watchdog(), std::nullopt);
}

TEST_F(SdNotifyTest, AManagerThatIsNotThereIsNamed) {
  const std::string path = temp_.File("nobody");
  EXPECT_THAT(SdNotifier(path, std::nullopt).Ready().message(), HasSubstr(path));
  EXPECT_THAT(SdNotifier("vsock:2:1", std::nullopt).Ready().message(), HasSubstr("vsock:2:1"));
  const std::string long_path = "/" + std::string(200, 'x');
  EXPECT_THAT(SdNotifier(long_path, std::nullopt).Ready().message(), HasSubstr("too long"));
}

TEST_F(SdNotifyTest, TheVariablesAreTakenOutOfTheEnvironment) {
  FakeManager manager(temp_.File("notify"));
  setenv("NOTIFY_SOCKET", temp_.File("notify").c_str(), 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  const SdNotifier notifier = SdNotifier::TakeFromEnvironment();
  EXPECT_EQ(notifier.watchdog(), absl::Seconds(3));
  EXPECT_TRUE(notifier.Ready().ok());
  EXPECT_EQ(manager.Next(), "READY=1");
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(std::getenv(name), nullptr) << name;
  }
}

TEST_F(SdNotifyTest, AWatchdogOfAnotherProcessOrWithoutATimeIsNotOurs) {
  const auto watchdog = [](const char* usec, const std::string& pid) {
    setenv("NOTIFY_SOCKET", "/nobody", 1);
    setenv("WATCHDOG_USEC", usec, 1);
    setenv("WATCHDOG_PID", pid.c_str(), 1);
    return SdNotifier::TakeFromEnvironment().watchdog();
  };
  const std::string own = absl::StrCat(getpid());
  EXPECT_EQ(watchdog("1000", own), absl::Milliseconds(1));
  EXPECT_EQ(watchdog("1000", ""), absl::Milliseconds(1));
  EXPECT_EQ(watchdog("1000", absl::StrCat(getpid() + 1)), std::nullopt);
  EXPECT_EQ(watchdog("0", own), std::nullopt);
  EXPECT_EQ(watchdog("soon", own), std::nullopt);
}

}  // namespace
}  // namespace halving
