// What the engine does for one Suggest and one Report, without gRPC: for a profiler that counts
// instructions. check_engine_cost.py runs it.
//
//   engine_cost FOLDER PAIRS
//
// A study of four parameters and rungs of 1, 3 and 9 epochs, asked for and reported on by 16
// workers, whose calls come in one batch each time; the journal is a real one, in FOLDER, which it
// makes. Each worker asks and reports PAIRS times.
#include <charconv>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/random.h"
#include "server/engine/engine.h"
#include "server/store/sqlite_journal.h"

namespace halving {
namespace {

constexpr int kWorkers = 16;

StudySpec Spec() {
  return {.name = "s",
          .objective = "none",
          .objective_options_json = "{}",
          .parameters = {{"learning_rate", FloatRange{.min = 1e-4, .max = 1, .log = true}},
                         {"dropout", FloatRange{.min = 0, .max = 0.5}},
                         {"batch_size", IntRange{.min = 16, .max = 512}},
                         {"activation", Choice{{"relu", "gelu", "tanh"}}}},
          .halving = {.min_epochs = 1, .max_epochs = 9, .eta = 3},
          .limits = {.max_evaluations = 1'000'000'000},
          .seed = 1};
}

// A clock that stands still: how fast the machine is must not change what is done.
class StillClock : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1'700'000'000); }
};

struct Worker {
  std::string id;
  Assignment held;
};

class Run {
 public:
  explicit Run(const std::string& folder) {
    absl::StatusOr<DataDirectory> directory = DataDirectory::Lock(folder);
    HV_CHECK(directory.ok()) << directory.status();
    absl::StatusOr<std::unique_ptr<SqliteJournal>> journal =
        SqliteJournal::Open(*std::move(directory));
    HV_CHECK(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(journal_.get(), &clock_);
    HV_CHECK(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    engine_->Post(CreateStudy{.spec = Spec()},
                  [](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
                    HV_CHECK(reply.ok()) << reply.status();
                  });
    for (int i = 0; i < kWorkers; ++i) workers_.push_back({.id = absl::StrCat("worker-", i)});
  }

  void Step() {
    ++steps_;
    for (Worker& worker : workers_) {
      engine_->PostAsk({.worker = worker.id,
                        .request_id = absl::StrCat(worker.id, "-", steps_),
                        .incarnation = "incarnation"},
                       absl::ZeroDuration(), Engine::NewGone(), Take(&worker));
    }
    engine_->RunOnce();
    for (Worker& worker : workers_) {
      const LeaseKey& lease = worker.held.lease;
      const double error = UnitInterval(MixBits(static_cast<uint64_t>(lease.trial))) /
                           static_cast<double>(worker.held.to_epoch);
      engine_->PostReport(
          {.lease = lease, .outcome = Completed{.error = error, .train_time = absl::Seconds(60)}},
          std::nullopt, absl::ZeroDuration(), Engine::NewGone(),
          [](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
            HV_CHECK(reply.ok()) << reply.status();
          });
    }
    engine_->RunOnce();
  }

 private:
  static Engine::Done Take(Worker* worker) {
    return [worker](const absl::StatusOr<Engine::Reply>& reply, const Engine::View&) {
      HV_CHECK(reply.ok()) << reply.status();
      worker->held = reply->assignment.value();
    };
  }

  StillClock clock_;
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<Engine> engine_;
  std::vector<Worker> workers_;
  int64_t steps_ = 0;
};

int Main(int argc, char** argv) {
  int64_t pairs = 0;
  const char* end = argc == 3 ? argv[2] + std::strlen(argv[2]) : nullptr;
  if (argc != 3 || std::from_chars(argv[2], end, pairs).ptr != end || pairs < 1) {
    std::cerr << "usage: engine_cost FOLDER PAIRS, a number from 1\n";
    return 2;
  }
  Run run(argv[1]);
  for (int64_t i = 0; i < pairs; ++i) run.Step();
  return 0;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Main(argc, argv); }
