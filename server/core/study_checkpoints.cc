// Which checkpoints of a study may still be needed.
//
// While a trial is on its way: the newest inside its rung, one at the rung's end that awaits its
// result, and the one that the rung began from, in case the newer one cannot be read. Once its
// result came in: that one's. When it is over: none, except of the best trials of the study.
#include <algorithm>
#include <cmath>

#include "server/core/checkpoint_id.h"
#include "server/core/study.h"

namespace halving {
namespace {

// Offered ones of an attempt beyond these are as good as superseded: a worker names each soon.
constexpr size_t kMaxOffered = 2;

}  // namespace

template <typename Unneeded>
void Study::DropCheckpoints(Trial& trial, Unneeded unneeded) {
  // What handing it out costs may change with what it can go on from.
  const bool queued = trial.state == TrialState::kQueued;
  if (queued) AddQueuedCharge(trial, -1);
  std::erase_if(trial.checkpoints, [&](const Checkpoint& known) {
    if (!unneeded(known)) return false;
    if (known.stored) {
      dropped_.push_back(known.id);
      checkpoint_bytes_ -= known.bytes;
    }
    return true;
  });
  if (queued) AddQueuedCharge(trial, +1);
}

bool Study::IsNewCheckpoint(const Trial& trial, const std::string& id, int64_t epoch) const {
  if (id.empty() || epoch <= trial.ResumePoint(ladder_.epochs(trial.rung)).epoch) return false;
  // One that was dropped since: its bytes are gone.
  if (IsStoredCheckpointId(id) && trial.FindCheckpoint(id) == nullptr) return false;
  return std::none_of(trial.checkpoints.begin(), trial.checkpoints.end(),
                      [&](const Checkpoint& known) {
                        return known.id == id && known.epoch == epoch && !known.offered;
                      });
}

void Study::InsertCheckpoint(Trial& trial, Checkpoint checkpoint) {
  const auto after = [](int64_t epoch, const Checkpoint& known) { return epoch < known.epoch; };
  trial.checkpoints.insert(
      std::upper_bound(trial.checkpoints.begin(), trial.checkpoints.end(), checkpoint.epoch, after),
      std::move(checkpoint));
}

void Study::AddCheckpoint(Trial& trial, const std::string& id, int64_t epoch) {
  for (Checkpoint& known : trial.checkpoints) {
    if (known.id != id || known.epoch != epoch) continue;
    known.offered = false;
    return;
  }
  InsertCheckpoint(trial, {.id = id, .epoch = epoch});
}

void Study::Apply(const CheckpointStored& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  InsertCheckpoint(trial, {.id = event.checkpoint_id,
                           .epoch = event.epoch,
                           .stored = true,
                           .bytes = event.bytes,
                           .sha256 = event.sha256,
                           .offered = true});
  checkpoint_bytes_ += event.bytes;
  size_t offered = 0;
  for (auto at = trial.checkpoints.rbegin(); at != trial.checkpoints.rend(); ++at) {
    if (!at->offered || ++offered <= kMaxOffered) continue;
    const std::string oldest = at->id;
    DropCheckpoints(trial, [&](const Checkpoint& known) { return known.id == oldest; });
    break;
  }
}

void Study::Apply(const CheckpointLost& event) {
  ++version_;
  ForgetCheckpoint(MutableTrial(event.trial), event.checkpoint_id);
}

void Study::ForgetCheckpoint(Trial& trial, const std::string& id) {
  if (id.empty()) return;
  DropCheckpoints(trial, [&](const Checkpoint& known) { return known.id == id; });
}

// After a report inside the rung has named one.
void Study::DropSuperseded(Trial& trial) {
  const int64_t end = ladder_.epochs(trial.rung);
  const int64_t begin = trial.rung == trial.group.bracket ? 0 : ladder_.epochs(trial.rung - 1);
  // The part of the rung that an epoch is in: of each part the newest counts.
  const auto part = [&](int64_t epoch) { return epoch <= begin ? 0 : epoch < end ? 1 : 2; };
  int64_t named = 0;  // The newest named inside the rung.
  for (const Checkpoint& known : trial.checkpoints) {
    if (!known.offered && part(known.epoch) == 1) named = known.epoch;
  }
  const std::vector<Checkpoint> all = trial.checkpoints;
  DropCheckpoints(trial, [&](const Checkpoint& known) {
    if (known.offered) return known.epoch <= named;
    return std::any_of(all.begin(), all.end(), [&](const Checkpoint& other) {
      return !other.offered && other.epoch > known.epoch && part(other.epoch) == part(known.epoch);
    });
  });
}

// After a result has named one: it replaces all others.
void Study::DropAllBut(Trial& trial, const std::string& id, int64_t epoch) {
  DropCheckpoints(trial,
                  [&](const Checkpoint& known) { return known.id != id || known.epoch != epoch; });
}

// A new attempt: what the one before it uploaded and did not name is nobody's.
void Study::DropOffered(Trial& trial) {
  DropCheckpoints(trial, [](const Checkpoint& known) { return known.offered; });
}

bool Study::IsLive(const Trial& trial) const {
  return !ended() && (trial.state == TrialState::kQueued || trial.state == TrialState::kRunning ||
                      trial.state == TrialState::kWaiting);
}

std::vector<TrialId> Study::BestTrials(size_t count) const {
  std::vector<TrialId> best;
  // The first of each rung is its best; those that diverged come behind the finite ones.
  for (int k = ladder_.top(); k >= 0; --k) {
    auto at = ranking_.lower_bound({-k, -std::numeric_limits<double>::infinity(), 0});
    for (; at != ranking_.end() && std::get<0>(*at) == -k && std::isfinite(std::get<1>(*at));
         ++at) {
      if (best.size() == count) return best;
      best.push_back(std::get<2>(*at));
    }
  }
  return best;
}

std::vector<TrialId> Study::BestTrials() const {
  return BestTrials(static_cast<size_t>(spec_.keep_checkpoints));
}

void Study::ReleaseOver(Trial& trial, const std::vector<TrialId>& best) {
  if (trial.checkpoints.empty() || IsLive(trial)) return;
  if (std::find(best.begin(), best.end(), trial.id) == best.end()) {
    DropCheckpoints(trial, [](const Checkpoint&) { return true; });
  } else {
    DropOffered(trial);
  }
}

// A result came in: the trial itself may be over, and it may have pushed another one out of the
// best ones.
void Study::ReleaseAfterResult(Trial& trial) {
  const auto kept = static_cast<size_t>(spec_.keep_checkpoints);
  std::vector<TrialId> best = BestTrials(kept + 1);
  if (best.size() > kept) {
    Trial& next = MutableTrial(best.back());
    best.pop_back();
    ReleaseOver(next, best);
  }
  ReleaseOver(trial, best);
}

void Study::ReleaseHopeless(GroupKey group, int rung) {
  Level& level = rungs_.Group(group)[rung];
  const int64_t bound = policy_->HopefulRanks(level, static_cast<int64_t>(running_.size()));
  const std::vector<TrialId> best = BestTrials();
  std::vector<Standings::Key> hopeless;
  const std::set<Standings::Key>& hopeful = level.standings.hopeful();
  for (auto at = hopeful.rbegin(); at != hopeful.rend(); ++at) {
    if (level.standings.RankOf(*at) < bound) break;
    if (std::find(best.begin(), best.end(), at->second) == best.end()) hopeless.push_back(*at);
  }
  for (const Standings::Key& key : hopeless) {
    level.standings.GiveUp(key);
    DropCheckpoints(MutableTrial(key.second), [](const Checkpoint&) { return true; });
  }
}

void Study::DropAllCheckpoints() {
  for (Trial& trial : trials_) {
    DropCheckpoints(trial, [](const Checkpoint&) { return true; });
  }
}

}  // namespace halving
