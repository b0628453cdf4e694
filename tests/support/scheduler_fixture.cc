#include "tests/support/scheduler_fixture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {

StudySpec SmallSpec(const Limits& limits) {
  return {.name = "s",
          .objective = "lenet",
          .parameters = {{"x", FloatRange{0, 1}}},
          .halving = {.min_epochs = 2, .max_epochs = 10, .eta = 2},
          .limits = limits,
          .lease = absl::Seconds(60),
          .seed = 1};
}

Scheduler Replay(const std::vector<Event>& events) {
  Scheduler scheduler;
  for (const Event& event : events) {
    if (IsDurable(event)) scheduler.Apply(event);
  }
  return scheduler;
}

SchedulerFixture::~SchedulerFixture() {
  EXPECT_EQ(Replay(events_).DebugString(), scheduler_.DebugString())
      << "a replay of the journal must give the same state";
}

absl::StatusOr<Answer> SchedulerFixture::Execute(const Command& command) {
  last_begin_ = events_.size();
  absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &events_);
  EXPECT_THAT(scheduler_.CheckInvariants(), IsOk());
  return answer;
}

absl::StatusOr<Answer> SchedulerFixture::Report(const Assignment& assignment,
                                                const Outcome& outcome) {
  return Execute(halving::Report{.lease = assignment.lease, .outcome = outcome});
}

Answer SchedulerFixture::Do(const Command& command) {
  absl::StatusOr<Answer> answer = Execute(command);
  EXPECT_THAT(answer, IsOk());
  return answer.ok() ? *std::move(answer) : Answer{};
}

std::optional<Assignment> SchedulerFixture::AskFor(const std::string& worker) {
  return AskWith(Ask{.worker = worker});
}

std::optional<Assignment> SchedulerFixture::AskWith(Ask ask) {
  if (ask.request_id.empty()) ask.request_id = absl::StrCat("ask", ++asks_);
  return Do(ask).assignment;
}

Assignment SchedulerFixture::Take(const std::string& worker) {
  std::optional<Assignment> assignment = AskFor(worker);
  EXPECT_TRUE(assignment.has_value()) << worker << " got nothing";
  return assignment.value_or(Assignment{});
}

std::vector<Assignment> SchedulerFixture::TakeMany(int count) {
  std::vector<Assignment> taken;
  for (int i = 1; i <= count; ++i) taken.push_back(Take(absl::StrCat("w", i)));
  return taken;
}

Answer SchedulerFixture::Complete(const Assignment& assignment, double error) {
  const std::string id = absl::StrCat("t", assignment.lease.trial, "e", assignment.to_epoch);
  return Do(halving::Report{.lease = assignment.lease,
                            .outcome = Completed{.error = error, .checkpoint_id = id}});
}

Answer SchedulerFixture::CompleteWithout(const Assignment& assignment, double error) {
  return Do(halving::Report{.lease = assignment.lease, .outcome = Completed{.error = error}});
}

Answer SchedulerFixture::Fail(const Assignment& assignment, bool retryable) {
  return Do(halving::Report{.lease = assignment.lease,
                            .outcome = Failed{.reason = "out of memory", .retryable = retryable}});
}

Answer SchedulerFixture::Return(const Assignment& assignment,
                                const std::string& unusable_checkpoint_id) {
  return Do(halving::Report{
      .lease = assignment.lease,
      .outcome = Returned{.reason = "leaving", .unusable_checkpoint_id = unusable_checkpoint_id}});
}

Answer SchedulerFixture::Progressed(const Assignment& assignment, const Progress& progress) {
  return Do(halving::Report{.lease = assignment.lease, .outcome = progress});
}

void SchedulerFixture::AdvanceAndTick(absl::Duration by) {
  Advance(by);
  Do(Tick{});
}

void SchedulerFixture::Restart(absl::Duration downtime) {
  now_ += downtime;
  Scheduler fresh = Replay(events_);
  EXPECT_EQ(fresh.DebugString(), scheduler_.DebugString());
  scheduler_ = std::move(fresh);
  scheduler_.Recover(now_);
}

const Study& SchedulerFixture::study(const std::string& name) const {
  const Study* study = scheduler_.FindStudy(name);
  // A test that asks for a study which is not there cannot go on.
  if (study == nullptr) std::abort();
  return *study;
}

std::vector<int64_t> SchedulerFixture::Results() const {
  std::vector<int64_t> results;
  for (const Level& level : study().rungs().closed()) results.push_back(level.reported);
  for (const auto& [key, levels] : study().rungs().groups()) {
    for (size_t k = 0; k < levels.size(); ++k) results[k] += levels[k].reported;
  }
  return results;
}

std::vector<TrialId> SchedulerFixture::NextTrials(int count) const {
  Scheduler copy = Replay(events_);
  copy.Recover(now_);
  std::vector<TrialId> trials;
  std::vector<Event> ignored;
  for (int i = 0; i < count; ++i) {
    const Ask ask = {.worker = "onlooker", .request_id = absl::StrCat("look", i)};
    const absl::StatusOr<Answer> answer = copy.Execute(ask, now_, &ignored);
    if (!answer.ok() || !answer->assignment.has_value()) break;
    trials.push_back(answer->assignment->lease.trial);
  }
  return trials;
}

}  // namespace halving
