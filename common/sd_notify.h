// SdNotifier: tells a service manager, such as systemd, how this process fares.
#ifndef HALVING_COMMON_SD_NOTIFY_H_
#define HALVING_COMMON_SD_NOTIFY_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace halving {

// SdNotifier sends datagrams of sd_notify(3)'s protocol to the socket that $NOTIFY_SOCKET names: a
// path, or "@" and an abstract name. Without one it does nothing, and says OK. What the manager
// makes of a message it does not tell.
//
// Thread-safe once made.
class SdNotifier {
 public:
  // Sends nothing to nobody.
  SdNotifier() = default;
  SdNotifier(std::string socket, std::optional<absl::Duration> watchdog)
      : socket_(std::move(socket)), watchdog_(watchdog) {}

  // From this process's environment, out of which it takes the variables: they are not for our
  // children. To be called before other threads look into the environment. The watchdog's time is
  // ours only if $WATCHDOG_PID says so, or nothing.
  static SdNotifier TakeFromEnvironment();

  // Within how much time Watchdog() is to be called again and again; none: it need not be.
  std::optional<absl::Duration> watchdog() const { return watchdog_; }

  absl::Status Ready() const { return Send("READY=1"); }
  absl::Status Stopping() const { return Send("STOPPING=1"); }
  absl::Status Watchdog() const { return Send("WATCHDOG=1"); }
  // A line for people; what follows its first line is cut off, since it would be another message.
  absl::Status Status(absl::string_view text) const;

 private:
  // UNAVAILABLE: nobody took it.
  absl::Status Send(absl::string_view message) const;

  std::string socket_;  // Empty: none.
  std::optional<absl::Duration> watchdog_;
};

}  // namespace halving

#endif  // HALVING_COMMON_SD_NOTIFY_H_
