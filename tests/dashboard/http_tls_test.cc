// HTTPS: which certificate is shown, whose is asked for, and what is not spoken.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"
#include "tests/dashboard/raw_client.h"
#include "tests/support/test_identity.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The files that a server would watch.
class Shown {
 public:
  void Set(const TestIdentity& identity, const std::string& client_ca = "") {
    Set({.cert_pem = identity.certificate_pem(),
         .key_pem = identity.key_pem(),
         .ca_pem = client_ca});
  }
  void Set(TlsMaterial material) {
    MutexLock lock(&mu_);
    current_ = {std::make_shared<TlsMaterial>(std::move(material)), current_.generation + 1};
  }
  HttpServer::Options Options(const HttpLimits& limits = {}) {
    return {.limits = limits, .tls = [this] {
              MutexLock lock(&mu_);
              return current_;
            }};
  }

 private:
  Mutex mu_;
  TlsWatcher::Current current_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<httplib::SSLClient> ClientOf(const DashboardFixture& f,
                                             const TestIdentity* own = nullptr) {
  const int port = ParseHostPort(f.dashboard->address())->port;
  auto client = own == nullptr ? std::make_unique<httplib::SSLClient>("127.0.0.1", port)
                               : std::make_unique<httplib::SSLClient>(
                                     "127.0.0.1", port, own->certificate(), own->key());
  client->enable_server_certificate_verification(false);
  return client;
}

// Whether a client that trusts this certificate only is served.
bool Serves(const DashboardFixture& f, const TestIdentity& trusted) {
  auto client = ClientOf(f);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, trusted.certificate());
  client->set_ca_cert_store(store);
  client->enable_server_certificate_verification(true);
  return client->Get("/healthz") != nullptr;
}

TEST(HttpTlsTest, ServesWhatHttpServes) {
  const TestIdentity identity("server");
  Shown shown;
  shown.Set(identity);
  DashboardFixture f(shown.Options());
  const httplib::Result page = ClientOf(f)->Get("/chart.min.js");
  ASSERT_TRUE(page) << httplib::to_string(page.error());
  EXPECT_THAT(page->body, HasSubstr("Chart.js"));
  EXPECT_THAT(page->get_header_value("Strict-Transport-Security"), StartsWith("max-age="));
  ASSERT_THAT(f.Create(TwoRungs("s", 9)), IsOk());
  std::string events;
  ClientOf(f)->Get("/api/v1/studies/s/events", [&events](const char* bytes, size_t size) {
    events.append(bytes, size);
    return false;
  });
  EXPECT_THAT(events, StartsWith("event: status"));
  EXPECT_EQ(DashboardFixture().Get("/healthz").get_header_value("Strict-Transport-Security"), "");
}

TEST(HttpTlsTest, AnotherCertificateHoldsFromTheNextConnectionOn) {
  const TestIdentity first("first");
  const TestIdentity second("second");
  Shown shown;
  shown.Set(first);
  DashboardFixture f(shown.Options());
  EXPECT_FALSE(Serves(f, second));
  EXPECT_TRUE(Serves(f, first));
  shown.Set(second);
  EXPECT_FALSE(Serves(f, first));
  EXPECT_TRUE(Serves(f, second));
  shown.Set({.cert_pem = "no certificate", .key_pem = "no key"});
  EXPECT_TRUE(Serves(f, second)) << "the former one is kept";
}

TEST(HttpTlsTest, OnlyClientsOfTheCaAreServedWhereOneIsGiven) {
  const TestIdentity server("server");
  const TestIdentity ca("ca");
  const TestIdentity good("good", &ca);
  const TestIdentity expired("expired", &ca, -absl::Hours(2), -absl::Minutes(1));
  const TestIdentity other_ca("ca");
  const TestIdentity foreign("foreign", &other_ca);
  Shown shown;
  shown.Set(server, ca.certificate_pem());
  DashboardFixture f(shown.Options());
  EXPECT_TRUE(ClientOf(f, &good)->Get("/healthz"));
  EXPECT_FALSE(ClientOf(f)->Get("/healthz"));
  EXPECT_FALSE(ClientOf(f, &expired)->Get("/healthz"));
  EXPECT_FALSE(ClientOf(f, &foreign)->Get("/healthz"));
}

TEST(HttpTlsTest, OldVersionsAndPlainTextAreNotSpoken) {
  Shown shown;
  shown.Set(TestIdentity("server"));
  DashboardFixture f(shown.Options());
  auto old = ClientOf(f);
  SSL_CTX_set_security_level(old->ssl_context(), 0);
  SSL_CTX_set_min_proto_version(old->ssl_context(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old->ssl_context(), TLS1_1_VERSION);
  EXPECT_FALSE(old->Get("/healthz"));
  auto current = ClientOf(f);
  SSL_CTX_set_max_proto_version(current->ssl_context(), TLS1_2_VERSION);
  EXPECT_TRUE(current->Get("/healthz"));
  RawClient plain(f.dashboard->address());
  plain.Send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(plain.ReadAll(), testing::Not(HasSubstr("ok")));
}

TEST(HttpTlsTest, AHandshakeThatDoesNotEndHoldsNobodyUp) {
  Shown shown;
  shown.Set(TestIdentity("server"));
  DashboardFixture f(shown.Options({.receive = absl::Seconds(2)}));
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<RawClient>(f.dashboard->address()));
    silent.back()->Send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  }
  EXPECT_TRUE(ClientOf(f)->Get("/healthz"));
  silent[0]->ReadAll();  // Ends.
}

TEST(HttpTlsTest, WhatCannotBeUsedIsToldAtTheStart) {
  const TestIdentity one("one");
  const TestIdentity other("other");
  for (const TlsMaterial& material : std::vector<TlsMaterial>{
           {.cert_pem = "", .key_pem = one.key_pem()},
           {.cert_pem = one.certificate_pem(), .key_pem = other.key_pem()},
           {.cert_pem = one.certificate_pem(), .key_pem = one.key_pem(), .ca_pem = "nothing"}}) {
    const TlsWatcher::Current current = {std::make_shared<TlsMaterial>(material), 1};
    HttpServer server({.tls = [current] { return current; }});
    EXPECT_THAT(server.Start("127.0.0.1:0"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("TLS")));
  }
}

}  // namespace
}  // namespace halving
