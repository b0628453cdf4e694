#include "server/service/guarded_credentials.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/check.h"
#include "grpc/grpc_security.h"

namespace halving {
namespace {

absl::string_view TextOf(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

void AdmitCall(void* access, grpc_auth_context*, const grpc_metadata* metadata, size_t count,
               grpc_process_auth_metadata_done_cb done, void* call) {
  absl::string_view header;
  absl::string_view path;
  int headers = 0;
  for (size_t i = 0; i < count; ++i) {
    const absl::string_view key = TextOf(metadata[i].key);
    if (key == "authorization") {
      header = TextOf(metadata[i].value);
      ++headers;
    }
    if (key == ":path") path = TextOf(metadata[i].value);
  }
  // Of two, this and the service could each take another one.
  const absl::Status admitted =
      headers > 1 ? absl::UnauthenticatedError("the header \"authorization\" came twice; send one")
                  : static_cast<Access*>(access)->Admit(header, path).status();
  // The codes are numbered alike; gRPC copies the text.
  done(call, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(admitted.code()),
       admitted.ok() ? nullptr : std::string(admitted.message()).c_str());
}

// For grpc_ssl_server_certificate_config_callback. A refused change keeps what was before.
grpc_ssl_certificate_config_reload_status Reload(const TlsMaterial& material,
                                                 grpc_ssl_server_certificate_config** config) {
  const grpc_ssl_pem_key_cert_pair pair = {material.key_pem.c_str(), material.cert_pem.c_str()};
  // It insists on a CA (1.51 ends the process without one), also where no certificate is asked for.
  const std::string& ca = material.ca_pem.empty() ? material.cert_pem : material.ca_pem;
  *config = grpc_ssl_server_certificate_config_create(ca.c_str(), &pair, 1);
  return *config == nullptr ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL
                            : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace

void GuardedCredentials::SetAuthMetadataProcessor(
    const std::shared_ptr<grpc::AuthMetadataProcessor>&) {
  HV_CHECK(false) << "these have one already";
}

grpc_server_credentials* GuardedCredentials::Make() {
  if (tls_ == nullptr) return grpc_insecure_server_credentials_create();
  const auto fetch = [](void* self, grpc_ssl_server_certificate_config** config) {
    auto* credentials = static_cast<GuardedCredentials*>(self);
    const TlsWatcher::Current now = credentials->tls_->current();
    if (now.generation == credentials->given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    credentials->given_ = now.generation;
    return Reload(*now.material, config);
  };
  grpc_ssl_server_credentials_options* options =
      grpc_ssl_server_credentials_create_options_using_config_fetcher(
          tls_->files().ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                   : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
          fetch, this);
  return grpc_ssl_server_credentials_create_with_options(options);
}

int GuardedCredentials::AddPortToServer(const std::string& address, grpc_server* server) {
  grpc_server_credentials* credentials = Make();
  if (credentials == nullptr) return 0;
  if (access_->needs_tokens()) {
    grpc_server_credentials_set_auth_metadata_processor(credentials, {AdmitCall, nullptr, access_});
  }
  const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
  grpc_server_credentials_release(credentials);
  return port;
}

}  // namespace halving
