#include "server/service/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Connects to 127.0.0.1; -1 when that is refused.
int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

int PortIn(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) << address;
  return port;
}

class BadAddressTest : public testing::TestWithParam<std::string> {};

TEST_P(BadAddressTest, IsRefusedNamingItAndWhatIsAllowed) {
  EXPECT_THAT(
      Listener::Bind(GetParam()),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr(absl::StrCat("\"", GetParam(), "\"")), HasSubstr("HOST:PORT"))));
}

INSTANTIATE_TEST_SUITE_P(, BadAddressTest,
                         testing::Values("", "nonsense", "127.0.0.1", "127.0.0.1:", ":7070",
                                         "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1",
                                         "::1:7070"));

TEST(ListenerTest, PicksAPortForZeroAndSaysWhich) {
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  EXPECT_THAT((*listener)->address(), StartsWith("127.0.0.1:"));
  EXPECT_GT(PortIn((*listener)->address()), 0);
}

TEST(ListenerTest, OfANameServesItsAddressesOnOnePort) {
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind("localhost:0");
  ASSERT_THAT(listener, IsOk());
  const int fd = ConnectTo(PortIn((*listener)->address()));
  EXPECT_GE(fd, 0);
  close(fd);
}

TEST(ListenerTest, HandsOnEachConnectionUntilItStops) {
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  const int port = PortIn((*listener)->address());
  constexpr int kConnections = 3;
  std::promise<void> all;
  int taken = 0;
  (*listener)->Start([&](int, int fd) {
    close(fd);
    if (++taken == kConnections) all.set_value();
  });
  std::vector<int> fds;
  for (int i = 0; i < kConnections; ++i) fds.push_back(ConnectTo(port));
  all.get_future().wait();
  (*listener)->Stop();
  EXPECT_EQ(ConnectTo(port), -1);
  for (const int fd : fds) close(fd);
}

TEST(ListenerTest, APortInUseIsRefusedAndFreeAgainAfterwards) {
  absl::StatusOr<std::unique_ptr<Listener>> first = Listener::Bind("127.0.0.1:0");
  ASSERT_THAT(first, IsOk());
  const std::string address = (*first)->address();
  EXPECT_THAT(Listener::Bind(address),
              StatusIs(StatusCode::kUnavailable, AllOf(HasSubstr(address), HasSubstr("in use"))));
  first->reset();
  EXPECT_THAT(Listener::Bind(address), IsOk());
}

TEST(ListenerTest, ANameThatNobodyKnowsIsSaid) {
  EXPECT_THAT(Listener::Bind("no-such-host.invalid:7070"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("no-such-host.invalid:7070")));
}

}  // namespace
}  // namespace halving
