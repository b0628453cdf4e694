// SHA-256, by OpenSSL.
#ifndef HALVING_COMMON_CRYPTO_H_
#define HALVING_COMMON_CRYPTO_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

struct evp_mac_ctx_st;
struct evp_md_ctx_st;

namespace halving {

inline constexpr size_t kSha256Bytes = 32;

// 32 bytes.
std::string Sha256(absl::string_view data);

// The same of what comes in parts. Thread-compatible.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Update(absl::string_view data);
  // The hash of all parts. Nothing may follow.
  std::string Finish();

 private:
  evp_md_ctx_st* const context_;
};

// HMAC with SHA-256 under one key, many times: to set a key up takes longer than to use it.
// Thread-safe.
class HmacSha256Key {
 public:
  explicit HmacSha256Key(absl::string_view key);
  ~HmacSha256Key();
  HmacSha256Key(const HmacSha256Key&) = delete;
  HmacSha256Key& operator=(const HmacSha256Key&) = delete;

  // 32 bytes.
  std::string Of(absl::string_view data) const;

 private:
  evp_mac_ctx_st* const context_;  // Never used, only copied.
};

// The same, once.
std::string HmacSha256(absl::string_view key, absl::string_view data);

// Whether they are equal, in a time that does not depend on where they differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

}  // namespace halving

#endif  // HALVING_COMMON_CRYPTO_H_
