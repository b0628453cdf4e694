#include "cli/console.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr char kShowCursor[] = "\x1b[?25h\x1b[0m\n";

TerminalSize StandardOutputSize() {
  winsize size{};
  TerminalSize result;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return result;
  if (size.ws_col > 0) result.columns = size.ws_col;
  if (size.ws_row > 0) result.rows = size.ws_row;
  return result;
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The first of the variables that is set decides, as for every program.
bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = Environment(name);
    if (value.empty()) continue;
    const std::string lower = absl::AsciiStrToLower(value);
    return absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
  }
  return false;
}

// How the terminal was before keys were read one by one.
termios saved_terminal;
volatile std::sig_atomic_t keys_are_read = 0;

// POSIX allows it inside a signal.
void RestoreTerminal() {
  if (keys_are_read != 0) tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
}

// Every time, since a stopped process finds the terminal as its shell left it.
void ReadKeysOneByOne() {
  if (keys_are_read == 0) {
    if (tcgetattr(STDIN_FILENO, &saved_terminal) != 0) return;
    keys_are_read = 1;
    std::atexit(RestoreTerminal);
  }
  termios raw = saved_terminal;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C still ends the process.
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

char WaitForKey(absl::Duration at_most) {
  if (isatty(STDIN_FILENO) != 1) {
    halving::SleepFor(at_most);
    return 0;
  }
  ReadKeysOneByOne();
  pollfd input{STDIN_FILENO, POLLIN, 0};
  char key = 0;
  const auto wait_ms = static_cast<int>(
      std::min<int64_t>(absl::ToInt64Milliseconds(at_most), std::numeric_limits<int>::max()));
  if (poll(&input, 1, wait_ms) <= 0) return 0;
  return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';  // The terminal is gone.
}

// Runs inside a signal: only what POSIX allows there.
void ShowCursorAndDie(int signal_number) {
  // Nothing can be done about a terminal that is gone.
  [[maybe_unused]] const ssize_t written =
      write(STDOUT_FILENO, kShowCursor, sizeof(kShowCursor) - 1);
  RestoreTerminal();
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

}  // namespace

Console StandardConsole() {
  Console console;
  console.in = &std::cin;
  console.out = &std::cout;
  console.err = &std::cerr;
  console.in_is_terminal = isatty(STDIN_FILENO) == 1;
  console.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  console.size = StandardOutputSize;
  console.err_is_terminal = isatty(STDERR_FILENO) == 1;
  console.sleep = SleepFor;
  console.key = WaitForKey;
  console.clock = Clock::Real();
  console.options.zone = absl::LocalTimeZone();
  if (console.out_is_terminal) {
    console.options.color = Environment("NO_COLOR").empty() && Environment("TERM") != "dumb";
    console.options.unicode = LocaleIsUtf8();
    console.options.width_columns = StandardOutputSize().columns;
  }
  return console;
}

void ShowCursorOnInterrupt() {
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
    // One that was ignored from outside (nohup) stays ignored.
    if (std::signal(signal_number, ShowCursorAndDie) == SIG_IGN) {
      std::signal(signal_number, SIG_IGN);
    }
  }
}

void WriteData(absl::string_view data, Console* console) {
  if (!console->out_is_terminal) {
    *console->out << data;
    return;
  }
  std::vector<absl::string_view> lines = absl::StrSplit(data, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (const absl::string_view line : lines) *console->out << Printable(line) << '\n';
}

}  // namespace halving
