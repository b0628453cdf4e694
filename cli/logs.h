// `halving logs`: what a trial's trainer printed.
#ifndef HALVING_CLI_LOGS_H_
#define HALVING_CLI_LOGS_H_

#include <string>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/console.h"

namespace halving {

// The attempts and lines of `log` that the options ask for. NOT_FOUND when they ask for an attempt
// that there is not.
absl::StatusOr<v1::TrialLog> SelectLog(const v1::TrialLog& log, const LogsOptions& options);

// Prints the lines, with a heading where the attempt changes and there are several. Following, it
// asks each second for new ones until the trial is no longer RUNNING; a server that was reached
// once and goes away is tried again for ever.
int LogsCommand(const std::string& name, int64_t trial_id, const LogsOptions& options,
                Client* client, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_LOGS_H_
