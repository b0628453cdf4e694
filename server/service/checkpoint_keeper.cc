#include "server/service/checkpoint_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr int kDiskThreads = 4;
// Each holds up to four chunks of a MiB.
constexpr size_t kMostTransfers = 64;
constexpr size_t kMostWaiting = 10'000;
constexpr absl::Duration kIdleLimit = absl::Minutes(1);
constexpr absl::Duration kLookEvery = absl::Seconds(10);

}  // namespace

CheckpointKeeper::Transfer::~Transfer() {
  keeper_->Abandon(this);
  keeper_->Leave(this);
}

absl::Status CheckpointKeeper::Transfer::Await(std::function<void()> start) {
  return keeper_->Await(this, std::move(start));
}

bool CheckpointKeeper::Transfer::Abandon() { return keeper_->Abandon(this); }

CheckpointKeeper::CheckpointKeeper(Engine* engine, CheckpointStore* store)
    : engine_(engine), store_(store), pool_(kDiskThreads) {}

absl::StatusOr<std::unique_ptr<CheckpointKeeper>> CheckpointKeeper::Create(Engine* engine,
                                                                           CheckpointStore* store,
                                                                           bool may_forget) {
  std::unique_ptr<CheckpointKeeper> keeper(new CheckpointKeeper(engine, store));
  HV_RETURN_IF_ERROR(keeper->SweepAtStart(may_forget));
  CheckpointKeeper* const self = keeper.get();
  engine->OnDropped([self](const std::vector<std::string>& dropped) { self->Remove(dropped); });
  self->pool_.PostEvery(kLookEvery, [self] {
    self->CancelIdle();
    self->RemoveAbandonedParts();
  });
  return keeper;
}

absl::Status CheckpointKeeper::SweepAtStart(bool may_forget) {
  const Scheduler& scheduler = engine_->scheduler();
  HV_ASSIGN_OR_RETURN(const std::vector<std::string> missing,
                      store_->Sweep(scheduler.NeededCheckpoints(), [&](const LeaseKey& lease) {
                        return scheduler.IsOpen(lease);
                      }));
  if (!missing.empty() && store_->is_newly_made() && !may_forget) {
    store_->Disown();
    return absl::FailedPreconditionError(absl::StrCat(
        missing.size(), " checkpoints that the journal knows are not in ", store_->folder(),
        ", which was never used before; is it the right --checkpoint-dir, and is its disk there? "
        "To go on without them, as after a backup was restored, start with --forget-checkpoints"));
  }
  for (const std::string& id : missing) {
    spdlog::warn("checkpoint {} is not in {}; its trial goes on from an older one, or from scratch",
                 id, store_->folder());
    Lose(id);
  }
  return absl::OkStatus();
}

void CheckpointKeeper::Remove(const std::vector<std::string>& checkpoint_ids) {
  store_->Doom(checkpoint_ids);
  Run([this] { store_->RemoveDoomed(); });
}

void CheckpointKeeper::Lose(const std::string& checkpoint_id) {
  engine_->Post(LoseCheckpoint{.checkpoint_id = checkpoint_id},
                [](const absl::StatusOr<Engine::Reply>&, const Engine::View&) {});
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
  const absl::Time now = Clock::Real()->Now();
  MutexLock lock(&mu_);
  if (waiting_.empty()) return;
  for (const auto& [transfer, since] : idle_since_) {
    if (now - since > kIdleLimit) transfer->context_->TryCancel();
  }
}

void CheckpointKeeper::SetIdleSince(Transfer* transfer, absl::Time since) {
  MutexLock lock(&mu_);
  const auto at = idle_since_.find(transfer);
  if (at != idle_since_.end()) at->second = since;
}

absl::Status CheckpointKeeper::Await(Transfer* transfer, std::function<void()> start) {
  {
    MutexLock lock(&mu_);
    if (waiting_.size() >= kMostWaiting) {
      return absl::UnavailableError(
          absl::StrCat(waiting_.size(), " transfers of checkpoints wait already; try again later"));
    }
    if (idle_since_.size() >= kMostTransfers) {
      waiting_.push_back({transfer, std::move(start)});
      return absl::OkStatus();
    }
    idle_since_[transfer] = absl::InfiniteFuture();
  }
  start();
  return absl::OkStatus();
}

bool CheckpointKeeper::Abandon(Transfer* transfer) {
  MutexLock lock(&mu_);
  return std::erase_if(waiting_, [transfer](const Waiting& waiting) {
           return waiting.transfer == transfer;
         }) > 0;
}

void CheckpointKeeper::Leave(Transfer* transfer) {
  std::function<void()> next;
  {
    MutexLock lock(&mu_);
    if (idle_since_.erase(transfer) == 0 || waiting_.empty()) return;
    idle_since_[waiting_.front().transfer] = absl::InfiniteFuture();
    next = std::move(waiting_.front().start);
    waiting_.pop_front();
  }
  next();
}

}  // namespace halving
