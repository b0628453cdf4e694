#include "worker/agent/fetch_checkpoint.h"

#include <poll.h>

#include <optional>
#include <thread>

#include "common/file_io.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

absl::StatusOr<FetchedCheckpoint> Fetch(const FetchRequest& request, const WakeEvent& quit) {
  CheckpointDir& folder = *request.folder;
  const absl::StatusOr<std::string> copy = folder.Find(request.checkpoint_id);
  if (absl::IsInvalidArgument(copy.status())) return copy.status();
  const absl::StatusOr<v1::CheckpointHeader> header =
      request.client->Describe(request.lease_id, request.checkpoint_id, quit);
  if (absl::IsNotFound(header.status()) && copy.ok()) {
    // One that was never uploaded: its file is all there is of it.
    return FetchedCheckpoint(*copy, nullptr);
  }
  HV_RETURN_IF_ERROR(header.status());
  // A name of its own, since a copy may be removed by other workers at any time.
  if (absl::StatusOr<std::string> own = folder.PrivateName(request.checkpoint_id); own.ok()) {
    FetchedCheckpoint found(*std::move(own), &folder);
    const auto digest = DigestOfFile(found.path(), [&quit] { return quit.IsSet(); });
    if (absl::IsCancelled(digest.status())) return digest.status();
    if (digest.ok() && digest->bytes == header->size_bytes() &&
        digest->sha256 == header->sha256()) {
      return found;
    }
    spdlog::warn("{} is not what the server stored; fetching it", *copy);
  }
  FetchedCheckpoint fetched(folder.NewTemporary(), &folder);
  HV_RETURN_IF_ERROR(
      request.client->DownloadUntilWhole(request.lease_id, *header, fetched.path(), quit));
  return fetched;
}

}  // namespace

absl::StatusOr<FetchedCheckpoint> FetchCheckpoint(const FetchRequest& request,
                                                  const WakeEvent& drop, const WakeEvent& leave) {
  WakeEvent quit;
  WakeEvent done;
  std::optional<absl::StatusOr<FetchedCheckpoint>> fetched;
  std::thread thread([&] {
    fetched.emplace(Fetch(request, quit));
    done.Set();
  });
  pollfd fds[] = {{done.fd(), POLLIN, 0}, {drop.fd(), POLLIN, 0}, {leave.fd(), POLLIN, 0}};
  PollFor(absl::MakeSpan(fds), absl::InfiniteDuration());
  if (fds[0].revents == 0) quit.Set();
  thread.join();
  return *std::move(fetched);
}

}  // namespace halving
