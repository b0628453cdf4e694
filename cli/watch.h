// Following a study until it ends.
#ifndef HALVING_CLI_WATCH_H_
#define HALVING_CLI_WATCH_H_

#include <string>

#include "absl/time/time.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/console.h"

namespace halving {

// How long to wait before the try after `failures` (>= 1) failed ones: doubling from half a second
// up to five, since somebody is looking, and a random part of up to a half off, so that watchers of
// one server do not come back all at once. `unit` is in [0, 1).
absl::Duration ReconnectDelay(int failures, double unit);

// Shows the study's status after each change: redrawn in place on a terminal, else one line for
// each; as JSON, one message a line. A server that was reached once and goes away is tried again
// for ever. Returns the exit code: 0 when the study COMPLETED, 3 when it was STOPPED or has FAILED,
// 1 when it cannot be watched.
int WatchCommand(const std::string& name, absl::Duration min_interval, Format format,
                 Client* client, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_WATCH_H_
