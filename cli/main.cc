// halving: the command for people. See app.cc for its commands.
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/console.h"

int main(int argc, char** argv) {
  halving::Console console = halving::StandardConsole();
  if (console.out_is_terminal) halving::ShowCursorOnInterrupt();
  return halving::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), &console);
}
