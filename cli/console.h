// Console: where a command reads, writes and waits, so that tests can stand in for a terminal.
#ifndef HALVING_CLI_CONSOLE_H_
#define HALVING_CLI_CONSOLE_H_

#include <functional>
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/style.h"
#include "common/clock.h"

namespace halving {

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};

// Thread-compatible: one command uses it, from one thread.
struct Console {
  std::istream* in = nullptr;  // None of these is owned.
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  RenderOptions options;                      // For what goes to `out`.
  std::function<TerminalSize()> size;         // Of the terminal behind `out`, now.
  std::function<void(absl::Duration)> sleep;  // Between two tries to reach a server.
  // Waits for a key, at most so long; 0 when none came. From the first call until the process ends,
  // keys come one by one and are not shown.
  std::function<char(absl::Duration)> key;
  Clock* clock = nullptr;
};

// The process's standard streams. Colours only on a terminal, and never with NO_COLOR set.
Console StandardConsole();

// Lets SIGINT, SIGTERM and SIGHUP leave the terminal as it was before they end the process, as they
// would have anyway. Call once, when standard output is a terminal.
void ShowCursorOnInterrupt();

// Writes data (CSV, JSON, SVG): byte for byte, but Printable() line by line on a terminal.
void WriteData(absl::string_view data, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_CONSOLE_H_
