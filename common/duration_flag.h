// A flag that takes a duration, such as 90s.
#ifndef HALVING_COMMON_DURATION_FLAG_H_
#define HALVING_COMMON_DURATION_FLAG_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/time/time.h"

namespace halving {

// Sets `duration`, which holds the default, from text such as 90s, 30m or 1h30m: at least `least`,
// and a year at most.
inline CLI::Option* AddDuration(CLI::App* app, const std::string& name, absl::Duration* duration,
                                const std::string& what,
                                absl::Duration least = absl::Nanoseconds(1)) {
  CLI::Option* option = app->add_option_function<std::string>(
      name,
      [name, duration, least](const std::string& text) {
        absl::Duration given;
        if (!absl::ParseDuration(text, &given) || given < least || given > absl::Hours(24 * 365)) {
          throw CLI::ValidationError(
              name, "\"" + text + "\" is not a duration such as 90s, 30m or 1h30m");
        }
        *duration = given;
      },
      what);
  return option->type_name("DURATION")->default_str(absl::FormatDuration(*duration));
}

}  // namespace halving

#endif  // HALVING_COMMON_DURATION_FLAG_H_
