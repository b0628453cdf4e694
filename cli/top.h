// `halving top`: all running studies and the workers, followed.
#ifndef HALVING_CLI_TOP_H_
#define HALVING_CLI_TOP_H_

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/console.h"

namespace halving {

// On a terminal it redraws the picture each interval until q is pressed; a server that was reached
// once and goes away is tried again for ever. Elsewhere it prints the picture once.
int TopCommand(const TopOptions& options, Client* client, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_TOP_H_
