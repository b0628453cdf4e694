// A trainer for tests, which does what its job's options say.
//
// "script" is a list of steps, each a list of a verb and its arguments:
//   ["print", TEXT]       one line on stdout
//   ["stderr", TEXT]      one line on stderr
//   ["checkpoint", TEXT]  writes TEXT to checkpoint_out, by a rename
//   ["save", PATH]        writes {"pid":..., "device":..., "threads":...,
//   "cuda_visible_devices":...,
//                         "job":...} to PATH
//   ["await", PATH]       until PATH exists
//   ["hang"]              for ever
//   ["ignore_sigterm"]
//   ["catch_sigterm"]     from now on SIGTERM is only remembered
//   ["await_sigterm"]     until one was caught
//   ["signal", NUMBER]    raises it
//   ["exit", STATUS]
// Without a script it trains: a point for each epoch with error 1 / epoch, a checkpoint that says
// "epoch N" at the end, and done. A checkpoint_in has to say "epoch from_epoch".
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/agent/test_util.h"

namespace halving {
namespace {

using nlohmann::json;

void Print(const std::string& text) { std::cout << text << std::endl; }

void WriteWhole(const std::string& path, const std::string& content) {
  WriteFile(path + ".partial", content);
  std::filesystem::rename(path + ".partial", path);
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

volatile sig_atomic_t got_sigterm = 0;

[[noreturn]] void Hang() {
  for (;;) pause();
}

void Step(const json& job, const json& step) {
  const std::string verb = step.at(0);
  const auto argument = [&] { return step.at(1).get<std::string>(); };
  if (verb == "print") {
    Print(argument());
  } else if (verb == "stderr") {
    std::cerr << argument() << std::endl;
  } else if (verb == "checkpoint") {
    WriteWhole(job.at("checkpoint_out"), argument());
  } else if (verb == "save") {
    const json saved = {{"pid", getpid()},
                        {"device", Environment("HALVING_DEVICE")},
                        {"threads", Environment("HALVING_THREADS")},
                        {"cuda_visible_devices", Environment("CUDA_VISIBLE_DEVICES")},
                        {"job", job}};
    WriteWhole(argument(), saved.dump());
  } else if (verb == "await") {
    if (!Eventually([&] { return std::filesystem::exists(argument()); }, absl::Minutes(1)))
      exit(99);
  } else if (verb == "ignore_sigterm") {
    signal(SIGTERM, SIG_IGN);
  } else if (verb == "catch_sigterm") {
    signal(SIGTERM, [](int) { got_sigterm = 1; });
  } else if (verb == "await_sigterm") {
    if (!Eventually([] { return got_sigterm != 0; }, absl::Minutes(1))) exit(99);
  } else if (verb == "signal") {
    signal(step.at(1).get<int>(), SIG_DFL);  // Whatever a sanitizer would make of it.
    raise(step.at(1).get<int>());
  } else if (verb == "exit") {
    exit(step.at(1).get<int>());
  } else {
    Hang();
  }
}

void Train(const json& job) {
  const int64_t from = job.at("from_epoch");
  const int64_t to = job.at("to_epoch");
  // Spaces at its end make a checkpoint large.
  const std::string state = from > 0 ? ReadFile(job.at("checkpoint_in")) : "";
  if (from > 0 && absl::StripTrailingAsciiWhitespace(state) != absl::StrCat("epoch ", from)) {
    Print(R"({"failed":{"reason":"not a checkpoint of mine","unusable_checkpoint":true}})");
    return;
  }
  for (int64_t epoch = from + 1; epoch <= to; ++epoch) {
    Print(json{{"epoch", epoch}, {"error", 1.0 / static_cast<double>(epoch)}}.dump());
  }
  WriteWhole(job.at("checkpoint_out"), absl::StrCat("epoch ", to));
  Print(json{{"checkpoint", {{"epoch", to}}}}.dump());
  Print(json{{"done", {{"error", 1.0 / static_cast<double>(to)}, {"metrics", {{"m", 2}}}}}}.dump());
}

void Run() {
  for (std::string line; std::getline(std::cin, line);) {
    const json job = json::parse(line).at("job");
    const json& options = job.at("options");
    if (!options.contains("script")) Train(job);
    for (const json& step : options.value("script", json::array())) Step(job, step);
  }
}

}  // namespace
}  // namespace halving

int main() { halving::Run(); }
