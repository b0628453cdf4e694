// What clients that are slow, greedy or confused get: their own connection closed, and nobody
// else's.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"
#include "tests/dashboard/raw_client.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kRequest[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr char kPost[] =
    "POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nX-Halving: 1\r\nContent-Type: "
    "application/json\r\n";

HttpServer::Options With(const HttpLimits& limits) { return {.limits = limits}; }

// Sends whole requests until one is served.
void AwaitServed(const std::string& address, const std::string& from = "127.0.0.1") {
  ServerFixture::Await("an answer", [&] {
    RawClient client(address, from);
    client.Send(kRequest);
    return absl::StartsWith(client.ReadAll(), "HTTP/1.1 200");
  });
}

TEST(HttpLimitsTest, AnyNumberOfSlowClientsHoldsNobodyElseUp) {
  DashboardFixture f(With({.receive = absl::Minutes(1)}));
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<RawClient>(f.dashboard->address()));
    slow.back()->Send(i % 2 == 0 ? "GET / HT" : absl::StrCat(kPost, "Content-Length: 9\r\n\r\n{"));
  }
  EXPECT_EQ(f.Get("/healthz").body, "ok\n");
  ASSERT_TRUE(slow[0]->Send("TP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(slow[0]->ReadAll(), StartsWith("HTTP/1.1 200")) << "slow is not refused";
}

TEST(HttpLimitsTest, ARequestMustBeThereWholeInTime) {
  DashboardFixture f(With({.receive = absl::Milliseconds(200)}));
  RawClient silent(f.dashboard->address());
  RawClient head(f.dashboard->address());
  head.Send("GET / HTTP/1.1\r\nHost");
  RawClient body(f.dashboard->address());
  body.Send(absl::StrCat(kPost, "Content-Length: 9\r\n\r\n{"));
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_THAT(head.ReadAll(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(body.ReadAll(), StartsWith("HTTP/1.1 408"));
}

TEST(HttpLimitsTest, ATrickleOfBytesBuysNoTime) {
  DashboardFixture f(With({.receive = absl::Milliseconds(300), .linger = absl::ZeroDuration()}));
  RawClient client(f.dashboard->address());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: localhost\r\nX: "));
  const absl::Time began = Clock::Real()->Now();
  ServerFixture::Await("its end", [&] { return !client.Send("a"); });
  EXPECT_LT(Clock::Real()->Now() - began, absl::Seconds(20));
}

TEST(HttpLimitsTest, WhoDoesNotReadIsNotWaitedFor) {
  DashboardFixture f(With({.connections = 60, .send = absl::Milliseconds(300)}));
  std::vector<std::unique_ptr<RawClient>> deaf;
  for (int i = 0; i < 50; ++i) {
    deaf.push_back(std::make_unique<RawClient>(f.dashboard->address(), "127.0.0.1", 1024));
    deaf.back()->Send("GET /chart.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  AwaitServed(f.dashboard->address());
  // Room for as many more once the deadline is over, though nobody has hung up.
  ServerFixture::Await("room", [&] {
    std::vector<std::unique_ptr<RawClient>> more;
    for (int i = 0; i < 40; ++i) {
      more.push_back(std::make_unique<RawClient>(f.dashboard->address()));
    }
    more.back()->Send(kRequest);
    return !more.back()->ReadAll().empty();
  });
}

TEST(HttpLimitsTest, ConnectionsAreCountedAndGivenBack) {
  DashboardFixture f(With({.connections = 6, .connections_of_an_address = 4}));
  const std::string& address = f.dashboard->address();
  std::vector<std::unique_ptr<RawClient>> open;
  for (int i = 0; i < 4; ++i) open.push_back(std::make_unique<RawClient>(address));
  EXPECT_EQ(RawClient(address).ReadAll(), "") << "a fifth of one address";
  AwaitServed(address, "127.0.0.2");
  for (int i = 0; i < 2; ++i) open.push_back(std::make_unique<RawClient>(address, "127.0.0.3"));
  EXPECT_EQ(RawClient(address, "127.0.0.4").ReadAll(), "") << "a seventh";
  open.clear();
  AwaitServed(address);
}

TEST(HttpLimitsTest, EndlessHeadsAreCutOff) {
  DashboardFixture f;
  for (const std::string start : {"", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "}) {
    RawClient client(f.dashboard->address());
    client.Send(start);
    for (int i = 0; i < 100 && client.Send(std::string(1024, 'a')); ++i) {
    }
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 431"));
  }
  RawClient many(f.dashboard->address());
  many.Send("GET / HTTP/1.1\r\nHost: localhost\r\n");
  for (int i = 0; i < 5000 && many.Send("A: 1\r\n"); ++i) {
  }
  EXPECT_THAT(many.ReadAll(), StartsWith("HTTP/1.1 431"));
}

TEST(HttpLimitsTest, LargeBodiesAreRefusedBeforeTheyAreSent) {
  DashboardFixture f;
  RawClient one(f.dashboard->address());
  one.Send(absl::StrCat(kPost, "Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_THAT(one.ReadAll(), StartsWith("HTTP/1.1 413"));
  RawClient small(f.dashboard->address());
  small.Send(absl::StrCat(kPost, "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  small.Send("{}");
  EXPECT_THAT(small.ReadAll(), StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400"));
}

TEST(HttpLimitsTest, ManyBodiesTogetherAreLimitedToo) {
  DashboardFixture f(With({.received_bytes = 100'000}));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(f.dashboard->address()));
    clients.back()->Send(
        absl::StrCat(kPost, "Content-Length: 50000\r\n\r\n", std::string(40'000, ' ')));
  }
  ServerFixture::Await("a refusal", [&] {
    RawClient client(f.dashboard->address());
    client.Send(absl::StrCat(kPost, "Content-Length: 50000\r\n\r\n", std::string(50'000, ' ')));
    return absl::StartsWith(client.ReadAll(), "HTTP/1.1 503");
  });
  clients.clear();
  ServerFixture::Await(
      "room", [&] { return f.Post("/api/v1/plan", std::string(50'000, ' ')).status == 400; });
}

TEST(HttpLimitsTest, OneConnectionOneRequest) {
  DashboardFixture f;
  RawClient client(f.dashboard->address());
  client.Send(absl::StrCat(kRequest, kRequest));
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos);
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST(HttpLimitsTest, NothingIsSmuggledPastAProxy) {
  DashboardFixture f;
  ASSERT_THAT(f.Create(TwoRungs("s", 9)), IsOk());
  const std::string stop =
      "POST /api/v1/studies/s/stop HTTP/1.1\r\nHost: localhost\r\nX-Halving: 1\r\n";
  for (const std::string headers :
       {"Transfer-Encoding: chunked\r\nContent-Length: 4", "Content-Length: 4\r\nContent-Length: 0",
        "Transfer-Encoding: chunked", "Content-Length: 0\r\nTransfer-Encoding : chunked",
        "X-HTTP-Method-Override: DELETE\r\nContent-Encoding: gzip\r\nContent-Length: 4"}) {
    RawClient client(f.dashboard->address());
    client.Send(absl::StrCat(stop, headers, "\r\n\r\n0\r\n\r\n"));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 4")) << headers;
  }
  RawClient overridden(f.dashboard->address());
  overridden.Send(
      "GET /api/v1/studies/s HTTP/1.1\r\nHost: localhost\r\nX-Halving: 1\r\n"
      "X-HTTP-Method-Override: DELETE\r\n\r\n");
  EXPECT_THAT(overridden.ReadAll(), HasSubstr("STUDY_STATE_RUNNING"));
  EXPECT_EQ(f.Status("s").study().state(), v1::STUDY_STATE_RUNNING);
}

TEST(HttpLimitsTest, ItStopsWhateverClientsDo) {
  auto f = std::make_unique<DashboardFixture>();
  ASSERT_THAT(f->Create(TwoRungs("s", 9)), IsOk());
  const std::string address = f->dashboard->address();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const std::string& said :
       {std::string(), std::string("GET / HT"), absl::StrCat(kPost, "Content-Length: 9\r\n\r\n{"),
        std::string("GET /chart.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET /api/v1/studies/s/events HTTP/1.1\r\nHost: localhost\r\n\r\n")}) {
    for (int i = 0; i < 10; ++i) {
      clients.push_back(std::make_unique<RawClient>(address, "127.0.0.1", 1024));
      clients.back()->Send(said);
    }
  }
  AwaitServed(address);
  const absl::Time began = Clock::Real()->Now();
  f->dashboard->Stop();
  EXPECT_LT(Clock::Real()->Now() - began, absl::Seconds(8));
  f = nullptr;
}

}  // namespace
}  // namespace halving
