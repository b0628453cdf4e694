#include "server/service/backup_reactor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/grpc_status.h"

namespace halving {
namespace {

constexpr size_t kPartBytes = 256 << 10;

absl::Status Unreadable(const std::string& file) {
  return absl::InternalError(
      absl::StrCat("the copy ", file, " cannot be read: ", std::strerror(errno)));
}

}  // namespace

BackupReactor* BackupReactor::Start(Engine* engine, const Access* access,
                                    const absl::StatusOr<Caller>& caller) {
  auto* reactor = new BackupReactor(engine, access, caller.ok() ? *caller : Caller{});
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  engine->PostBackup(reactor->gone_, [reactor](absl::StatusOr<Engine::Backup> backup) {
    reactor->Send(std::move(backup));
  });
  return reactor;
}

BackupReactor::~BackupReactor() {
  if (fd_ >= 0) close(fd_);
}

void BackupReactor::Send(absl::StatusOr<Engine::Backup> backup) {
  if (!backup.ok()) return Finish(ToGrpc(backup.status()));
  backup_ = *std::move(backup);
  const absl::Status opened = Open();
  if (!opened.ok()) return Finish(ToGrpc(opened));
  SendNext();
}

absl::Status BackupReactor::Open() {
  fd_ = open(backup_->file().c_str(), O_RDONLY | O_CLOEXEC);
  struct stat of_file = {};
  if (fd_ < 0 || fstat(fd_, &of_file) != 0) return Unreadable(backup_->file());
  response_.set_total_bytes(of_file.st_size);
  return absl::OkStatus();
}

void BackupReactor::SendNext() {
  const absl::Status valid = access_->StillValid(caller_);
  if (!valid.ok()) return Finish(ToGrpc(valid));
  std::string& data = *response_.mutable_data();
  data.resize(kPartBytes);
  const ssize_t bytes = read(fd_, data.data(), data.size());
  if (bytes < 0) return Finish(ToGrpc(Unreadable(backup_->file())));
  if (bytes == 0) return Finish(grpc::Status::OK);
  data.resize(static_cast<size_t>(bytes));
  StartWrite(&response_);
}

void BackupReactor::OnWriteDone(bool ok) {
  if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
  SendNext();
}

void BackupReactor::OnCancel() {
  gone_->store(true);
  engine_->Sweep();
}

}  // namespace halving
