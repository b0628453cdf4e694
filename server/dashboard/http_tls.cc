#include "server/dashboard/http_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

absl::Status Unusable(const std::string& what) {
  std::array<char, 256> why = {};
  const unsigned long error = ERR_get_error();
  ERR_error_string_n(error, why.data(), why.size());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat("TLS: ", what, error == 0 ? "" : absl::StrCat(": ", why.data())));
}

Owned<BIO> TextOf(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Owned<X509> NextCertificate(BIO* pem) {
  return Owned<X509>(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr));
}

// A key that asks for a password gets none: nobody sits there.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status UseIdentity(SSL_CTX* context, const TlsMaterial& material) {
  const Owned<BIO> chain = TextOf(material.cert_pem);
  const Owned<X509> own = NextCertificate(chain.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1)
    return Unusable("the certificate is not one in PEM");
  while (Owned<X509> next = NextCertificate(chain.get())) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return Unusable("the certificate's chain cannot be used");
  }
  ERR_clear_error();  // The end of the text is one.
  const Owned<BIO> key_text = TextOf(material.key_pem);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    return Unusable("the private key is not the certificate's, in PEM without a password");
  return absl::OkStatus();
}

absl::Status AskClients(SSL_CTX* context, const std::string& ca) {
  if (ca.empty()) return absl::OkStatus();
  const Owned<BIO> text = TextOf(ca);
  int count = 0;
  while (Owned<X509> next = NextCertificate(text.get())) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get()) != 1 ||
        SSL_CTX_add_client_CA(context, next.get()) != 1)
      return Unusable("a certificate of the clients' CA cannot be used");
    ++count;
  }
  if (count == 0) return Unusable("the clients' CA is not a certificate in PEM");
  ERR_clear_error();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return absl::OkStatus();
}

absl::Status SetRules(SSL_CTX* context) {
  static constexpr unsigned char kSessions[] = "halving-http";
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Tickets only, which the clients keep.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, kSessions, sizeof(kSessions) - 1);
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    return Unusable("this OpenSSL has none of the ciphers");
  return absl::OkStatus();
}

class PlainWire : public HttpWire {
 public:
  explicit PlainWire(UniqueFd fd) : HttpWire(std::move(fd)) {}

  Outcome Greet() override { return Outcome::kDone; }
  Outcome Read(char* bytes, size_t* size) override {
    return Told(recv(fd(), bytes, *size, MSG_DONTWAIT), size, Outcome::kWantsRead);
  }
  Outcome Write(const char* bytes, size_t* size) override {
    return Told(send(fd(), bytes, *size, MSG_DONTWAIT | MSG_NOSIGNAL), size, Outcome::kWantsWrite);
  }
  void Finish() override { shutdown(fd(), SHUT_WR); }

 private:
  static Outcome Told(ssize_t done, size_t* size, Outcome later) {
    if (done > 0) {
      *size = static_cast<size_t>(done);
      return Outcome::kDone;
    }
    return done < 0 && (errno == EAGAIN || errno == EINTR) ? later : Outcome::kOver;
  }
};

class TlsWire : public HttpWire {
 public:
  TlsWire(UniqueFd fd, SSL_CTX* context) : HttpWire(std::move(fd)), ssl_(SSL_new(context)) {
    if (ssl_ != nullptr) SSL_set_fd(ssl_.get(), this->fd());
  }

  Outcome Greet() override {
    if (ssl_ == nullptr) return Outcome::kOver;
    ERR_clear_error();
    const Outcome outcome = Told(SSL_accept(ssl_.get()));
    greeted_ = outcome == Outcome::kDone;
    return outcome;
  }
  Outcome Read(char* bytes, size_t* size) override {
    ERR_clear_error();
    return Told(SSL_read_ex(ssl_.get(), bytes, *size, size));
  }
  Outcome Write(const char* bytes, size_t* size) override {
    ERR_clear_error();
    return Told(SSL_write_ex(ssl_.get(), bytes, *size, size));
  }
  void Finish() override {
    ERR_clear_error();
    if (greeted_ && !failed_) SSL_shutdown(ssl_.get());
    shutdown(fd(), SHUT_WR);
  }

 private:
  Outcome Told(int result) {
    if (result == 1) return Outcome::kDone;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Outcome::kWantsRead;
      case SSL_ERROR_WANT_WRITE:
        return Outcome::kWantsWrite;
      default:
        failed_ = true;
        ERR_clear_error();
        return Outcome::kOver;
    }
  }

  const Owned<SSL> ssl_;
  bool greeted_ = false;
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<HttpWire> HttpWire::Plain(UniqueFd fd) {
  return std::make_unique<PlainWire>(std::move(fd));
}

absl::Status HttpTls::Load() {
  const TlsWatcher::Current now = source_();
  if (generation_ == now.generation) return absl::OkStatus();
  generation_ = now.generation;
  Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return Unusable("OpenSSL cannot be used");
  for (const absl::Status& status :
       {SetRules(context.get()), UseIdentity(context.get(), *now.material),
        AskClients(context.get(), now.material->ca_pem)}) {
    if (!status.ok()) return status;
  }
  context_ = std::move(context);
  return absl::OkStatus();
}

std::unique_ptr<HttpWire> HttpTls::Wrap(UniqueFd fd) {
  const absl::Status loaded = Load();
  if (!loaded.ok())
    spdlog::error("HTTPS goes on with the former certificate: {}", std::string(loaded.message()));
  return std::make_unique<TlsWire>(std::move(fd), context_.get());
}

}  // namespace halving
