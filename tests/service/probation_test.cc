// Probation: by real bytes over loopback.
#include "server/service/probation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

constexpr int kDeadlineMs = 20'000;
constexpr size_t kFew = 64 << 10;
constexpr size_t kMany = 512 << 10;

// A connected pair: who sends, and the server's side, which nobody but the test reads.
struct Pair {
  explicit Pair(int family) {
    const UniqueFd listening(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address = {};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET6) {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    } else {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    auto* at = reinterpret_cast<sockaddr*>(&address);
    there = bind(listening.get(), at, size) == 0 && listen(listening.get(), 1) == 0 &&
            getsockname(listening.get(), at, &size) == 0;
    client = UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    there = there && connect(client.get(), at, size) == 0;
    server = UniqueFd(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    sockaddr_in6 own = {};
    size = sizeof(own);
    getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &size);
    const int port = ntohs(own.sin6_port);  // At the same place in both.
    peer = absl::StrCat(family == AF_INET6 ? "ipv6:%5B::1%5D:" : "ipv4:127.0.0.1:", port);
  }

  // Sends so much through it; false: it was cut off before.
  bool Pass(size_t bytes) const {
    std::vector<char> buffer(16 << 10);
    for (size_t passed = 0; passed < bytes; passed += buffer.size()) {
      if (send(client.get(), buffer.data(), buffer.size(), MSG_NOSIGNAL) <= 0) return false;
      size_t got = 0;
      while (got < buffer.size()) {
        const ssize_t read = recv(server.get(), buffer.data(), buffer.size() - got, 0);
        if (read <= 0) return false;
        got += static_cast<size_t>(read);
      }
    }
    return true;
  }

  bool IsCutOff() const {
    pollfd at = {client.get(), POLLIN, 0};
    return poll(&at, 1, kDeadlineMs) == 1;
  }

  bool there = false;
  UniqueFd client;
  UniqueFd server;
  std::string peer;
};

void AwaitNone(const Probation& probation) {
  for (int i = 0; i < kDeadlineMs && probation.count() > 0; ++i) poll(nullptr, 0, 1);
  EXPECT_EQ(probation.count(), 0);
}

class ProbationTest : public testing::TestWithParam<int> {
 protected:
  ProbationTest() : pair_(GetParam()) {}

  Pair pair_;
  Probation probation_;
};

TEST_P(ProbationTest, ItsEndIsForWhomItBegan) {
  if (!pair_.there) GTEST_SKIP() << "no such addresses here";
  probation_.Begin(pair_.server.get());
  EXPECT_EQ(probation_.count(), 1);
  probation_.End("ipv4:127.0.0.1:1");
  EXPECT_EQ(probation_.count(), 1);
  probation_.End(pair_.peer);
  EXPECT_EQ(probation_.count(), 0);
  EXPECT_TRUE(pair_.Pass(kMany));
}

TEST_P(ProbationTest, WhoSendsMuchBeforeItsEndIsCutOff) {
  if (!pair_.there) GTEST_SKIP() << "no such addresses here";
  probation_.Begin(pair_.server.get());
  pair_.Pass(kMany);
  EXPECT_TRUE(pair_.IsCutOff());
  AwaitNone(probation_);
}

INSTANTIATE_TEST_SUITE_P(, ProbationTest, testing::Values(AF_INET, AF_INET6));

TEST(ProbationOfManyTest, WhoSendsLittleStaysWhileAnotherIsCutOff) {
  const Pair quiet(AF_INET);
  const Pair loud(AF_INET);
  Probation probation;
  probation.Begin(quiet.server.get());
  probation.Begin(loud.server.get());
  EXPECT_TRUE(quiet.Pass(kFew));
  loud.Pass(kMany);
  EXPECT_TRUE(loud.IsCutOff());
  EXPECT_TRUE(quiet.Pass(16 << 10));
  EXPECT_EQ(probation.count(), 1);
}

TEST(ProbationOfManyTest, WhoHasGoneIsForgotten) {
  Probation probation;
  {
    const Pair pair(AF_INET);
    probation.Begin(pair.server.get());
  }
  AwaitNone(probation);
}

}  // namespace
}  // namespace halving
