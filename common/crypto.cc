#include "common/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/check.h"

namespace halving {
namespace {

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Looking it up costs more than hashing a small event with it.
const EVP_MD* Algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

}  // namespace

std::string Sha256(absl::string_view data) {
  const EVP_MD* md = Algorithm();
  std::string hash(kSha256Bytes, '\0');
  HV_CHECK(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(hash.data()),
                      nullptr, md, nullptr) == 1)
      << "OpenSSL has no SHA-256";
  return hash;
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  HV_CHECK(context_ != nullptr && EVP_DigestInit_ex2(context_, Algorithm(), nullptr) == 1)
      << "OpenSSL has no SHA-256";
}

Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(context_); }

void Sha256Stream::Update(absl::string_view data) {
  HV_CHECK(EVP_DigestUpdate(context_, data.data(), data.size()) == 1) << "SHA-256 failed";
}

std::string Sha256Stream::Finish() {
  std::string hash(kSha256Bytes, '\0');
  HV_CHECK(EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(hash.data()), nullptr) ==
           1)
      << "SHA-256 failed";
  return hash;
}

HmacSha256Key::HmacSha256Key(absl::string_view key)
    : context_([] {
        static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
        return EVP_MAC_CTX_new(hmac);
      }()) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  HV_CHECK(context_ != nullptr && EVP_MAC_init(context_, Bytes(key), key.size(), parameters) == 1)
      << "OpenSSL has no HMAC";
}

HmacSha256Key::~HmacSha256Key() { EVP_MAC_CTX_free(context_); }

std::string HmacSha256Key::Of(absl::string_view data) const {
  std::string hash(kSha256Bytes, '\0');
  EVP_MAC_CTX* const context = EVP_MAC_CTX_dup(context_);
  size_t size = 0;
  HV_CHECK(context != nullptr && EVP_MAC_update(context, Bytes(data), data.size()) == 1 &&
           EVP_MAC_final(context, reinterpret_cast<unsigned char*>(hash.data()), &size,
                         hash.size()) == 1)
      << "HMAC failed";
  EVP_MAC_CTX_free(context);
  return hash;
}

std::string HmacSha256(absl::string_view key, absl::string_view data) {
  return HmacSha256Key(key).Of(data);
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace halving
