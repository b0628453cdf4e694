// The commands for whoever operates a server.
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "common/file_io.h"
#include "common/status.h"

namespace halving {
namespace {

// SQLite would lay it over the backup.
absl::Status CheckNoWal(const std::string& path) {
  const std::string wal = path + "-wal";
  if (access(wal.c_str(), F_OK) != 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      wal, " belongs to another journal of that name; choose another name for the backup"));
}

// The file's own errors; those of the call go to `called`.
absl::Status Fetch(const std::string& path, Client* client, WholeFile& file, absl::Status& called) {
  HV_RETURN_IF_ERROR(CheckNoWal(path));
  // For its owner only: the key of the server's lease ids is in it.
  HV_RETURN_IF_ERROR(file.Open());
  absl::Status written;
  int64_t total = 0;
  called = client->Backup([&](const v1::BackupResponse& part) {
    total = part.total_bytes();
    written = file.Write(part.data());
    return written.ok();
  });
  if (!written.ok() || !called.ok()) return written;
  if (file.bytes() != total || total == 0) {
    called = absl::DataLossError(
        absl::StrCat("the server sent ", file.bytes(), " of ", total, " bytes"));
    return absl::OkStatus();
  }
  return file.Finish();
}

}  // namespace

int BackupCommand(const std::string& path, Client* client, Console* console) {
  WholeFile file(path);
  absl::Status called;
  const absl::Status written = Fetch(path, client, file, called);
  if (!written.ok()) {
    *console->err << "error: " << Printable(written.message()) << "\n";
    return kExitFailed;
  }
  if (!called.ok()) return Fail(called, client, console);
  *console->out << "Wrote " << Printable(path) << " (" << file.bytes() << " bytes).\n\nNext:\n"
                << "  halving-server verify " << Printable(path) << "\n";
  return kExitOk;
}

}  // namespace halving
