// SchedulerFixture: a Scheduler in a test's hands, with time moved by hand.
#ifndef HALVING_TESTS_SUPPORT_SCHEDULER_FIXTURE_H_
#define HALVING_TESTS_SUPPORT_SCHEDULER_FIXTURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/commands.h"
#include "server/core/events.h"
#include "server/core/scheduler.h"
#include "server/core/spec.h"
#include "server/core/study.h"

namespace halving {

// The study "s" over one parameter, on the ladder 2, 4, 8, 10 epochs with 8, 4, 2, 1 trials: 15
// evaluations and 34 epochs in each round.
StudySpec SmallSpec(const Limits& limits);

// SchedulerFixture carries out commands and keeps what happened. After every command it checks the
// scheduler's invariants, and at its end that a replay of the durable events gives the same state,
// so that each test of a rule is one of the journal too. What says so below fails the test when
// the scheduler refuses. Thread-compatible.
class SchedulerFixture {
 public:
  SchedulerFixture() = default;
  explicit SchedulerFixture(const StudySpec& spec) { Create(spec); }
  explicit SchedulerFixture(const Quotas& quotas) : scheduler_(quotas) {}
  ~SchedulerFixture();
  SchedulerFixture(const SchedulerFixture&) = delete;
  SchedulerFixture& operator=(const SchedulerFixture&) = delete;

  // ---- any command
  absl::StatusOr<Answer> Execute(const Command& command);
  absl::StatusOr<Answer> Report(const Assignment& assignment, const Outcome& outcome);

  // ---- commands that must succeed
  Answer Do(const Command& command);
  void Create(const StudySpec& spec) { Do(CreateStudy{.spec = spec, .fallback_seed = 77}); }
  // With a request id of its own; the worker has no incarnation and takes any objective.
  std::optional<Assignment> AskFor(const std::string& worker);
  std::optional<Assignment> AskWith(Ask ask);  // Gives the ask a request id if it has none.
  // An ask that must get an assignment.
  Assignment Take(const std::string& worker);
  std::vector<Assignment> TakeMany(int count);  // By workers w1, w2, ...
  // With the checkpoint "t<trial>e<epochs>".
  Answer Complete(const Assignment& assignment, double error);
  Answer CompleteWithout(const Assignment& assignment, double error);  // No checkpoint.
  Answer Fail(const Assignment& assignment, bool retryable = true);
  Answer Return(const Assignment& assignment, const std::string& unusable_checkpoint_id = "");
  Answer Progressed(const Assignment& assignment, const Progress& progress = {});

  // ---- time
  void Advance(absl::Duration by) { now_ += by; }
  // Moves time and looks at what is due.
  void AdvanceAndTick(absl::Duration by);
  absl::Time now() const { return now_; }
  // The server dies and starts again from its journal, `downtime` later.
  void Restart(absl::Duration downtime = absl::ZeroDuration());

  // ---- what there is
  const Scheduler& scheduler() const { return scheduler_; }
  const Study& study(const std::string& name = "s") const;
  const Trial& trial(TrialId id) const { return *study().FindTrial(id); }
  TrialState StateOf(TrialId id) const { return study().ShownState(trial(id)); }
  // Results counted, rung by rung, over all groups.
  std::vector<int64_t> Results() const;
  // The trials queued next, with the worker that only looks: asks after a copy of the state.
  std::vector<TrialId> NextTrials(int count) const;
  const std::vector<Event>& events() const { return events_; }
  // Those of the last command, of one kind.
  template <typename T>
  std::vector<T> Last() const {
    std::vector<T> found;
    for (size_t i = last_begin_; i < events_.size(); ++i) {
      if (const T* event = std::get_if<T>(&events_[i])) found.push_back(*event);
    }
    return found;
  }
  // Those of all commands so far.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const Event& event : events_) {
      if (const T* match = std::get_if<T>(&event)) found.push_back(*match);
    }
    return found;
  }

 private:
  Scheduler scheduler_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::vector<Event> events_;
  size_t last_begin_ = 0;
  int asks_ = 0;
};

// A fresh scheduler from the durable ones among `events`.
Scheduler Replay(const std::vector<Event>& events);

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_SCHEDULER_FIXTURE_H_
