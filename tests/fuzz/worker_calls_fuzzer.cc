// Sequences of calls against the core, with time between them: what workers, people and restarts
// may do in any order, right or wrong. After each call the rules hold, the scheduler is sound, and
// its durable events alone give the same state; at the end patient workers bring every study to its
// own.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
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
constexpr int kMaxWorkers = 5;
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
  void Evaluate();
  Command NextCall(int choice);
  Command Create();
  Limits SmallLimits();
  void GiveSpace(StudySpec* spec, NamedConfig* config);
  std::string StudyName() {
    return absl::StrCat("s", data_.ConsumeIntegralInRange(1, kMaxStudies));
  }
  Command People();
  int Worker() { return data_.ConsumeIntegralInRange(0, kMaxWorkers - 1); }
  Command NextAsk(int worker);
  Assignment SomeAssignment();
  Command NextReport();
  Outcome NextOutcome(const Assignment& assignment);
  std::vector<CurvePoint> Points(const Assignment& assignment);
  int64_t Epoch(const Assignment& assignment);
  double Error();
  // One that a worker keeps, or one of the server's, of any trial.
  std::string CheckpointId() {
    const int choice = data_.ConsumeIntegralInRange(0, 9);
    if (choice < 5 || files_.empty()) return absl::StrCat("c", choice);
    return *std::next(files_.begin(),
                      data_.ConsumeIntegralInRange<int>(0, static_cast<int>(files_.size()) - 1));
  }
  Command Store();

  // ---- time
  void MoveTime();
  void Restart();

  // ---- what must hold
  Answer Call(Command command);  // An empty one when it was refused.
  void CheckReport(const Report& report, const absl::StatusOr<Answer>& answer);
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
  int lives_[kMaxWorkers] = {};
  std::vector<Assignment> assignments_;
  std::set<std::string> files_;  // Of checkpoints, on the server.
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
  if (kinds & 32) {
    limits.no_improvement = {.trials = data_.ConsumeIntegralInRange(1, 5),
                             .delta = data_.ConsumeIntegralInRange(0, 3) / 10.0};
  }
  return limits;
}

// Of infinitely many configs, of three, or with a parameter that does not always exist; and one of
// its configs.
void Run::GiveSpace(StudySpec* spec, NamedConfig* config) {
  switch (data_.ConsumeIntegralInRange(0, 3)) {
    case 0:
      spec->parameters = {{"n", IntRange{.min = 1, .max = 3}, {}}};
      *config = {{"n", 2.0}};
      break;
    case 1:
      spec->parameters = {{"c", Choice{{std::string("a"), std::string("b")}}, {}},
                          {"x", FloatRange{0, 1}, {{"c", {std::string("a")}}}}};
      *config = {{"c", std::string("b")}};
      break;
    default:
      spec->parameters = {{"x", FloatRange{0, 1}, {}}};
      *config = {{"x", 0.5}};
  }
}

Command Run::Create() {
  StudySpec spec = {.name = StudyName(),
                    .objective = data_.ConsumeBool() ? "lenet" : "other",
                    .limits = SmallLimits(),
                    .lease = absl::Seconds(data_.ConsumeIntegralInRange(0, 90)),
                    .seed = data_.ConsumeIntegralInRange<uint64_t>(0, 3)};
  NamedConfig config;
  GiveSpace(&spec, &config);
  spec.initial_configs.assign(data_.ConsumeIntegralInRange<size_t>(0, 2), config);
  if (data_.ConsumeIntegralInRange(0, 7) == 0) spec.warm_start.study = StudyName();
  spec.halving.min_epochs = data_.ConsumeIntegralInRange(1, 3);
  spec.halving.max_epochs = data_.ConsumeIntegralInRange(1, 6);
  spec.halving.eta = data_.ConsumeIntegralInRange(2, 4);
  spec.halving.prefactor = data_.ConsumeIntegralInRange(2, 6) / 4.0;
  spec.max_attempts = data_.ConsumeIntegralInRange(0, 3);
  spec.keep_checkpoints = data_.ConsumeIntegralInRange(0, 3);
  spec.policy = static_cast<PolicyKind>(data_.ConsumeIntegralInRange(1, 5));
  spec.searcher = static_cast<SearcherKind>(data_.ConsumeIntegralInRange(1, 5));
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

// Mostly a process that goes on; some request ids and incarnations come again, wherever they were.
Command Run::NextAsk(int worker) {
  Ask ask = {.worker = absl::StrCat("w", worker), .request_id = absl::StrCat("r", calls_.size())};
  switch (data_.ConsumeIntegralInRange(0, 15)) {
    case 0:
      ++lives_[worker];
      break;
    case 1:
      ask.incarnation = absl::StrCat("life", data_.ConsumeIntegralInRange(0, 3));
      return ask;
    case 2:
      ask.request_id = absl::StrCat("r", data_.ConsumeIntegralInRange<size_t>(0, calls_.size()));
      break;
    case 3:
      ask.objectives = {"other"};
      break;
    case 4:
      return ask;  // Of a worker that has no incarnations.
    default:
      break;
  }
  ask.incarnation = absl::StrCat("life", lives_[worker]);
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
  switch (data_.ConsumeIntegralInRange(0, 15)) {
    case 0:
    case 1:
      return Failed{.reason = "out of memory",
                    .retryable = data_.ConsumeBool(),
                    .out_of_memory = data_.ConsumeBool()};
    case 2:
      return Returned{.reason = "leaving"};
    case 3:
      return Returned{.reason = "cannot be read",
                      .unusable_checkpoint_id =
                          data_.ConsumeBool() ? assignment.checkpoint_id : CheckpointId()};
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: {
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

// Of a trial that runs, or any lease that was ever handed out.
Assignment Run::SomeAssignment() {
  std::vector<Assignment> running;
  for (const auto& [uid, study] : scheduler_.studies()) {
    for (const auto& [start, id] : study->running()) {
      running.push_back(study->Describe(*study->FindTrial(id)));
    }
  }
  const std::vector<Assignment>& from =
      running.empty() || data_.ConsumeIntegralInRange(0, 3) == 0 ? assignments_ : running;
  if (from.empty()) return {.lease = {.study = 1, .trial = 1, .attempt = 1}, .to_epoch = 2};
  return from[data_.ConsumeIntegralInRange<size_t>(0, from.size() - 1)];
}

// Now and then on a lease that never was.
Command Run::NextReport() {
  const Assignment assignment = SomeAssignment();
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

Command Run::Store() {
  const Assignment assignment = SomeAssignment();
  return StoreCheckpoint{.lease = assignment.lease,
                         .epoch = Epoch(assignment),
                         .bytes = 1,
                         .sha256 = std::string(32, data_.ConsumeIntegral<char>())};
}

// A worker that does all as it should, so that a few bytes get somewhere.
void Run::Evaluate() {
  const Answer answer = Call(NextAsk(Worker()));
  if (!answer.assignment.has_value()) return;
  Completed completed{.error = Error()};
  if (data_.ConsumeIntegralInRange(0, 3) > 0) completed.checkpoint_id = CheckpointId();
  Call(Report{.lease = answer.assignment->lease, .outcome = completed});
}

void Run::Step() {
  const int choice = data_.ConsumeIntegralInRange(0, 31);
  if (choice < 3) return MoveTime();
  if (choice < 4) return Restart();
  if (choice < 11) return Evaluate();
  Call(NextCall(choice));
}

Command Run::NextCall(int choice) {
  if (choice < 12) return Tick{.paused_for = absl::Seconds(data_.ConsumeIntegralInRange(0, 30))};
  if (choice < 13) return People();
  if (choice < 15 && !calls_.empty()) {  // A message that comes in again, whenever.
    return calls_[data_.ConsumeIntegralInRange<size_t>(0, calls_.size() - 1)];
  }
  if (choice < 17) return Store();
  if (choice < 18) return LoseCheckpoint{.checkpoint_id = CheckpointId()};
  if (choice < 23) return NextAsk(Worker());
  return NextReport();
}

// ---- time

void Run::MoveTime() {
  constexpr absl::Duration kSteps[] = {
      absl::Nanoseconds(1), absl::Milliseconds(999), absl::Seconds(1),  absl::Seconds(5),
      absl::Seconds(5),     absl::Seconds(10),       absl::Seconds(20), absl::Seconds(30),
      absl::Seconds(59),    absl::Seconds(60),       absl::Minutes(10), absl::Hours(25)};
  now_ += data_.PickValueInArray(kSteps);
  // To where the next lease ends, or one step short of it.
  const absl::Time due = scheduler_.leases().NextDeadline();
  if (due > now_ && due < absl::InfiniteFuture() && data_.ConsumeBool()) {
    now_ = due - absl::Nanoseconds(data_.ConsumeIntegralInRange(0, 1));
  }
}

// The server dies and starts from its journal. The wall clock may have been set back meanwhile.
void Run::Restart() {
  now_ += absl::Seconds(data_.ConsumeIntegralInRange(-120, 120));
  scheduler_ = CheckReplay();
  scheduler_.TakeDropped();
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
    const auto* stored = std::get_if<CheckpointStored>(&event);
    if (stored != nullptr) files_.insert(stored->checkpoint_id);
  }
  for (const std::string& id : scheduler_.TakeDropped()) files_.erase(id);
  const std::vector<std::string> needed = scheduler_.NeededCheckpoints();
  HV_CHECK(files_ == std::set<std::string>(needed.begin(), needed.end()))
      << files_.size() << " files, and trials may need " << needed.size();
  if (answer.ok() && answer->assignment.has_value()) assignments_.push_back(*answer->assignment);
  return answer;
}

Answer Run::Call(Command command) {
  const absl::StatusOr<Answer> answer = Execute(command);
  if (const auto* report = std::get_if<Report>(&command)) CheckReport(*report, answer);
  if (data_.ConsumeIntegralInRange(0, 3) == 0) CheckRepeat(command, answer);
  calls_.push_back(std::move(command));
  return answer.ok() ? *answer : Answer{};
}

// What a report makes happen is about its own attempt, and a refused one makes nothing happen.
void Run::CheckReport(const Report& report, const absl::StatusOr<Answer>& answer) {
  int counted = 0;
  const auto look = [&](const auto& event) {
    const LeaseKey key = {.study = event.study, .trial = event.trial, .attempt = event.attempt};
    HV_CHECK(key == report.lease) << "a report on attempt " << report.lease.attempt << " of trial "
                                  << report.lease.trial << " counts for attempt " << key.attempt
                                  << " of trial " << key.trial;
    ++counted;
  };
  for (const Event& event : fresh_) {
    if (const auto* e = std::get_if<TrialReported>(&event)) look(*e);
    if (const auto* e = std::get_if<TrialProgressed>(&event)) look(*e);
    if (const auto* e = std::get_if<AttemptReturned>(&event)) look(*e);
    if (const auto* e = std::get_if<LateReasonRecorded>(&event)) look(*e);
    const auto* failed = std::get_if<AttemptFailed>(&event);
    const bool reported = failed != nullptr && (failed->cause == FailureCause::kReported ||
                                                failed->cause == FailureCause::kOutOfMemory);
    if (reported) look(*failed);
  }
  const bool refused = !answer.ok() || answer->duplicate || answer->stop;
  const bool final = !std::holds_alternative<Progress>(report.outcome);
  HV_CHECK(counted <= (refused ? 0 : 1) && counted >= (refused || !final ? 0 : 1))
      << "counted " << counted << " times; " << answer.status();
}

// The same call again at once: the same answer, and nothing more happens.
void Run::CheckRepeat(const Command& command, const absl::StatusOr<Answer>& first) {
  const absl::StatusOr<Answer> second = Execute(command);
  for (const Event& event : fresh_) {
    HV_CHECK(!IsDurable(event)) << "a repeat made an event of kind " << event.index();
  }
  // What people ask for may have ended the study or deleted it, which the repeat then finds.
  const bool of_worker = std::holds_alternative<Ask>(command) ||
                         std::holds_alternative<Report>(command) ||
                         std::holds_alternative<StoreCheckpoint>(command);
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
    // Below any target, and no better than the one before.
    const Completed best{.error = -1, .checkpoint_id = "end"};
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
