// Certificates and keys as files: what is refused, and how, and that changes are seen.
#include "common/tls_files.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_identity.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() { Write(server_, server_); }

  void Write(const TestIdentity& cert, const TestIdentity& key) {
    WriteTestFile(files_.cert, cert.certificate_pem());
    WriteTestFile(files_.key, key.key_pem());
    WriteTestFile(files_.ca, ca_.certificate_pem());
  }
  absl::StatusOr<TlsMaterial> Load() { return LoadTls(files_, Clock::Real()->Now()); }

  const TempDir folder_;
  const TestIdentity ca_{"ca"};
  const TestIdentity server_{"server", &ca_};
  TlsFiles files_{folder_.File("cert"), folder_.File("key"), folder_.File("ca")};
};

TEST_F(TlsFilesTest, WhatFitsIsRead) {
  const auto loaded = Load();
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->cert_pem, server_.certificate_pem());
  EXPECT_EQ(loaded->key_pem, server_.key_pem());
  EXPECT_EQ(loaded->ca_pem, ca_.certificate_pem());
  EXPECT_GT(loaded->expires, Clock::Real()->Now() + absl::Hours(8));
}

TEST_F(TlsFilesTest, AChainBehindTheCertificateIsTaken) {
  WriteTestFile(files_.cert, server_.certificate_pem() + ca_.certificate_pem());
  EXPECT_THAT(Load(), IsOk());
}

TEST_F(TlsFilesTest, AFileThatIsNotThereIsNamed) {
  std::filesystem::remove(files_.key);
  EXPECT_THAT(Load().status(),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--tls-key"), HasSubstr(files_.key), HasSubstr("No such"))));
}

TEST_F(TlsFilesTest, OneOfAPairAloneIsRefused) {
  EXPECT_THAT(LoadTls({.cert = files_.cert}, Clock::Real()->Now()).status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("needs --tls-key")));
  EXPECT_THAT(LoadTls({.key = files_.key}, Clock::Real()->Now()).status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("needs --tls-cert")));
}

TEST_F(TlsFilesTest, TheKeyOfAnotherCertificateIsRefused) {
  Write(server_, ca_);
  EXPECT_THAT(Load().status(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("is not the key")));
}

TEST_F(TlsFilesTest, AnEncryptedKeyIsRefusedWithoutAskingForItsPassword) {
  WriteTestFile(files_.key, server_.key_pem(EVP_aes_256_cbc()));
  EXPECT_THAT(Load().status(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("encrypted")));
}

TEST_F(TlsFilesTest, WhatIsNoPemIsRefused) {
  const std::string cert = server_.certificate_pem();
  for (const std::string& bad : {std::string(), std::string("hello"), server_.key_pem(),
                                 cert.substr(0, cert.size() / 2), cert + cert.substr(0, 300)}) {
    WriteTestFile(files_.cert, bad);
    EXPECT_THAT(Load().status(),
                StatusIs(StatusCode::kInvalidArgument, AllOf(HasSubstr("--tls-cert"))))
        << bad;
  }
  Write(server_, server_);
  WriteTestFile(files_.ca, "hello");
  EXPECT_THAT(Load().status(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("--tls-ca")));
}

TEST_F(TlsFilesTest, AnExpiredCertificateAndOneOfTheFutureAreRefused) {
  const TestIdentity old("old", &ca_, -absl::Hours(9), -absl::Hours(1));
  Write(old, old);
  EXPECT_THAT(Load().status(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("expired on")));
  const TestIdentity next("next", &ca_, absl::Hours(1), absl::Hours(9));
  Write(next, next);
  EXPECT_THAT(Load().status(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("clock")));
}

// ---- watching

class TlsWatcherTest : public TlsFilesTest {
 protected:
  void Watch() {
    auto started =
        TlsWatcher::Start(files_, {.interval = absl::Milliseconds(10),
                                   .inform = [this](const std::string& what) { Say(what); },
                                   .warn = [this](const std::string& what) { Say(what); }});
    ASSERT_THAT(started, IsOk());
    watcher_ = *std::move(started);
  }
  void Say(const std::string& what) {
    MutexLock lock(&mu_);
    said_.push_back(what);
    changed_.NotifyAll();
  }
  // Waits until something that holds `part` was said.
  bool WasSaid(const std::string& part) {
    const absl::Time until = Clock::Real()->Now() + absl::Seconds(30);
    MutexLock lock(&mu_);
    for (;;) {
      for (const std::string& one : said_) {
        if (one.find(part) != std::string::npos) return true;
      }
      if (Clock::Real()->Now() >= until) return false;
      changed_.WaitFor(&mu_, absl::Milliseconds(100));
    }
  }

  Mutex mu_;
  CondVar changed_;
  std::vector<std::string> said_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<TlsWatcher> watcher_;
};

TEST_F(TlsWatcherTest, ANewPairIsTaken) {
  Watch();
  EXPECT_EQ(watcher_->current().generation, 1U);
  const TestIdentity next("next", &ca_);
  Write(next, next);
  ASSERT_TRUE(WasSaid("new certificates"));
  EXPECT_EQ(watcher_->current().material->cert_pem, next.certificate_pem());
}

TEST_F(TlsWatcherTest, AHalfWrittenPairIsNotTaken) {
  Watch();
  const TestIdentity next("next", &ca_);
  WriteTestFile(files_.cert, next.certificate_pem());
  ASSERT_TRUE(WasSaid("is not the key"));
  EXPECT_EQ(watcher_->current().material->cert_pem, server_.certificate_pem());
  WriteTestFile(files_.key, next.key_pem());
  ASSERT_TRUE(WasSaid("new certificates"));
}

TEST_F(TlsWatcherTest, ACertificateThatSoonExpiresIsToldOf) {
  Watch();
  const TestIdentity brief("brief", &ca_, -absl::Hours(1), absl::Hours(24));
  Write(brief, brief);
  EXPECT_TRUE(WasSaid("expires on"));
}

TEST_F(TlsWatcherTest, WhatIsWrongAtTheStartEndsIt) {
  std::filesystem::remove(files_.cert);
  EXPECT_THAT(TlsWatcher::Start(files_, {}).status(), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace halving
