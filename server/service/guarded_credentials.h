// GuardedCredentials: TLS, and who may call, below all services of a gRPC server.
#ifndef HALVING_SERVER_SERVICE_GUARDED_CREDENTIALS_H_
#define HALVING_SERVER_SERVICE_GUARDED_CREDENTIALS_H_

#include <memory>
#include <string>

#include "common/tls_files.h"
#include "grpcpp/security/server_credentials.h"
#include "server/access/access.h"

namespace halving {

// Each call is admitted, or refused, by its path and token before its message is read, health and
// reflection included, and whatever a later version adds. gRPC's C++ credentials can do so only
// with TLS (those without end the process), so this uses the C ones, which can without, too.
//
// Connections within the process pass it by: what they reach asks Access itself.
class GuardedCredentials : public grpc::ServerCredentials {
 public:
  // `tls` null: plaintext; with a CA, clients must show a certificate of it. A connection gets the
  // certificate that the watcher has when it is made. Neither is owned; both must outlive the
  // server.
  GuardedCredentials(TlsWatcher* tls, Access* access) : tls_(tls), access_(access) {}

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& processor) override;

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override;
  grpc_server_credentials* Make();

  TlsWatcher* const tls_;
  Access* const access_;
  uint64_t given_ = 0;  // Generation of the certificate in use; gRPC asks under a lock.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GUARDED_CREDENTIALS_H_
