// EngineObserver: who wants to know what the engine has written down.
#ifndef HALVING_SERVER_ENGINE_ENGINE_OBSERVER_H_
#define HALVING_SERVER_ENGINE_ENGINE_OBSERVER_H_

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/core/events.h"

namespace halving {

// Is told by who has the engine's turn; must not block, nor call the engine.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;

  // These durable events have reached the disk, in their order, by one commit that took so long.
  // Those who wait for an answer are told after this.
  virtual void OnCommitted(absl::Span<const Event> events, absl::Duration took) = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_ENGINE_ENGINE_OBSERVER_H_
