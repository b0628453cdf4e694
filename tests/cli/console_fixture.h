// TestConsole: a Console on strings, with a terminal that can be pretended.
#ifndef HALVING_TESTS_CLI_CONSOLE_FIXTURE_H_
#define HALVING_TESTS_CLI_CONSOLE_FIXTURE_H_

#include <sstream>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/console.h"
#include "common/clock.h"

namespace halving {

// Stands still at 12:34:56 UTC.
class StoppedClock : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1714566896); }
};

// Thread-compatible: one test uses it.
class TestConsole {
 public:
  TestConsole() {
    console_.in = &in;
    console_.out = &out;
    console_.err = &err;
    console_.size = [this] { return size; };
    console_.sleep = [this](absl::Duration duration) { sleeps.push_back(duration); };
    console_.clock = &clock_;
    console_.key = [this](absl::Duration at_most) {
      key_waits.push_back(at_most);
      if (keys.empty()) return 'q';  // Nobody waits for ever.
      const char key = keys.front();
      keys.erase(keys.begin());
      return key;
    };
  }

  void PretendTerminal() {
    console_.in_is_terminal = true;
    console_.out_is_terminal = true;
    console_.options.width_columns = size.columns;
  }

  Console* get() { return &console_; }

  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  TerminalSize size;
  std::vector<absl::Duration> sleeps;  // Asked for; none was slept.
  std::string keys;                    // To be pressed, one a wait; '\0': none in time.
  std::vector<absl::Duration> key_waits;

 private:
  StoppedClock clock_;
  Console console_;
};

}  // namespace halving

#endif  // HALVING_TESTS_CLI_CONSOLE_FIXTURE_H_
