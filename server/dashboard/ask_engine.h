// AskEngine: a look at the scheduler by a thread that may wait for it.
#ifndef HALVING_SERVER_DASHBOARD_ASK_ENGINE_H_
#define HALVING_SERVER_DASHBOARD_ASK_ENGINE_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"

namespace halving {

// How long a page waits for the engine: a busy one answers within milliseconds.
inline constexpr absl::Duration kEnginePatience = absl::Seconds(10);

// What `look` makes of a view, by who has the engine's turn: keep it short, it delays everybody.
// `look` must own what it uses, since it may run after this has returned UNAVAILABLE: no answer
// within kEnginePatience, or the engine's own refusal.
template <typename Result>
absl::StatusOr<Result> AskEngine(Engine* engine,
                                 std::function<absl::StatusOr<Result>(const Engine::View&)> look) {
  struct Asked {
    absl::Notification done;
    absl::StatusOr<Result> result;
  };
  auto asked = std::make_shared<Asked>();
  engine->PostRead(
      [asked, look = std::move(look)](const absl::Status& status, const Engine::View& view) {
        if (status.ok()) {
          asked->result = look(view);
        } else {
          asked->result = status;
        }
        asked->done.Notify();
      });
  if (!asked->done.WaitForNotificationWithTimeout(kEnginePatience)) {
    return absl::UnavailableError("the server did not answer in time; try again later");
  }
  return std::move(asked->result);
}

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_ASK_ENGINE_H_
