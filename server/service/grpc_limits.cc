#include "server/service/grpc_limits.h"

#include <cstddef>

namespace halving {
namespace {

constexpr int kMaxMetadataBytes = 8 << 10;  // A token and what proxies add.
// Of one connection. gRPC's clients queue what is beyond it.
constexpr int kMaxStreams = 128;
constexpr int kHandshakeTimeoutMs = 10'000;
constexpr int kMaxIdleMs = 5 * 60'000;  // Clients connect again by themselves.
// What a connection with a waiting call needs, measured (docs/performance.md), and what all have
// for messages: gRPC 1.51 looks at a message's size only when it has all of it.
constexpr size_t kBytesPerConnection = 48 << 10;
constexpr size_t kMessagesBytes = size_t{256} << 20;

// gRPC 1.51 inflates a whole message, and looks at its size only then: 4 MiB can become 4 GiB.
void RefuseCompressed(grpc::ServerBuilder* builder) {
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder->SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
}

}  // namespace

void SetLimits(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxReceivedBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
  RefuseCompressed(builder);
}

MemoryLimit::MemoryLimit(grpc::ServerBuilder* builder) : quota_("halving-server") {
  MakeRoomFor(1);
  builder->SetResourceQuota(quota_);
}

void MemoryLimit::MakeRoomFor(int connections) {
  if (connections <= connections_) return;
  connections_ = 2 * connections;
  quota_.Resize(kMessagesBytes + kBytesPerConnection * static_cast<size_t>(connections_));
}

}  // namespace halving
