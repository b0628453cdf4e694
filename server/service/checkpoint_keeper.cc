#include "server/service/checkpoint_keeper.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr int kDiskThreads = 4;
// Each holds up to four chunks of a MiB.
constexpr size_t kMostTransfers = 64;
constexpr absl::Duration kIdleLimit = absl::Minutes(1);
constexpr absl::Duration kLookEvery = absl::Seconds(10);

absl::Time Now() { return Clock::Real()->Now(); }

}  // namespace

CheckpointKeeper::Transfer::~Transfer() { keeper_->Leave(this); }

void CheckpointKeeper::Transfer::Await(std::function<void()> start) {
  keeper_->Await(this, std::move(start));
}

void CheckpointKeeper::Transfer::Touch() {
  MutexLock lock(&keeper_->mu_);
  const auto at = keeper_->active_.find(this);
  if (at != keeper_->active_.end()) at->second = Now();
}

CheckpointKeeper::CheckpointKeeper(Engine* engine, CheckpointStore* store)
    : engine_(engine), store_(store), pool_(kDiskThreads) {}

absl::StatusOr<std::unique_ptr<CheckpointKeeper>> CheckpointKeeper::Create(Engine* engine,
                                                                           CheckpointStore* store) {
  std::unique_ptr<CheckpointKeeper> keeper(new CheckpointKeeper(engine, store));
  HV_RETURN_IF_ERROR(keeper->SweepAtStart());
  CheckpointKeeper* const self = keeper.get();
  engine->OnDropped([self](const std::vector<std::string>& dropped) {
    self->store_->Doom(dropped);
    self->Run([self] { self->store_->RemoveDoomed(); });
  });
  self->pool_.PostEvery(kLookEvery, [self] {
    self->CancelIdle();
    self->RemoveAbandonedParts();
  });
  return keeper;
}

absl::Status CheckpointKeeper::SweepAtStart() {
  const Scheduler& scheduler = engine_->scheduler();
  HV_ASSIGN_OR_RETURN(const std::vector<std::string> missing,
                      store_->Sweep(scheduler.NeededCheckpoints(), [&](const LeaseKey& lease) {
                        return scheduler.IsOpen(lease);
                      }));
  for (const std::string& id : missing) {
    spdlog::warn("checkpoint {} is not in {}; its trial goes on from an older one, or from scratch",
                 id, store_->folder());
    engine_->Post(LoseCheckpoint{.checkpoint_id = id},
                  [](const absl::StatusOr<Engine::Reply>&, const Engine::View&) {});
  }
  return absl::OkStatus();
}

// What has come of an upload stays while its lease may go on with it.
void CheckpointKeeper::RemoveAbandonedParts() {
  std::vector<LeaseKey> idle = store_->IdleParts();
  if (idle.empty()) return;
  engine_->PostRead(
      [this, idle = std::move(idle)](const absl::Status& status, const Engine::View& view) {
        if (!status.ok()) return;
        std::vector<LeaseKey> over;
        for (const LeaseKey& lease : idle) {
          if (!view.scheduler.IsOpen(lease)) over.push_back(lease);
        }
        Run([this, over = std::move(over)] {
          for (const LeaseKey& lease : over) store_->RemoveParts(lease);
        });
      });
}

void CheckpointKeeper::CancelIdle() {
  MutexLock lock(&mu_);
  if (waiting_.empty()) return;
  for (const auto& [transfer, last] : active_) {
    if (Now() - last > kIdleLimit) transfer->context_->TryCancel();
  }
}

void CheckpointKeeper::Await(Transfer* transfer, std::function<void()> start) {
  {
    MutexLock lock(&mu_);
    if (active_.size() >= kMostTransfers) {
      waiting_.push_back({transfer, std::move(start)});
      return;
    }
    active_[transfer] = Now();
  }
  start();
}

void CheckpointKeeper::Leave(Transfer* transfer) {
  std::function<void()> next;
  {
    MutexLock lock(&mu_);
    std::erase_if(waiting_,
                  [transfer](const Waiting& waiting) { return waiting.transfer == transfer; });
    if (active_.erase(transfer) == 0 || waiting_.empty()) return;
    active_[waiting_.front().transfer] = Now();
    next = std::move(waiting_.front().start);
    waiting_.pop_front();
  }
  next();
}

}  // namespace halving
