// The command line of `halving`: from words to a command, and what to say where that fails.
#ifndef HALVING_CLI_APP_H_
#define HALVING_CLI_APP_H_

#include <string>
#include <vector>

#include "cli/console.h"

namespace halving {

// Runs one command. `arguments` are those after the program's name. Returns the exit code; see
// ExitCode in commands.h.
int RunCommandLine(const std::vector<std::string>& arguments, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_APP_H_
