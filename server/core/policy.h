// Policy: where a new trial competes, who is promoted and when, and what may still be earned.
//
// These are rules 3, 4 and 5 of scheduling; everything else is shared by all policies.
#ifndef HALVING_SERVER_CORE_POLICY_H_
#define HALVING_SERVER_CORE_POLICY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "server/core/ladder.h"
#include "server/core/rungs.h"
#include "server/core/spec.h"

namespace halving {

// Where a new trial goes.
struct Placement {
  int64_t round = 0;
  GroupKey group;
};

// A level that is to close, and how many of its finite trials may go on.
struct Closing {
  GroupKey group;
  int rung = 0;
  int64_t promotions = 0;
};

// What hand-outs cost: (trial, rung) pairs, and epochs.
struct Cost {
  int64_t evaluations = 0;
  int64_t epochs = 0;
};

// A policy promotes in one of two ways: by levels, which gather outcomes and close (FullLevel,
// DrainLevels), or one by one, when a worker is free (Promotable, DrainPromotable). What belongs to
// the other way is then empty.
//
// Implementations are immutable: every answer is a function of the arguments.
class Policy {
 public:
  virtual ~Policy() = default;

  // `sampled` trials exist so far.
  virtual Placement Place(int64_t sampled) const = 0;

  // How many trials so many rounds hold.
  virtual int64_t TrialsIn(int64_t rounds) const = 0;

  // One round: for each bracket its rungs from the lowest up, with the trials that each holds.
  virtual std::vector<PlannedRung> Round() const = 0;

  // How many outcomes close the level; 0 where levels never close.
  virtual int64_t SizeOf(int bracket, int rung) const = 0;

  // A level that has gathered all its outcomes, if there is one.
  virtual std::optional<Closing> FullLevel(const RungTable& rungs) const = 0;

  // The levels below the top that have outcomes, lowest first: near a limit, the first of them that
  // can promote anybody closes as it stands.
  virtual std::vector<Closing> DrainLevels(const RungTable& rungs) const = 0;

  // Whether trials are promoted one by one.
  virtual bool OneByOne() const { return false; }

  // The trials that may be promoted now, the one to begin with first.
  virtual std::vector<TrialId> Promotable(const RungTable&) const { return {}; }

  // Those that may be promoted near a limit, because nobody of their level ever was.
  virtual std::vector<TrialId> DrainPromotable(const RungTable&) const { return {}; }

  // Of a level that never closes: the rank from which on trials have so little hope that their
  // checkpoints go. `running` workers may still report there.
  virtual int64_t HopefulRanks(const Level&, int64_t running) const { return running; }

  // What all promotions cost that the trials in `rungs` can still earn, with one trial more at
  // `extra`. `resumed`: a promoted trial starts from its rung's checkpoint, not from scratch.
  virtual Cost EarnablePromotions(const RungTable& rungs, const Placement& extra,
                                  bool resumed) const = 0;

  // Of a spec that is normalised, and its ladder.
  static std::unique_ptr<const Policy> Create(const StudySpec& spec, const RungLadder& ladder);
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_POLICY_H_
