// TestIdentity: certificates with their keys, made for a test.
#ifndef HALVING_TESTS_SUPPORT_TEST_IDENTITY_H_
#define HALVING_TESTS_SUPPORT_TEST_IDENTITY_H_

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/check.h"

namespace halving {

// A certificate for 127.0.0.1 and localhost, signed by itself, which makes it a CA, or by another.
// Thread-compatible.
class TestIdentity {
 public:
  explicit TestIdentity(const std::string& name, const TestIdentity* issuer = nullptr,
                        absl::Duration from = -absl::Hours(2),
                        absl::Duration until = absl::Hours(9))
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), absl::ToInt64Seconds(from));
    X509_gmtime_adj(X509_getm_notAfter(x), absl::ToInt64Seconds(until));
    X509_set_pubkey(x, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const TestIdentity& by = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(x, X509_get_subject_name(by.certificate_.get()));
    if (issuer == nullptr) Add(NID_basic_constraints, "CA:TRUE");
    Add(NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    HV_CHECK(X509_sign(x, by.key_.get(), EVP_sha256()) > 0);
  }

  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }
  std::string certificate_pem() const {
    return Pem([this](BIO* bio) { return PEM_write_bio_X509(bio, certificate_.get()); });
  }
  std::string key_pem(const EVP_CIPHER* cipher = nullptr) const {
    return Pem([&](BIO* bio) {
      return PEM_write_bio_PrivateKey(bio, key_.get(), cipher, nullptr, 0, nullptr,
                                      cipher == nullptr ? nullptr : const_cast<char*>("password"));
    });
  }

 private:
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(BIO* bio) const { BIO_free(bio); }
  };

  template <typename Write>
  static std::string Pem(Write write) {
    const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
    HV_CHECK(write(bio.get()) == 1) << "PEM";
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<size_t>(size));
  }
  void Add(int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  const std::unique_ptr<EVP_PKEY, Free> key_;
  const std::unique_ptr<X509, Free> certificate_;
};

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_TEST_IDENTITY_H_
