#include "common/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr absl::Duration kSaySoBefore = absl::Hours(7 * 24);
constexpr size_t kMostBytes = 4 << 20;  // All CAs there are take a quarter of a megabyte.

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

absl::Status Bad(const std::string& flag, const std::string& file, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " is \"", file, "\", ", what));
}

absl::StatusOr<std::string> ReadFile(const std::string& flag, const std::string& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  if (stream) {
    text.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  if (!stream.is_open() || stream.bad() || (text.empty() && errno != 0)) {
    return Bad(flag, file, absl::StrCat("which cannot be read: ", std::strerror(errno)));
  }
  if (text.size() > kMostBytes) return Bad(flag, file, "which is too long to be certificates");
  return text;
}

Bio Over(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Nobody is asked for a password.
int NoPassword(char*, int, int, void*) { return -1; }

absl::StatusOr<std::vector<Certificate>> Certificates(const std::string& flag,
                                                      const std::string& file,
                                                      const std::string& pem) {
  const Bio bio = Over(pem);
  std::vector<Certificate> all;
  for (;;) {
    Certificate one(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (one == nullptr) break;
    all.push_back(std::move(one));
  }
  // What ends them: no further PEM block, or one that is damaged.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (all.empty() || !ended) {
    return Bad(flag, file,
               all.empty() ? "in which there is no certificate; it must be PEM, with a line "
                             "\"-----BEGIN CERTIFICATE-----\""
                           : "in which a certificate is damaged");
  }
  return all;
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InvalidArgumentError("no time");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::Status CheckTimes(const TlsFiles& files, const X509* leaf, absl::Time now,
                        TlsMaterial* material) {
  const absl::StatusOr<absl::Time> from = TimeOf(X509_get0_notBefore(leaf));
  const absl::StatusOr<absl::Time> until = TimeOf(X509_get0_notAfter(leaf));
  if (!from.ok() || !until.ok()) {
    return Bad("--tls-cert", files.cert, "whose certificate does not say how long it is valid");
  }
  const auto shown = [](absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); };
  if (now > *until) {
    return Bad("--tls-cert", files.cert,
               absl::StrCat("whose certificate expired on ", shown(*until), "; renew it"));
  }
  if (now < *from) {
    return Bad("--tls-cert", files.cert,
               absl::StrCat("whose certificate is valid only from ", shown(*from),
                            " on; is this machine's clock right?"));
  }
  material->expires = *until;
  return absl::OkStatus();
}

absl::Status LoadPair(const TlsFiles& files, absl::Time now, TlsMaterial* material) {
  if (files.key.empty()) {
    return absl::InvalidArgumentError("--tls-cert needs --tls-key, the file of its key");
  }
  HV_ASSIGN_OR_RETURN(material->cert_pem, ReadFile("--tls-cert", files.cert));
  HV_ASSIGN_OR_RETURN(material->key_pem, ReadFile("--tls-key", files.key));
  HV_ASSIGN_OR_RETURN(const std::vector<Certificate> chain,
                      Certificates("--tls-cert", files.cert, material->cert_pem));
  const Bio bio = Over(material->key_pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return Bad("--tls-key", files.key,
               absl::StrContains(material->key_pem, "ENCRYPTED")
                   ? "which is encrypted; nobody could type its password when the program is "
                     "started: decrypt it (openssl pkey) and protect the file by its mode"
                   : "in which there is no key; it must be PEM, with a line \"-----BEGIN PRIVATE "
                     "KEY-----\"");
  }
  const bool match = X509_check_private_key(chain.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return Bad("--tls-key", files.key,
               absl::StrCat("which is not the key of the certificate in ", files.cert));
  }
  return CheckTimes(files, chain.front().get(), now, material);
}

}  // namespace

absl::StatusOr<TlsMaterial> LoadTls(const TlsFiles& files, absl::Time now) {
  TlsMaterial material;
  if (!files.cert.empty()) {
    HV_RETURN_IF_ERROR(LoadPair(files, now, &material));
  } else if (!files.key.empty()) {
    return absl::InvalidArgumentError("--tls-key needs --tls-cert, the file of its certificate");
  }
  if (!files.ca.empty()) {
    HV_ASSIGN_OR_RETURN(material.ca_pem, ReadFile("--tls-ca", files.ca));
    HV_RETURN_IF_ERROR(Certificates("--tls-ca", files.ca, material.ca_pem).status());
  }
  return material;
}

absl::StatusOr<std::unique_ptr<TlsWatcher>> TlsWatcher::Start(const TlsFiles& files,
                                                              Options options) {
  HV_ASSIGN_OR_RETURN(TlsMaterial material, LoadTls(files, Clock::Real()->Now()));
  return std::unique_ptr<TlsWatcher>(
      new TlsWatcher(files, std::move(options), std::move(material)));
}

TlsWatcher::TlsWatcher(const TlsFiles& files, Options options, TlsMaterial material)
    : files_(files), options_(std::move(options)) {
  current_ = {std::make_shared<const TlsMaterial>(std::move(material)), 1};
  thread_ = std::thread([this] { Loop(); });
}

TlsWatcher::~TlsWatcher() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    stop_.NotifyAll();
  }
  thread_.join();
}

TlsWatcher::Current TlsWatcher::current() const {
  MutexLock lock(&mu_);
  return current_;
}

void TlsWatcher::Loop() {
  for (;;) {
    {
      MutexLock lock(&mu_);
      const absl::Time until = Clock::Real()->Now() + options_.interval;
      while (!stopping_ && Clock::Real()->Now() < until) {
        stop_.WaitFor(&mu_, until - Clock::Real()->Now());
      }
      if (stopping_) return;
    }
    Look();
  }
}

void TlsWatcher::Look() {
  // Files of some kilobytes are read whole: their times tell less than their content.
  const absl::Time now = Clock::Real()->Now();
  absl::StatusOr<TlsMaterial> read = LoadTls(files_, now);
  const std::shared_ptr<const TlsMaterial> before = current().material;
  if (!read.ok()) {
    if (read.status().message() == told_) return;
    told_ = std::string(read.status().message());
    options_.warn(absl::StrCat("the certificate of before stays in use: ", told_));
    return;
  }
  told_.clear();
  const bool same = read->cert_pem == before->cert_pem && read->key_pem == before->key_pem &&
                    read->ca_pem == before->ca_pem;
  if (!same) told_of_expiry_ = false;
  if (read->expires - now < kSaySoBefore && !(same && told_of_expiry_)) {
    options_.warn(absl::StrCat("the certificate in ", files_.cert, " expires on ",
                               absl::FormatTime(read->expires, absl::UTCTimeZone())));
    told_of_expiry_ = true;
  }
  if (same) return;
  {
    MutexLock lock(&mu_);
    current_ = {std::make_shared<const TlsMaterial>(*std::move(read)), current_.generation + 1};
  }
  options_.inform("new certificates were read; connections from now on use them");
}

}  // namespace halving
