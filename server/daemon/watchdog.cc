#include "server/daemon/watchdog.h"

#include <string>

#include "absl/status/status.h"
#include "common/clock.h"
#include "spdlog/spdlog.h"

namespace halving {

Watchdog::Watchdog(Engine* engine, const SdNotifier& manager) : engine_(engine), manager_(manager) {
  if (!manager.watchdog().has_value()) return;
  thread_ = std::thread([this, every = *manager.watchdog() / 2] { Loop(every); });
}

Watchdog::~Watchdog() {
  {
    MutexLock lock(&state_->mu);
    state_->quit = true;
    state_->changed.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Loop(absl::Duration every) {
  for (;;) {
    const absl::Time begin = Clock::Real()->Now();
    if (!AwaitAnswer()) return;
    if (const absl::Status said = manager_.Watchdog(); !said.ok()) {
      spdlog::warn("{}", std::string(said.message()));
    }
    if (!PauseUntil(begin + every)) return;
  }
}

bool Watchdog::AwaitAnswer() {
  engine_->PostRead([state = state_](const absl::Status&, const Engine::View&) {
    MutexLock lock(&state->mu);
    state->answered = true;
    state->changed.NotifyAll();
  });
  MutexLock lock(&state_->mu);
  while (!state_->answered && !state_->quit) state_->changed.Wait(&state_->mu);
  state_->answered = false;
  return !state_->quit;
}

bool Watchdog::PauseUntil(absl::Time time) {
  MutexLock lock(&state_->mu);
  while (!state_->quit) {
    const absl::Duration left = time - Clock::Real()->Now();
    if (left <= absl::ZeroDuration()) return true;
    state_->changed.WaitFor(&state_->mu, left);
  }
  return false;
}

}  // namespace halving
