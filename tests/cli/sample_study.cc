#include "tests/cli/sample_study.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/random.h"

namespace halving {
namespace {

constexpr int64_t kLadder[] = {2, 4, 8, 10};
constexpr size_t kSizes[] = {8, 4, 2, 1};
constexpr int64_t kStartSeconds = 1714566781;  // 2024-05-01 12:33:01 UTC.

double LearningRate(uint64_t seed, int64_t id) {
  return 0.01 * std::pow(100, UnitInterval(MixBits(seed, static_cast<uint64_t>(id), 1)));
}

// What the trial's validation error is after so many epochs.
double ErrorAfter(uint64_t seed, int64_t id, int64_t epochs) {
  const double distance = std::log10(LearningRate(seed, id) / 0.25);
  const double floor = 0.11 + 0.28 * std::min(1.0, distance * distance);
  const double speed = 0.16 + 0.4 * UnitInterval(MixBits(seed, static_cast<uint64_t>(id), 2));
  const auto noise = MixBits(seed, static_cast<uint64_t>(id), 100 + static_cast<uint64_t>(epochs));
  return floor + (0.9 - floor) * std::exp(-speed * static_cast<double>(epochs)) +
         0.012 * UnitInterval(noise);
}

void AddResult(uint64_t seed, int64_t from, int64_t epochs, v1::Trial* trial) {
  v1::RungResult* result = trial->add_results();
  result->set_epochs(epochs);
  result->set_from_epoch(from);
  result->set_error(ErrorAfter(seed, trial->id(), epochs));
  result->set_worker_id(absl::StrCat("gpu-", trial->id() % 4));
  result->mutable_train_time()->set_seconds(11 * (epochs - from));
  result->mutable_end_time()->set_seconds(kStartSeconds + 30 * epochs + trial->id());
  (*result->mutable_metrics())["test_error"] = result->error() + 0.01;
  for (int64_t epoch = from + 1; epoch <= epochs; ++epoch) {
    v1::CurvePoint* point = trial->add_curve();
    point->set_epoch(epoch);
    point->set_error(ErrorAfter(seed, trial->id(), epoch));
  }
}

v1::Study MakeStudy(uint64_t seed) {
  v1::Study study;
  v1::StudySpec* spec = study.mutable_spec();
  spec->set_name("lenet");
  spec->set_objective("lenet");
  spec->set_seed(seed);
  v1::Parameter* rate = spec->add_parameters();
  rate->set_name("learning_rate");
  rate->mutable_float_()->set_min(0.01);
  rate->mutable_float_()->set_max(1);
  rate->mutable_float_()->set_log(true);
  v1::Parameter* batch = spec->add_parameters();
  batch->set_name("batch_size");
  batch->mutable_int_()->set_min(32);
  batch->mutable_int_()->set_max(256);
  spec->mutable_halving()->set_min_epochs(2);
  spec->mutable_halving()->set_max_epochs(10);
  spec->mutable_halving()->set_eta(2);
  spec->mutable_halving()->set_policy(v1::POLICY_HALVING);
  spec->mutable_limits()->set_max_evaluations(30);
  study.mutable_create_time()->set_seconds(kStartSeconds);
  return study;
}

v1::Trial MakeTrial(uint64_t seed, int64_t id) {
  v1::Trial trial;
  trial.set_id(id);
  trial.set_round(1 + (id - 1) / static_cast<int64_t>(kSizes[0]));
  trial.set_state(v1::TRIAL_STATE_ELIMINATED);
  auto& fields = *trial.mutable_config()->mutable_fields();
  fields["learning_rate"].set_number_value(LearningRate(seed, id));
  fields["batch_size"].set_number_value(
      static_cast<double>(32 + BoundedBits(MixBits(seed, static_cast<uint64_t>(id), 3), 225)));
  return trial;
}

}  // namespace

SampleStudy MakeSampleStudy(int64_t rounds, uint64_t seed) {
  SampleStudy sample{MakeStudy(seed), {}};
  sample.study.set_state(v1::STUDY_STATE_COMPLETED);
  sample.study.set_end_reason("max_evaluations reached");
  sample.study.mutable_end_time()->set_seconds(kStartSeconds + 3723);
  const auto trials = rounds * static_cast<int64_t>(kSizes[0]);
  for (int64_t id = 1; id <= trials; ++id) sample.trials.push_back(MakeTrial(seed, id));
  for (int64_t round = 0; round < rounds; ++round) {
    std::vector<v1::Trial*> alive;
    for (size_t i = 0; i < kSizes[0]; ++i) {
      alive.push_back(&sample.trials[static_cast<size_t>(round) * kSizes[0] + i]);
    }
    int64_t from = 0;
    for (size_t rung = 0; rung < std::size(kLadder); ++rung) {
      alive.resize(kSizes[rung]);
      for (v1::Trial* trial : alive) {
        AddResult(seed, from, kLadder[rung], trial);
        trial->set_attempts(static_cast<int32_t>(rung) + 1);
      }
      std::sort(alive.begin(), alive.end(), [](const v1::Trial* a, const v1::Trial* b) {
        return a->results().rbegin()->error() < b->results().rbegin()->error();
      });
      from = kLadder[rung];
    }
    alive.front()->set_state(v1::TRIAL_STATE_COMPLETED);
  }
  return sample;
}

v1::StudyStatus MakeSampleStatus() {
  v1::StudyStatus status;
  *status.mutable_study() = MakeStudy(42);
  status.mutable_study()->set_state(v1::STUDY_STATE_RUNNING);
  v1::Trial* best = status.mutable_best();
  *best = MakeTrial(42, 3);
  for (const auto& [epochs, error] : {std::pair{2, 0.45123}, std::pair{4, 0.27}}) {
    v1::RungResult* result = best->add_results();
    result->set_epochs(epochs);
    result->set_error(error);
  }
  v1::RungStatus* low = status.add_rungs();
  low->set_epochs(2);
  low->set_size(8);
  low->set_waiting(3);
  low->set_queued(2);
  low->set_running(1);
  low->set_reported(11);
  low->set_failed(1);
  low->set_promoted(4);
  low->set_best_error(0.41);
  low->set_median_error(0.6);
  low->mutable_usual_time()->set_seconds(22);
  low->mutable_closes_in()->set_seconds(70);
  v1::RungStatus* high = status.add_rungs();
  high->set_epochs(4);
  high->set_size(4);
  high->set_running(1);
  high->set_reported(1);
  high->set_best_error(0.27);
  high->set_median_error(0.27);
  v1::RunningTrial* running = status.add_running();
  running->set_trial_id(7);
  running->set_attempt(2);
  running->set_worker_id("gpu-1");
  running->set_epoch(3);
  running->set_epochs(4);
  running->mutable_running_for()->set_seconds(92);
  running->set_straggling(true);
  running = status.add_running();
  running->set_trial_id(12);
  running->set_attempt(1);
  running->set_worker_id("gpu-2");
  running->set_epochs(2);
  running->mutable_running_for()->set_nanos(400'000'000);
  status.set_running_total(2);
  status.set_queued(2);
  status.set_evaluations(12);
  status.set_epochs_trained(26);
  status.set_epochs_lost(2);
  status.set_failed_trials(1);
  status.set_utilisation(0.874);
  status.set_progress(0.4);
  status.mutable_running_time()->set_seconds(252);
  status.mutable_time_left()->set_seconds(390);
  status.add_notes("rung 4 has only one result");
  return status;
}

}  // namespace halving
