#include "common/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

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

std::string HmacSha256(absl::string_view key, absl::string_view data) {
  std::string hash(kSha256Bytes, '\0');
  // OpenSSL tells no data from an error of the caller's by the pointer.
  if (data.data() == nullptr) data = "";
  HV_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(data), data.size(),
                reinterpret_cast<unsigned char*>(hash.data()), nullptr) != nullptr)
      << "OpenSSL has no HMAC";
  return hash;
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace halving
