// CheckpointClient: the bytes of checkpoints, to the server and back.
#ifndef HALVING_WORKER_AGENT_CHECKPOINT_CLIENT_H_
#define HALVING_WORKER_AGENT_CHECKPOINT_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/file_io.h"
#include "common/server_link.h"
#include "halving/v1/checkpoint.grpc.pb.h"
#include "halving/v1/checkpoint.pb.h"
#include "worker/agent/wake_event.h"

namespace halving {

// CheckpointClient calls CheckpointService on a connection of its own, so that a heartbeat never
// stands behind megabytes. It rides out a server that is away, as ServerClient does, and goes on
// where a transfer was cut off. Thread-safe; its calls block until they are done, the server has
// refused, or `quit` is set (CANCELLED).
class CheckpointClient {
 public:
  struct Upload {
    std::string lease_id;
    int64_t epoch = 0;
    std::string file;
    FileDigest digest;        // Of the file.
    std::string shared_file;  // Its name in the server's own folder; empty: the bytes are sent.
  };

  explicit CheckpointClient(const ServerLink& link);

  // The id under which the server has it. Errors are its refusals, which the same upload would only
  // get again.
  absl::StatusOr<std::string> UploadUntilStored(const Upload& upload, const WakeEvent& quit);

  // What a checkpoint is, without its bytes. NOT_FOUND: the server does not have it.
  absl::StatusOr<v1::CheckpointHeader> Describe(const std::string& lease_id,
                                                const std::string& checkpoint_id,
                                                const WakeEvent& quit);

  // Fetches it into `file`, which is made anew. DATA_LOSS: the bytes are not those of the header,
  // each time. INTERNAL: this machine's disk.
  absl::Status DownloadUntilWhole(const std::string& lease_id, const v1::CheckpointHeader& header,
                                  const std::string& file, const WakeEvent& quit);

  // Those of at most 1,000 that no trial can need any more. One try.
  absl::StatusOr<std::vector<std::string>> FindUnneeded(const std::vector<std::string>& ids,
                                                        absl::Duration timeout);

 private:
  absl::StatusOr<std::string> UploadOnce(const Upload& upload, const WakeEvent& quit);
  absl::StatusOr<int64_t> OffsetOf(const Upload& upload, const WakeEvent& quit);
  struct Download;
  absl::Status DownloadOnce(Download* download, const WakeEvent& quit);

  const std::unique_ptr<v1::CheckpointService::Stub> stub_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_CHECKPOINT_CLIENT_H_
