// Where a server is, as people write it.
#ifndef HALVING_COMMON_SERVER_ADDRESS_H_
#define HALVING_COMMON_SERVER_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace halving {

// `server` with the default port, 7070, where it names none; unix:PATH as it is. INVALID_ARGUMENT
// for a URL, an empty text, or a port that is no number from 1 to 65535.
absl::StatusOr<std::string> NormalizeServer(const std::string& server);

// Whether what is sent there does not leave this machine, by how it is written: localhost, an
// address of loopback, or unix:PATH. `server` may have a port.
bool IsLoopback(const std::string& server);

}  // namespace halving

#endif  // HALVING_COMMON_SERVER_ADDRESS_H_
