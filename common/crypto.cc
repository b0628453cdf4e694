#include "common/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/check.h"

namespace halving {
namespace {

constexpr size_t kSha256Bytes = 32;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string Sha256(absl::string_view data) {
  // Looking the algorithm up costs more than hashing a small event with it.
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::string hash(kSha256Bytes, '\0');
  HV_CHECK(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(hash.data()),
                      nullptr, md, nullptr) == 1)
      << "OpenSSL has no SHA-256";
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
