#include "server/service/connection_limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"

namespace halving {
namespace {

// Connections over loopback, whose addresses 127.0.0.x are all this machine's.
class ConnectionLimitTest : public testing::Test {
 protected:
  struct Connection {
    UniqueFd client;
    UniqueFd server;
  };

  ConnectionLimitTest() : listening_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = At("127.0.0.1");
    EXPECT_EQ(bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listening_.get(), SOMAXCONN), 0);
    socklen_t size = sizeof(at_);
    EXPECT_EQ(getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&at_), &size), 0);
  }

  Connection ConnectFrom(const std::string& host) {
    Connection made = {.client = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_in from = At(host);
    EXPECT_EQ(bind(made.client.get(), reinterpret_cast<sockaddr*>(&from), sizeof(from)), 0);
    EXPECT_EQ(connect(made.client.get(), reinterpret_cast<sockaddr*>(&at_), sizeof(at_)), 0);
    made.server = UniqueFd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_GE(made.server.get(), 0);
    return made;
  }

  // Keeps it when it is admitted, as gRPC would.
  bool Admit(ConnectionLimit& limit, const std::string& host) {
    Connection made = ConnectFrom(host);
    if (!limit.Admit(made.server.get())) return false;
    held_.push_back(std::move(made));
    return true;
  }

  FakeClock clock_;
  std::vector<Connection> held_;

 private:
  static sockaddr_in At(const std::string& host) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    return address;
  }

  UniqueFd listening_;
  sockaddr_in at_ = {};
};

TEST_F(ConnectionLimitTest, OneAddressMayHaveHalf) {
  ConnectionLimit limit(6, &clock_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Admit(limit, "127.0.0.2")) << i;
  EXPECT_FALSE(Admit(limit, "127.0.0.2"));
  EXPECT_TRUE(Admit(limit, "127.0.0.3"));
}

TEST_F(ConnectionLimitTest, AllTogetherMayHaveAsManyAsItSays) {
  ConnectionLimit limit(4, &clock_);
  for (const char* host : {"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4"}) {
    EXPECT_TRUE(Admit(limit, host)) << host;
  }
  EXPECT_FALSE(Admit(limit, "127.0.0.5"));
}

TEST_F(ConnectionLimitTest, ThoseThatEndedMakeRoom) {
  ConnectionLimit limit(2, &clock_);
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
  EXPECT_FALSE(Admit(limit, "127.0.0.2"));
  held_.clear();
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
  EXPECT_FALSE(Admit(limit, "127.0.0.2"));
}

TEST_F(ConnectionLimitTest, ADescriptorThatIsAnotherConnectionByNowCountsForThatOne) {
  ConnectionLimit limit(4, &clock_);
  for (int i = 0; i < 10; ++i) {  // One ends, and the next one gets its descriptor.
    const Connection made = ConnectFrom("127.0.0.2");
    EXPECT_TRUE(limit.Admit(made.server.get())) << i;
  }
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
  EXPECT_FALSE(Admit(limit, "127.0.0.2"));
}

TEST_F(ConnectionLimitTest, ItDoesNotLookAnewForEachOfAFlood) {
  ConnectionLimit limit(2, &clock_);
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
  EXPECT_FALSE(Admit(limit, "127.0.0.2"));
  held_.clear();
  EXPECT_FALSE(Admit(limit, "127.0.0.2")) << "it looked a moment ago";
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Admit(limit, "127.0.0.2"));
}

TEST_F(ConnectionLimitTest, OneWhosePeerHasGoneIsNotTaken) {
  ConnectionLimit limit(2, &clock_);
  const UniqueFd unconnected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(limit.Admit(unconnected.get()));
}

TEST(UsualConnectionLimitTest, LeavesFilesForOtherThings) {
  EXPECT_GE(ConnectionLimit::Usual(), 2);
  EXPECT_LE(ConnectionLimit::Usual(), 32'768);
}

}  // namespace
}  // namespace halving
