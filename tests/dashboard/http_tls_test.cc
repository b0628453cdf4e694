// HTTPS: which certificate is shown, whose is asked for, and what is not spoken.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

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

namespace halving {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

template <typename Write>
std::string Pem(Write write) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  HV_CHECK(write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

// A certificate for 127.0.0.1 with its key, signed by itself or by another.
struct Identity {
  explicit Identity(const std::string& name, long valid_seconds = 3600,
                    const Identity* issuer = nullptr)
      : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
    X509* x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -7200);
    X509_gmtime_adj(X509_getm_notAfter(x), valid_seconds);
    X509_set_pubkey(x, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Identity& by = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(x, X509_get_subject_name(by.certificate.get()));
    if (issuer == nullptr) Add(NID_basic_constraints, "CA:TRUE");
    Add(NID_subject_alt_name, "IP:127.0.0.1");
    HV_CHECK(X509_sign(x, by.key.get(), EVP_sha256()) > 0);
  }
  void Add(int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  std::string certificate_pem() const {
    return Pem([this](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  }
  std::string key_pem() const {
    return Pem([this](BIO* bio) {
      return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  const std::unique_ptr<EVP_PKEY, Free> key;
  const std::unique_ptr<X509, Free> certificate;
};

// The files that a server would watch.
class Shown {
 public:
  void Set(const Identity& identity, const std::string& client_ca = "") {
    Set({.certificates = identity.certificate_pem(),
         .private_key = identity.key_pem(),
         .client_ca = client_ca});
  }
  void Set(TlsIdentity identity) {
    MutexLock lock(&mu_);
    identity.generation = identity_.generation + 1;
    identity_ = std::move(identity);
  }
  HttpServer::Options Options(const HttpLimits& limits = {}) {
    return {.limits = limits, .tls = [this] {
              MutexLock lock(&mu_);
              return identity_;
            }};
  }

 private:
  Mutex mu_;
  TlsIdentity identity_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<httplib::SSLClient> ClientOf(const DashboardFixture& f,
                                             const Identity* own = nullptr) {
  const int port = ParseHostPort(f.dashboard->address())->port;
  auto client = own == nullptr ? std::make_unique<httplib::SSLClient>("127.0.0.1", port)
                               : std::make_unique<httplib::SSLClient>(
                                     "127.0.0.1", port, own->certificate.get(), own->key.get());
  client->enable_server_certificate_verification(false);
  return client;
}

// Whether a client that trusts this certificate only is served.
bool Serves(const DashboardFixture& f, const Identity& trusted) {
  auto client = ClientOf(f);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, trusted.certificate.get());
  client->set_ca_cert_store(store);
  client->enable_server_certificate_verification(true);
  return client->Get("/healthz") != nullptr;
}

TEST(HttpTlsTest, ServesWhatHttpServes) {
  const Identity identity("server");
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
  const Identity first("first");
  const Identity second("second");
  Shown shown;
  shown.Set(first);
  DashboardFixture f(shown.Options());
  EXPECT_FALSE(Serves(f, second));
  EXPECT_TRUE(Serves(f, first));
  shown.Set(second);
  EXPECT_FALSE(Serves(f, first));
  EXPECT_TRUE(Serves(f, second));
  shown.Set({.certificates = "no certificate", .private_key = "no key"});
  EXPECT_TRUE(Serves(f, second)) << "the former one is kept";
}

TEST(HttpTlsTest, OnlyClientsOfTheCaAreServedWhereOneIsGiven) {
  const Identity server("server");
  const Identity ca("ca");
  const Identity good("good", 3600, &ca);
  const Identity expired("expired", -60, &ca);
  const Identity other_ca("ca");
  const Identity foreign("foreign", 3600, &other_ca);
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
  shown.Set(Identity("server"));
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
  shown.Set(Identity("server"));
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
  const Identity one("one");
  const Identity other("other");
  for (const TlsIdentity& identity : std::vector<TlsIdentity>{
           {.generation = 1, .certificates = "", .private_key = one.key_pem()},
           {.generation = 1, .certificates = one.certificate_pem(), .private_key = other.key_pem()},
           {.generation = 1,
           .certificates = one.certificate_pem(),
           .private_key = one.key_pem(),
           .client_ca = "nothing"}}) {
    HttpServer server({.tls = [identity] { return identity; }});
    EXPECT_THAT(server.Start("127.0.0.1:0"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("TLS")));
  }
}

}  // namespace
}  // namespace halving
