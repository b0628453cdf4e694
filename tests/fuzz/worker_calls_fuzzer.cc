// Sequences of calls against the core, with time between them: what workers, people and restarts
// may do in any order, right or wrong. After each call the rules hold, the scheduler is sound, and
// its durable events alone give the same state; at the end patient workers bring every study to its
// own.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "server/core/scheduler.h"
#include "tests/support/history_checker.h"

namespace halving {
namespace {

constexpr int kMaxCalls = 100;
constexpr int kMaxStudies = 2;
constexpr int kPatience = 3000;  // Calls that the last studies may take to end.

bool IsKnownRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsAlreadyExists(status) || absl::IsFailedPrecondition(status);
}

// Run is one sequence of calls.
class Run {
 public:
  explicit Run(FuzzedDataProvider& data) : data_(data) {}

  void All() {
    for (int i = 0; i < kMaxStudies; ++i) Call(Create());
    for (int i = 0; i < kMaxCalls && data_.remaining_bytes() > 0; ++i) Step();
    CheckReplay();
    FinishAll();
    CheckReplay();
  }

 private:
  // ---- the calls
  void Step();
  Command Create();
  Limits SmallLimits();
  std::string StudyName() {
    return absl::StrCat("s", data_.ConsumeIntegralInRange(1, kMaxStudies));
  }
  Command People();
  Command NextAsk();
  Command NextReport();
  Outcome NextOutcome(const Assignment& assignment);
  std::vector<CurvePoint> Points(const Assignment& assignment);
  int64_t Epoch(const Assignment& assignment);
  double Error();
  std::string CheckpointId() { return absl::StrCat("c", data_.ConsumeIntegralInRange(0, 5)); }

  // ---- time
  void MoveTime();
  void Restart();

  // ---- what must hold
  void Call(Command command);
  Scheduler CheckReplay() const;
  absl::StatusOr<Answer> Execute(const Command& command);
  void CheckRepeat(const Command& command, const absl::StatusOr<Answer>& first);
  void FinishAll();
  bool AllEnded() const;

  FuzzedDataProvider& data_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Scheduler scheduler_;
  HistoryChecker checker_;
  std::vector<Event> durable_;
  std::vector<Event> fresh_;  // Of the newest call.
  std::vector<Command> calls_;
  std::vector<Assignment> assignments_;
};

// ---- the calls

Limits Run::SmallLimits() {
  Limits limits;
  const auto kinds = data_.ConsumeIntegral<uint8_t>();
  if (kinds & 1) limits.max_evaluations = data_.ConsumeIntegralInRange(1, 30);
  if (kinds & 2) limits.max_total_epochs = data_.ConsumeIntegralInRange(1, 90);
  if (kinds & 4) limits.max_rounds = data_.ConsumeIntegralInRange(1, 2);
  if (kinds & 8) limits.max_wall_time = absl::Seconds(data_.ConsumeIntegralInRange(1, 900));
  if (kinds & 16) limits.target_error = data_.ConsumeIntegralInRange(-2, 10) / 10.0;
  return limits;
}

Command Run::Create() {
  StudySpec spec = {.name = StudyName(),
                    .objective = data_.ConsumeBool() ? "lenet" : "other",
                    .parameters = {{"x", FloatRange{0, 1}}},
                    .limits = SmallLimits(),
                    .lease = absl::Seconds(data_.ConsumeIntegralInRange(0, 90)),
                    .seed = data_.ConsumeIntegralInRange<uint64_t>(0, 3)};
  spec.initial_configs.assign(data_.ConsumeIntegralInRange<size_t>(0, 2), {{"x", 0.5}});
  spec.halving.min_epochs = data_.ConsumeIntegralInRange(1, 4);
  spec.halving.max_epochs = data_.ConsumeIntegralInRange(1, 9);
  spec.halving.eta = data_.ConsumeIntegralInRange(2, 4);
  spec.halving.prefactor = data_.ConsumeIntegralInRange(1, 6) / 4.0;
  spec.max_attempts = data_.ConsumeIntegralInRange(0, 3);
  if (data_.ConsumeBool()) spec.policy = PolicyKind::kHalvingPerRound;
  return CreateStudy{.spec = std::move(spec), .fallback_seed = 77};
}

Command Run::People() {
  switch (data_.ConsumeIntegralInRange(0, 6)) {
    case 0:
      return PauseStudy{.name = StudyName()};
    case 1:
      return ResumeStudy{.name = StudyName()};
    case 2:
      return StopStudy{.name = StudyName()};
    case 3:
      return DeleteStudy{.name = StudyName()};
    case 4:
      return Create();
    default:
      return ExtendStudy{.name = StudyName(), .limits = SmallLimits()};
  }
}

Command Run::NextAsk() {
  Ask ask = {.worker = absl::StrCat("w", data_.ConsumeIntegralInRange(0, 3))};
  // Some request ids and incarnations come again, from another process even.
  ask.request_id = absl::StrCat("r", data_.ConsumeBool() ? data_.ConsumeIntegralInRange(0, 3)
                                                         : static_cast<int>(calls_.size()) + 10);
  const int life = data_.ConsumeIntegralInRange(0, 3);
  if (life > 0) ask.incarnation = absl::StrCat("life", life);
  if (data_.ConsumeIntegralInRange(0, 7) == 0) ask.objectives = {"other"};
  return ask;
}

double Run::Error() {
  constexpr double kOdd[] = {
      std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
      -std::numeric_limits<double>::infinity(), -0.0, std::numeric_limits<double>::max()};
  const int choice = data_.ConsumeIntegralInRange(0, 15);
  return choice < 5 ? kOdd[choice] : choice / 16.0;
}

// Mostly one that the attempt trains, or just outside.
int64_t Run::Epoch(const Assignment& assignment) {
  if (data_.ConsumeIntegralInRange(0, 15) == 0) return data_.ConsumeIntegral<int64_t>();
  return data_.ConsumeIntegralInRange(assignment.from_epoch, assignment.to_epoch + 1);
}

std::vector<CurvePoint> Run::Points(const Assignment& assignment) {
  std::vector<CurvePoint> points;
  const int count = data_.ConsumeIntegralInRange(0, 3);
  for (int i = 0; i < count; ++i) points.push_back({Epoch(assignment), Error()});
  return points;
}

Outcome Run::NextOutcome(const Assignment& assignment) {
  switch (data_.ConsumeIntegralInRange(0, 7)) {
    case 0:
      return Failed{.reason = "out of memory", .retryable = data_.ConsumeBool()};
    case 1:
      return Returned{.reason = "leaving",
                      .unusable_checkpoint_id =
                          data_.ConsumeBool() ? assignment.checkpoint_id : CheckpointId()};
    case 2:
    case 3: {
      Progress progress{.points = Points(assignment)};
      if (data_.ConsumeBool()) progress.checkpoint_id = CheckpointId();
      progress.checkpoint_epoch = Epoch(assignment);
      return progress;
    }
    default:
      Completed completed{.error = Error(), .points = Points(assignment)};
      if (data_.ConsumeBool()) completed.checkpoint_id = CheckpointId();
      if (data_.ConsumeBool()) completed.metrics = {{"m", Error()}};
      return completed;
  }
}

// On any lease that was ever handed out, and now and then on one that was not.
Command Run::NextReport() {
  Assignment assignment{.lease = {.study = 1, .trial = 1, .attempt = 1}, .to_epoch = 2};
  if (!assignments_.empty()) {
    const size_t back =
        data_.ConsumeIntegralInRange<size_t>(0, std::min<size_t>(assignments_.size() - 1, 7));
    assignment = assignments_[assignments_.size() - 1 - back];
  }
  Report report{.lease = assignment.lease, .outcome = NextOutcome(assignment)};
  switch (data_.ConsumeIntegralInRange(0, 31)) {
    case 0:
      report.lease.attempt += data_.ConsumeIntegralInRange(-2, 2);
      break;
    case 1:
      report.lease.trial += data_.ConsumeIntegralInRange(-2, 2);
      break;
    case 2:
      report.lease.study += data_.ConsumeIntegralInRange(-2, 2);
      break;
    default:
      break;
  }
  return report;
}

void Run::Step() {
  switch (data_.ConsumeIntegralInRange(0, 15)) {
    case 0:
      return MoveTime();
    case 1:
      return Call(Tick{.paused_for = absl::Seconds(data_.ConsumeIntegralInRange(0, 30))});
    case 2:
      return Call(People());
    case 3:
      return Restart();
    case 4:
    case 5:  // A message that comes in again, whenever.
      if (calls_.empty()) return;
      return Call(calls_[data_.ConsumeIntegralInRange<size_t>(0, calls_.size() - 1)]);
    case 6:
    case 7:
    case 8:
    case 9:
      return Call(NextAsk());
    default:
      return Call(NextReport());
  }
}

// ---- time

void Run::MoveTime() {
  constexpr absl::Duration kSteps[] = {
      absl::Nanoseconds(1), absl::Milliseconds(1), absl::Seconds(1),       absl::Seconds(5),
      absl::Seconds(59),    absl::Minutes(1),      absl::Minutes(10),      absl::Hours(1),
      absl::Hours(25),      absl::Seconds(90),     absl::Milliseconds(999)};
  now_ += data_.PickValueInArray(kSteps);
  // To the edge of what is due, or one step short of it.
  const absl::Time due = scheduler_.NextDue();
  if (due > now_ && due < absl::InfiniteFuture() && data_.ConsumeBool()) {
    now_ = due - absl::Nanoseconds(data_.ConsumeIntegralInRange(0, 1));
  }
}

// The server dies and starts from its journal. The wall clock may have been set back meanwhile.
void Run::Restart() {
  now_ += absl::Seconds(data_.ConsumeIntegralInRange(-120, 120));
  scheduler_ = CheckReplay();
  scheduler_.Recover(now_);
}

// ---- what must hold

// What the journal alone gives, which must be what there is.
Scheduler Run::CheckReplay() const {
  Scheduler replayed;
  for (const Event& event : durable_) replayed.Apply(event);
  HV_CHECK(replayed.DebugString() == scheduler_.DebugString())
      << "the journal gives\n"
      << replayed.DebugString() << "\nnot\n"
      << scheduler_.DebugString();
  return replayed;
}

absl::StatusOr<Answer> Run::Execute(const Command& command) {
  fresh_.clear();
  absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &fresh_);
  HV_CHECK(answer.ok() || IsKnownRefusal(answer.status())) << answer.status();
  const absl::Status kept = checker_.CheckAll(fresh_);
  HV_CHECK(kept.ok()) << kept << "\n" << scheduler_.DebugString();
  const absl::Status sound = scheduler_.CheckInvariants();
  HV_CHECK(sound.ok()) << sound << "\n" << scheduler_.DebugString();
  for (const Event& event : fresh_) {
    if (IsDurable(event)) durable_.push_back(event);
  }
  if (answer.ok() && answer->assignment.has_value()) assignments_.push_back(*answer->assignment);
  return answer;
}

void Run::Call(Command command) {
  const absl::StatusOr<Answer> answer = Execute(command);
  if (data_.ConsumeBool()) CheckRepeat(command, answer);
  calls_.push_back(std::move(command));
}

// The same call again at once: the same answer, and nothing more happens.
void Run::CheckRepeat(const Command& command, const absl::StatusOr<Answer>& first) {
  const absl::StatusOr<Answer> second = Execute(command);
  for (const Event& event : fresh_) {
    HV_CHECK(!IsDurable(event)) << "a repeat made an event of kind " << event.index();
  }
  // What people ask for may have ended the study or deleted it, which the repeat then finds.
  const bool of_worker =
      std::holds_alternative<Ask>(command) || std::holds_alternative<Report>(command);
  HV_CHECK(!of_worker || first.status().code() == second.status().code())
      << first.status() << ", then " << second.status();
  if (!of_worker || !first.ok()) return;
  HV_CHECK(first->assignment.has_value() == second->assignment.has_value());
  HV_CHECK(!first->assignment.has_value() || first->assignment->lease == second->assignment->lease);
  const auto* report = std::get_if<Report>(&command);
  if (report == nullptr || std::holds_alternative<Progress>(report->outcome)) return;
  HV_CHECK(second->duplicate) << "a result was counted twice";
}

bool Run::AllEnded() const {
  for (const auto& [uid, study] : scheduler_.studies()) {
    if (!study->ended()) return false;
  }
  return true;
}

// Every study ends when people let it run, its workers are gone and one patient worker comes.
void Run::FinishAll() {
  for (int i = 1; i <= kMaxStudies; ++i) (void)Execute(ResumeStudy{.name = absl::StrCat("s", i)});
  now_ += absl::Hours(25);
  for (int i = 0; !AllEnded(); ++i) {
    HV_CHECK(i < kPatience) << "a study does not end:\n" << scheduler_.DebugString();
    now_ += absl::Seconds(1);
    const absl::StatusOr<Answer> answer =
        Execute(Ask{.worker = "patient", .request_id = absl::StrCat("p", i)});
    HV_CHECK(answer.ok()) << answer.status();
    if (!answer->assignment.has_value()) continue;
    const Completed best{.error = -1.0 * i, .checkpoint_id = "end"};
    const absl::StatusOr<Answer> done =
        Execute(Report{.lease = answer->assignment->lease, .outcome = best});
    HV_CHECK(done.ok()) << done.status();
  }
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  halving::Run(provider).All();
  return 0;
}
