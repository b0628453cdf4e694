#include "common/sd_notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/unique_fd.h"

namespace halving {
namespace {

// A manager that does not read must not hold up the process that it watches.
constexpr timeval kSendTime = {.tv_sec = 2, .tv_usec = 0};

std::string Take(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);
  return taken;
}

absl::Status Failed(const std::string& socket, const std::string& why) {
  return absl::UnavailableError(
      absl::StrCat("NOTIFY_SOCKET is ", socket, ", but nothing can be sent there: ", why));
}

}  // namespace

SdNotifier SdNotifier::TakeFromEnvironment() {
  std::string socket = Take("NOTIFY_SOCKET");
  const std::string usec = Take("WATCHDOG_USEC");
  const std::string pid = Take("WATCHDOG_PID");
  int64_t micros = 0;
  std::optional<absl::Duration> watchdog;
  const bool ours = pid.empty() || pid == absl::StrCat(getpid());
  if (!socket.empty() && ours && absl::SimpleAtoi(usec, &micros) && micros > 0) {
    watchdog = absl::Microseconds(micros);
  }
  return SdNotifier(std::move(socket), watchdog);
}

absl::Status SdNotifier::Status(absl::string_view text) const {
  const std::pair<absl::string_view, absl::string_view> lines =
      absl::StrSplit(text, absl::MaxSplits('\n', 1));
  return Send(absl::StrCat("STATUS=", lines.first));
}

absl::Status SdNotifier::Send(absl::string_view message) const {
  if (socket_.empty()) return absl::OkStatus();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_[0] != '/' && socket_[0] != '@') {
    return Failed(socket_, "it must be a path from / on, or @ and a name");
  }
  if (socket_.size() >= sizeof(address.sun_path)) return Failed(socket_, "the name is too long");
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  // An abstract name ends where its length says, a path where its zero is.
  const socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size() +
                                                (socket_[0] == '/' ? 1 : 0));
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Failed(socket_, std::strerror(errno));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTime, sizeof(kSendTime));
  const ssize_t sent = sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), size);
  return sent >= 0 ? absl::OkStatus() : Failed(socket_, std::strerror(errno));
}

}  // namespace halving
