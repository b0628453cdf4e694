// Checkpoint messages through gRPC and nothing else: what a real transfer is compared with.
#ifndef HALVING_BENCH_BARE_STREAM_H_
#define HALVING_BENCH_BARE_STREAM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "halving/v1/checkpoint.grpc.pb.h"

namespace halving {

struct StreamSize {
  int64_t bytes = 0;
  int64_t chunk_bytes = 0;  // Of all messages but the last.
};

// Serves Upload, which drops what comes, and Download, which sends `size` from memory, on a free
// port of 127.0.0.1, until a signal ends the process. Says "listening on HOST:PORT," on stderr.
// Returns only if it cannot serve.
absl::Status ServeBare(const StreamSize& size);

// Streams `size` from memory to a server, and waits for its answer.
absl::Status UploadBare(v1::CheckpointService::Stub* stub, const StreamSize& size);

// Streams from a server and drops what comes. DATA_LOSS when that is not `size`.
absl::Status DownloadBare(v1::CheckpointService::Stub* stub, const StreamSize& size);

}  // namespace halving

#endif  // HALVING_BENCH_BARE_STREAM_H_
