#include "server/metrics/server_metrics.h"

#include <array>
#include <variant>

#include "absl/synchronization/notification.h"
#include "common/version.h"
#include "prometheus/text_serializer.h"
#include "server/metrics/process_metrics.h"

namespace halving {
namespace {

// Series that come and go with each study would fill a Prometheus.
constexpr size_t kStudiesShown = 100;

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const std::string& name,
                                                       const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Histogram>& HistogramFamily(prometheus::Registry& registry,
                                                           const std::string& name,
                                                           const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

std::vector<prometheus::Counter*> CountersOf(prometheus::Family<prometheus::Counter>& family,
                                             const prometheus::Labels& labels,
                                             const std::string& label,
                                             const std::vector<std::string>& values) {
  std::vector<prometheus::Counter*> counters;
  for (const std::string& value : values) {
    prometheus::Labels all = labels;
    all[label] = value;
    counters.push_back(&family.Add(all));
  }
  return counters;
}

const std::array<std::pair<StudyState, std::string>, 5>& StudyStates() {
  static const auto* states = new std::array<std::pair<StudyState, std::string>, 5>{{
      {StudyState::kRunning, "running"},
      {StudyState::kPaused, "paused"},
      {StudyState::kCompleted, "completed"},
      {StudyState::kStopped, "stopped"},
      {StudyState::kFailed, "failed"},
  }};
  return *states;
}

void ShowWorkers(const Engine::View& view, Gauges* gauges) {
  int64_t busy = 0;
  int64_t idle = 0;
  int64_t away = 0;
  const LeaseTable& leases = view.scheduler.leases();
  for (const auto& [id, info] : view.scheduler.workers().all()) {
    if (leases.IsHolder(id)) {
      ++busy;
    } else {
      ++(WorkerTable::IsConnected(id, info, view.now, leases) ? idle : away);
    }
  }
  const auto add = [gauges](const std::string& state, int64_t count) {
    gauges->Add("halving_workers",
                "Workers seen within a day; disconnected: silent for over a minute.",
                static_cast<double>(count), {{"state", state}});
  };
  add("busy", busy);
  add("idle", idle);
  add("disconnected", away);
}

int64_t Waiting(const Study& study) {
  int64_t waiting = 0;
  for (const auto& [key, levels] : study.rungs().groups()) {
    for (const Level& level : levels) {
      waiting += static_cast<int64_t>(level.outcomes.size() + level.standings.waiting().size());
    }
  }
  return waiting;
}

void ShowStudy(const Engine::View& view, const Study& study, Gauges* gauges) {
  const std::string& name = study.spec().name;
  const auto add = [&](const std::string& metric, const std::string& help, double value) {
    gauges->Add("halving_study_" + metric, help, value, {{"study", name}});
  };
  const auto trials = [&](const std::string& state, int64_t count) {
    gauges->Add("halving_study_trials", "Trials that are queued, running, or waiting for a rung.",
                static_cast<double>(count), {{"study", name}, {"state", state}});
  };
  trials("queued", study.queued());
  trials("running", static_cast<int64_t>(study.running().size()));
  trials("waiting", Waiting(study));
  add("evaluations", "Results counted.", static_cast<double>(study.evaluations()));
  add("epochs", "Epochs trained.", static_cast<double>(study.epochs_trained()));
  add("epochs_lost", "Epochs trained more than once.", static_cast<double>(study.epochs_lost()));
  add("failed_trials", "Trials that failed for good.", static_cast<double>(study.failed_trials()));
  add("progress_ratio", "Towards the nearest limit, 0 to 1.", study.Progress(view.now));
  const absl::Duration workers = view.scheduler.WorkerTime(view.now);
  if (workers > absl::ZeroDuration()) {
    add("utilisation_ratio", "Of the connected workers' time in ten minutes, under its leases.",
        absl::FDivDuration(study.LeaseTime(view.now), workers));
  }
  const std::vector<absl::Time> starts = study.StragglerStarts(view.now);
  int64_t stragglers = 0;
  for (const auto& [start, id] : study.running()) {
    if (start < starts[study.FindTrial(id)->rung]) ++stragglers;
  }
  add("stragglers", "Trials running for over twice the usual time.",
      static_cast<double>(stragglers));
  const Trial* best = study.Best();
  if (best != nullptr) {
    add("best_error", "Of the best trial at the highest rung.", best->results.back().error);
  }
}

}  // namespace

ServerMetrics::ServerMetrics()
    : answers_(&CounterFamily(registry_, "halving_rpcs_total", "Calls answered, by gRPC code.")),
      durations_(&HistogramFamily(
          registry_, "halving_rpc_duration_seconds",
          "Time to an answer, but of calls that stream and of asks that waited for a trial.")) {
  asks_ = CountersOf(CounterFamily(registry_, "halving_asks_total",
                                   "Asks of workers for a trial, also those inside of a report."),
                     {}, "result", {"assigned", "empty", "refused"});
  auto& reports = CounterFamily(registry_, "halving_reports_total", "Reports of workers.");
  for (const std::string outcome : {"progress", "completed", "failed", "returned"}) {
    reports_.push_back(
        CountersOf(reports, {{"outcome", outcome}}, "result", {"counted", "duplicate", "refused"}));
  }
  ask_wait_ = &HistogramFamily(registry_, "halving_ask_wait_seconds",
                               "How long workers waited that found no trial at once, until they "
                               "got one.")
                   .Add({}, prometheus::Histogram::BucketBoundaries{0.01, 0.1, 0.5, 1, 2.5, 5, 10,
                                                                    15, 20, 30});
  connections_refused_ =
      &CounterFamily(registry_, "halving_connections_refused_total",
                     "gRPC connections that were closed at once, as there were too many.")
           .Add({});
  leases_lost_ = &CounterFamily(registry_, "halving_leases_lost_total",
                                "Leases that expired, or whose worker was started anew.")
                      .Add({});
  auto& failed = CounterFamily(registry_, "halving_attempts_failed_total",
                               "Attempts that ended without a result, by cause.");
  for (const auto& [cause, name] :
       std::map<FailureCause, std::string>{{FailureCause::kExpired, "lease_expired"},
                                           {FailureCause::kReplaced, "worker_restarted"},
                                           {FailureCause::kReported, "reported"},
                                           {FailureCause::kOutOfMemory, "out_of_memory"}}) {
    attempts_failed_[cause] = &failed.Add({{"cause", name}});
  }
  promotions_ =
      &CounterFamily(registry_, "halving_promotions_total", "Trials that went on to the next rung.")
           .Add({});
  journal_events_ =
      &CounterFamily(registry_, "halving_journal_events_total", "Events written to the journal.")
           .Add({});
  commits_ = &HistogramFamily(registry_, "halving_journal_commit_duration_seconds",
                              "Time of one commit to the journal, with its sync to disk.")
                  .Add({}, DurationBuckets());
  journal_writable_ = &prometheus::BuildGauge()
                           .Name("halving_journal_writable")
                           .Help("1, or 0 while the disk is full and every call is refused.")
                           .Register(registry_)
                           .Add({});
  SetJournalWritable(true);
}

ServerMetrics::~ServerMetrics() = default;

CallMetrics* ServerMetrics::Of(const std::string& method) {
  MutexLock lock(&mu_);
  std::unique_ptr<CallMetrics>& call = calls_[method];
  if (call == nullptr) call = std::make_unique<CallMetrics>(method, answers_, durations_);
  return call.get();
}

void ServerMetrics::CountAsk(Asked result) { asks_[static_cast<size_t>(result)]->Increment(); }

void ServerMetrics::TimeWait(absl::Duration waited) {
  ask_wait_->Observe(absl::ToDoubleSeconds(waited));
}

void ServerMetrics::CountReport(Outcome outcome, Counted result) {
  reports_[static_cast<size_t>(outcome)][static_cast<size_t>(result)]->Increment();
}

void ServerMetrics::OnCommitted(absl::Span<const Event> events, absl::Duration took) {
  journal_events_->Increment(static_cast<double>(events.size()));
  commits_->Observe(absl::ToDoubleSeconds(took));
  for (const Event& event : events) {
    if (const auto* failed = std::get_if<AttemptFailed>(&event); failed != nullptr) {
      attempts_failed_.at(failed->cause)->Increment();
      const bool lost =
          failed->cause == FailureCause::kExpired || failed->cause == FailureCause::kReplaced;
      if (lost) leases_lost_->Increment();
    } else if (const auto* closed = std::get_if<RungClosed>(&event); closed != nullptr) {
      promotions_->Increment(static_cast<double>(closed->promoted.size()));
    } else if (std::holds_alternative<TrialPromoted>(event)) {
      promotions_->Increment();
    }
  }
}

void ServerMetrics::StartFrom(const Scheduler& scheduler) {
  MutexLock lock(&mu_);
  for (const auto& [uid, study] : scheduler.studies()) epochs_[uid] = study->epochs_trained();
}

void ServerMetrics::ShowStudies(const Engine::View& view, Gauges* gauges) {
  std::map<StudyState, int64_t> count;
  std::vector<const Study*> shown;
  MutexLock lock(&mu_);
  for (auto at = view.scheduler.studies().rbegin(); at != view.scheduler.studies().rend(); ++at) {
    const Study& study = *at->second;
    ++count[study.state()];
    int64_t& epochs = epochs_[at->first];
    epochs_trained_ += study.epochs_trained() - epochs;
    epochs = study.epochs_trained();
    if (!study.ended() && shown.size() < kStudiesShown) shown.push_back(&study);
  }
  absl::erase_if(epochs_, [&view](const auto& entry) {
    return view.scheduler.FindStudy(entry.first) == nullptr;
  });
  for (const auto& [state, name] : StudyStates()) {
    gauges->Add("halving_studies", "Studies by state.", static_cast<double>(count[state]),
                {{"state", name}});
  }
  gauges->Add("halving_epochs_trained_total", "Epochs trained in all studies.",
              static_cast<double>(epochs_trained_), {}, prometheus::MetricType::Counter);
  for (const Study* study : shown) ShowStudy(view, *study, gauges);
}

std::string ServerMetrics::Scrape(const Sources& sources, absl::Duration patience) {
  struct Asked {
    absl::Notification done;
    Gauges gauges;
    bool ok = false;
  };
  // Kept by the one who answers, too: he may do so after we have gone.
  auto asked = std::make_shared<Asked>();
  sources.engine->PostRead([this, asked](const absl::Status& status, const Engine::View& view) {
    if (status.ok()) {
      ShowStudies(view, &asked->gauges);
      ShowWorkers(view, &asked->gauges);
      asked->gauges.Add("halving_waiting_asks", "Workers that wait for a trial in a long poll.",
                        static_cast<double>(view.waiting_asks));
      asked->ok = true;
    }
    asked->done.Notify();
  });
  Gauges gauges;
  gauges.Add("halving_build_info", "1, with the version of the server.", 1,
             {{"version", kVersion}});
  gauges.Add("halving_journal_bytes", "Size of the journal on disk.",
             static_cast<double>(sources.journal_bytes()));
  gauges.Add("halving_checkpoint_bytes", "Size of all checkpoints.",
             static_cast<double>(sources.checkpoint_bytes()));
  gauges.Add("halving_checkpoint_limit_bytes", "What all checkpoints may have together.",
             static_cast<double>(sources.checkpoint_limit_bytes));
  AddProcessMetrics(&gauges);
  std::vector<prometheus::MetricFamily> families = gauges.Take();
  for (prometheus::MetricFamily& family : registry_.Collect()) {
    families.push_back(std::move(family));
  }
  const bool answered = asked->done.WaitForNotificationWithTimeout(patience);
  if (answered && asked->ok) {
    for (prometheus::MetricFamily& family : asked->gauges.Take()) {
      families.push_back(std::move(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace halving
