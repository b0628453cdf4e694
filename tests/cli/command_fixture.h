// CommandFixture: whole commands, from their words to their output, against a FakeServer.
#ifndef HALVING_TESTS_CLI_COMMAND_FIXTURE_H_
#define HALVING_TESTS_CLI_COMMAND_FIXTURE_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/console_fixture.h"
#include "tests/cli/fake_server.h"

namespace halving {

class CommandFixture : public testing::Test {
 protected:
  // Runs one command against the server. What the commands before wrote is dropped.
  int Run(std::vector<std::string> arguments) {
    console_.out.str("");
    console_.err.str("");
    arguments.push_back("--server");
    arguments.push_back(server_.address());
    return RunCommandLine(arguments, console_.get());
  }
  std::string out() const { return console_.out.str(); }
  std::string err() const { return console_.err.str(); }
  std::vector<std::string> OutLines() const {
    std::vector<std::string> lines = absl::StrSplit(out(), '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
  }
  // Parsed, since the order of a config's fields is not always the same.
  std::vector<nlohmann::json> JsonLines() const {
    std::vector<nlohmann::json> all;
    for (const std::string& line : OutLines()) {
      all.push_back(nlohmann::json::parse(line, nullptr, false));
    }
    return all;
  }

  FakeServer server_;
  FakeStudyService* const service_ = server_.service();
  TestConsole console_;
};

}  // namespace halving

#endif  // HALVING_TESTS_CLI_COMMAND_FIXTURE_H_
