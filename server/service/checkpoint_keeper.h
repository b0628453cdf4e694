// CheckpointKeeper: what the checkpoint calls share.
#ifndef HALVING_SERVER_SERVICE_CHECKPOINT_KEEPER_H_
#define HALVING_SERVER_SERVICE_CHECKPOINT_KEEPER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/thread_pool.h"
#include "grpcpp/server_context.h"
#include "server/engine/engine.h"
#include "server/store/checkpoint_store.h"

namespace halving {

// Joins the engine, which knows the checkpoints that trials may need, with the store, which has
// their bytes: removes what is not needed any more, runs what blocks on the disk, and lets only so
// many transfers run at a time, so that memory stays flat however many workers come at once.
// Thread-safe.
class CheckpointKeeper {
 public:
  // To be made before the engine's Start(): looks through the store, and has the engine forget what
  // is missing there. FAILED_PRECONDITION when that folder was never used before, so that it may be
  // the wrong one, unless `may_forget`. Neither is owned; both must outlive it.
  static absl::StatusOr<std::unique_ptr<CheckpointKeeper>> Create(Engine* engine,
                                                                  CheckpointStore* store,
                                                                  bool may_forget);

  Engine* engine() const { return engine_; }
  CheckpointStore* store() const { return store_; }

  // Runs a task that blocks on the disk.
  void Run(std::function<void()> task) { pool_.Post(std::move(task)); }

  // Has files that nobody needs any more removed. Does not block.
  void Remove(const std::vector<std::string>& checkpoint_ids);
  // Has the engine forget one whose file is gone.
  void Lose(const std::string& checkpoint_id);

  // A transfer that waits for its turn or has it. One whose peer does nothing for a minute is
  // cancelled, since others wait.
  class Transfer {
   public:
    Transfer(CheckpointKeeper* keeper, grpc::CallbackServerContext* context)
        : keeper_(keeper), context_(context) {}
    // Gives the turn to the next one.
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    // Calls `start` when it is this one's turn. UNAVAILABLE: too many wait.
    absl::Status Await(std::function<void()> start);
    // Whether it was still waiting; it does not any more.
    bool Abandon();
    // From now on it waits for its peer, or for nobody but this server.
    void AwaitPeer() { keeper_->SetIdleSince(this, Clock::Real()->Now()); }
    void Work() { keeper_->SetIdleSince(this, absl::InfiniteFuture()); }

   private:
    friend class CheckpointKeeper;
    CheckpointKeeper* const keeper_;
    grpc::CallbackServerContext* const context_;
  };

  // Runs what was posted. No call may be under way.
  void Stop() { pool_.Stop(); }

 private:
  CheckpointKeeper(Engine* engine, CheckpointStore* store);

  absl::Status SweepAtStart(bool may_forget);
  void RemoveAbandonedParts();
  void CancelIdle() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Await(Transfer* transfer, std::function<void()> start) ABSL_LOCKS_EXCLUDED(mu_);
  bool Abandon(Transfer* transfer) ABSL_LOCKS_EXCLUDED(mu_);
  void SetIdleSince(Transfer* transfer, absl::Time since) ABSL_LOCKS_EXCLUDED(mu_);
  void Leave(Transfer* transfer) ABSL_LOCKS_EXCLUDED(mu_);

  Engine* const engine_;
  CheckpointStore* const store_;
  ThreadPool pool_;

  struct Waiting {
    Transfer* transfer = nullptr;
    std::function<void()> start;
  };
  Mutex mu_;
  // Of those that have their turn: since when their peers are waited for; InfiniteFuture: they are
  // not.
  absl::btree_map<Transfer*, absl::Time> idle_since_ ABSL_GUARDED_BY(mu_);
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CHECKPOINT_KEEPER_H_
