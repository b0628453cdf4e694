// The flags of ServerLink, the same for every program that calls a server.
#ifndef HALVING_COMMON_LINK_FLAGS_H_
#define HALVING_COMMON_LINK_FLAGS_H_

#include "CLI/CLI.hpp"
#include "common/server_link.h"

namespace halving {

// There is none for the token itself: other users of a machine see what a program was started with.
inline void AddLinkFlags(CLI::App* app, LinkOptions* options) {
  app->add_flag("--tls", options->tls, "Speak TLS, with the CAs that this machine trusts")
      ->envname("HALVING_TLS");
  app->add_option("--tls-ca", options->files.ca, "Speak TLS with a server of this CA (PEM)")
      ->envname("HALVING_TLS_CA")
      ->type_name("FILE");
  app->add_option("--tls-cert", options->files.cert,
                  "Certificate to show to the server, where it asks for one (PEM)")
      ->envname("HALVING_TLS_CERT")
      ->type_name("FILE");
  app->add_option("--tls-key", options->files.key, "Its key")
      ->envname("HALVING_TLS_KEY")
      ->type_name("FILE");
  app->add_option("--token-file", options->token_file,
                  "File with the token to show to the server [HALVING_TOKEN]")
      ->envname("HALVING_TOKEN_FILE")
      ->type_name("FILE");
  app->add_flag("--insecure", options->insecure,
                "Send everything in clear text to another machine, the token included")
      ->envname("HALVING_INSECURE");
}

}  // namespace halving

#endif  // HALVING_COMMON_LINK_FLAGS_H_
