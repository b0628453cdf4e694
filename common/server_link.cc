#include "common/server_link.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/api_token.h"
#include "common/clock.h"
#include "common/server_address.h"
#include "common/status.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/support/client_interceptor.h"

namespace halving {
namespace {

constexpr unsigned kReloadSeconds = 5;
constexpr size_t kMostTokenBytes = 4096;

absl::StatusOr<std::string> HeaderOf(const std::string& where, absl::string_view text) {
  const std::string token(absl::StripAsciiWhitespace(text));
  if (ParseApiToken(token).has_value()) return absl::StrCat("Bearer ", token);
  return absl::InvalidArgumentError(
      absl::StrCat(where,
                   " holds no token; it is hv_<12 digits>_<64 digits>, alone, as `halving "
                   "token create` prints it"));
}

absl::StatusOr<std::string> ReadHeader(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostTokenBytes, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  if (!stream.is_open()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--token-file is \"", file, "\", which cannot be read"));
  }
  return HeaderOf(absl::StrCat("--token-file ", file), text);
}

// gRPC's own credentials for calls refuse plaintext, which is all right on one machine.
class TokenSender : public grpc::experimental::Interceptor {
 public:
  explicit TokenSender(TokenSource* source) : source_(source) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->insert({"authorization", source_->Header()});
    }
    methods->Proceed();
  }

 private:
  TokenSource* const source_;
};

class TokenSenderFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenSenderFactory(std::shared_ptr<TokenSource> source) : source_(std::move(source)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new TokenSender(source_.get());
  }

 private:
  const std::shared_ptr<TokenSource> source_;
};

bool WantsTls(const LinkOptions& options) {
  return options.tls || !options.files.ca.empty() || !options.files.cert.empty();
}

// These read their files again when they change.
std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const LinkOptions& options) {
  if (!WantsTls(options)) return grpc::InsecureChannelCredentials();
  const TlsFiles& files = options.files;
  grpc::experimental::TlsChannelCredentialsOptions tls;
  if (!files.ca.empty() || !files.cert.empty()) {
    tls.set_certificate_provider(
        std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
            files.key, files.cert, files.ca, kReloadSeconds));
  }
  if (!files.ca.empty()) tls.watch_root_certs();
  if (!files.cert.empty()) tls.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(tls);
}

}  // namespace

absl::StatusOr<std::shared_ptr<TokenSource>> TokenSource::Open(const std::string& file) {
  std::string header;
  if (!file.empty()) {
    HV_ASSIGN_OR_RETURN(header, ReadHeader(file));
  } else if (const char* token = std::getenv("HALVING_TOKEN"); token != nullptr && *token != '\0') {
    HV_ASSIGN_OR_RETURN(header, HeaderOf("HALVING_TOKEN", token));
  } else {
    return nullptr;
  }
  return std::shared_ptr<TokenSource>(new TokenSource(file, std::move(header)));
}

std::string TokenSource::Header() {
  MutexLock lock(&mu_);
  struct stat about = {};
  if (file_.empty() || stat(file_.c_str(), &about) != 0) return header_;
  std::string seen = absl::StrCat(about.st_ino, " ", about.st_size, " ", about.st_mtim.tv_sec, ".",
                                  about.st_mtim.tv_nsec);
  if (seen == seen_) return header_;
  absl::StatusOr<std::string> header = ReadHeader(file_);
  if (header.ok()) {
    header_ = *std::move(header);
    seen_ = std::move(seen);
  }
  return header_;
}

absl::StatusOr<std::shared_ptr<ServerLink>> ServerLink::Make(const std::string& server,
                                                             const LinkOptions& options) {
  if (!WantsTls(options) && !options.insecure && !IsLoopback(server)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--server is \"", server,
        "\", another machine, and nothing says how to protect the way there. Give --tls-ca FILE "
        "(the CA of the server's certificate) or --tls (a CA that this machine trusts), or say "
        "--insecure if nobody else is on that network"));
  }
  HV_RETURN_IF_ERROR(LoadTls(options.files, Clock::Real()->Now()).status());
  auto link = std::make_shared<ServerLink>(server);
  link->options_ = options;
  HV_ASSIGN_OR_RETURN(link->token_, TokenSource::Open(options.token_file));
  return link;
}

std::shared_ptr<grpc::Channel> ServerLink::Open(const grpc::ChannelArguments& arguments) const {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (token_ != nullptr) interceptors.push_back(std::make_unique<TokenSenderFactory>(token_));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      address_, CredentialsOf(options_), arguments, std::move(interceptors));
}

}  // namespace halving
