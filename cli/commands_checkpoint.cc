// `halving checkpoint`: what a trial was trained to.
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "common/clock.h"
#include "common/file_io.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr int kTriesWithoutAByte = 10;

// Receives one checkpoint into a file, over as many calls as it takes. Thread-compatible.
class Receiver {
 public:
  Receiver(std::string name, int64_t trial_id, const std::string& path) : file_(path) {
    request_.set_study(std::move(name));
    request_.set_trial_id(trial_id);
  }

  // The file's own errors; those of the call go to `called`.
  absl::Status Receive(Client* client, Console* console, absl::Status& called);

  const v1::CheckpointHeader& header() const { return header_; }

 private:
  absl::Status ReceiveOnce(Client* client, absl::Status& called);

  v1::DownloadRequest request_;
  v1::CheckpointHeader header_;
  WholeFile file_;
};

absl::Status Receiver::ReceiveOnce(Client* client, absl::Status& called) {
  absl::Status written;
  request_.set_offset(file_.bytes());
  called = client->Download(request_, [&](const v1::DownloadResponse& part) {
    if (part.has_header()) header_ = part.header();
    if (written.ok()) written = file_.Write(part.chunk());
    return written.ok();
  });
  if (!header_.checkpoint_id().empty()) {  // The same one after a cut, whichever is best by then.
    request_.set_checkpoint_id(header_.checkpoint_id());
    request_.set_trial_id(header_.trial_id());
  }
  return written;
}

absl::Status Receiver::Receive(Client* client, Console* console, absl::Status& called) {
  HV_RETURN_IF_ERROR(file_.Open());
  for (int tries = 0; tries < kTriesWithoutAByte; ++tries) {
    const int64_t before = file_.bytes();
    HV_RETURN_IF_ERROR(ReceiveOnce(client, called));
    // A server that was never there is not waited for: somebody sits and looks.
    if (called.ok() || !IsConnectionLoss(called) || file_.bytes() == 0) break;
    if (file_.bytes() > before) tries = 0;
    *console->err << "The connection was lost after " << file_.bytes() << " of "
                  << header_.size_bytes() << " bytes; going on from there.\n";
    halving::SleepFor(kRetryAfter);
  }
  if (!called.ok()) return absl::OkStatus();
  const absl::StatusOr<std::string> sha256 = file_.Sha256();
  if (!sha256.ok()) return sha256.status();
  if (file_.bytes() != header_.size_bytes() || *sha256 != header_.sha256()) {
    called = absl::DataLossError(
        "what came is not what was stored; if that happens again, the file on the server's disk "
        "is damaged");
    return absl::OkStatus();
  }
  return file_.Finish();
}

}  // namespace

int CheckpointCommand(const std::string& name, int64_t trial_id, const std::string& path,
                      Client* client, Console* console) {
  const std::string file = path.empty() ? absl::StrCat(name, ".checkpoint") : path;
  Receiver receiver(name, trial_id, file);
  absl::Status called;
  const absl::Status written = receiver.Receive(client, console, called);
  if (!written.ok()) {
    *console->err << "error: " << Printable(written.message()) << "\n";
    return kExitFailed;
  }
  if (!called.ok()) return Fail(called, client, console);
  const v1::CheckpointHeader& header = receiver.header();
  *console->out << "Wrote " << Printable(file) << " (" << header.size_bytes() << " bytes): trial "
                << header.trial_id() << " after " << header.epoch() << " epochs.\nSHA-256 "
                << absl::BytesToHexString(header.sha256()) << "\n";
  return kExitOk;
}

}  // namespace halving
