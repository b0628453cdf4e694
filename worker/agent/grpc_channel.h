// What the worker's connections to the server have in common.
#ifndef HALVING_WORKER_AGENT_GRPC_CHANNEL_H_
#define HALVING_WORKER_AGENT_GRPC_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc_status.h"
#include "common/server_link.h"

namespace halving {

// A connection of its own, made at the first call, and made again whenever it is lost.
inline std::shared_ptr<grpc::Channel> MakeChannel(const ServerLink& link) {
  grpc::ChannelArguments arguments;
  // Channels with equal arguments would share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The server permits a ping each 10 s without calls; more often, and it would cut us off.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A server that was restarted is found within seconds, and one connection attempt into a hole
  // does not hold up the next.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  // Megabytes come in large frames, and without a pause for the sender's window to open.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  // A proxy for the web, named by the environment, does not lead to a server next door.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return link.Open(arguments);
}

// The same in plaintext, without a token.
inline std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  return MakeChannel(ServerLink(address));
}

inline void SetTimeout(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                   gpr_time_from_millis(absl::ToInt64Milliseconds(timeout), GPR_TIMESPAN)));
}

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_GRPC_CHANNEL_H_
