// What the programs that measure have in common.
#ifndef HALVING_BENCH_PROGRAM_H_
#define HALVING_BENCH_PROGRAM_H_

#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace halving {

// The path of this program's own file.
inline std::string ThisProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

// Of another file in its folder.
inline std::string BesideThisProgram(const std::string& name) {
  return std::filesystem::path(ThisProgram()).replace_filename(name).string();
}

// Parses the flags and runs `measure`, without gRPC's own messages. The exit status.
inline int RunProgram(CLI::App& app, int argc, char** argv,
                      absl::FunctionRef<absl::Status()> measure) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = measure();
  if (status.ok()) return 0;
  std::cerr << app.get_name() << ": " << status.message() << "\n";
  return 1;
}

}  // namespace halving

#endif  // HALVING_BENCH_PROGRAM_H_
