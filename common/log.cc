#include "common/log.h"

#include "absl/strings/str_cat.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace halving {

absl::Status InitLog(const std::string& level) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    return absl::InvalidArgumentError(absl::StrCat(
        "log level is \"", level, "\"; it must be trace, debug, info, warn, error or off"));
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("halving"));
  spdlog::set_level(parsed);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  return absl::OkStatus();
}

}  // namespace halving
