// ServerMetrics: what monitoring sees of a server, in Prometheus's text format.
#ifndef HALVING_SERVER_METRICS_SERVER_METRICS_H_
#define HALVING_SERVER_METRICS_SERVER_METRICS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/engine/engine.h"
#include "server/metrics/call_metrics.h"
#include "server/metrics/gauges.h"

namespace halving {

// Counts what happens since the process started, and asks the engine how things stand when it is
// read. Label sets are bounded: of studies, only the 100 newest that have not ended have series of
// their own. docs/operating.md says what each metric means. Thread-safe.
class ServerMetrics : public EngineObserver {
 public:
  ServerMetrics();
  ~ServerMetrics() override;

  // Of one call of the contract, by its name there. Stays.
  CallMetrics* Of(const std::string& method) ABSL_LOCKS_EXCLUDED(mu_);

  void CountRefusedConnection() { connections_refused_->Increment(); }

  enum class Asked { kAssigned, kEmpty, kRefused };
  void CountAsk(Asked result);
  // How long one that waited in line did so, until it got a trial.
  void TimeWait(absl::Duration waited);

  enum class Outcome { kProgress, kCompleted, kFailed, kReturned };
  enum class Counted { kCounted, kDuplicate, kRefused };
  void CountReport(Outcome outcome, Counted result);

  void OnCommitted(absl::Span<const Event> events, absl::Duration took) override;
  void SetJournalWritable(bool writable) { journal_writable_->Set(writable ? 1 : 0); }

  // What was trained before, so that only what comes is counted. Before the engine starts.
  void StartFrom(const Scheduler& scheduler) ABSL_LOCKS_EXCLUDED(mu_);

  // What stands elsewhere, asked for at each scrape.
  struct Sources {
    Engine* engine = nullptr;  // Not owned.
    std::function<int64_t()> journal_bytes;
    std::function<int64_t()> checkpoint_bytes;
    int64_t checkpoint_limit_bytes = 0;
  };
  // The whole page. Without what only the engine knows when it does not answer within `patience`,
  // or refuses since the disk is full.
  std::string Scrape(const Sources& sources, absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void ShowStudies(const Engine::View& view, Gauges* gauges) ABSL_LOCKS_EXCLUDED(mu_);

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>* const answers_;
  prometheus::Family<prometheus::Histogram>* const durations_;
  std::vector<prometheus::Counter*> asks_;                  // By Asked.
  std::vector<std::vector<prometheus::Counter*>> reports_;  // By Outcome, then Counted.
  prometheus::Histogram* ask_wait_;
  prometheus::Counter* connections_refused_;
  prometheus::Counter* leases_lost_;
  std::map<FailureCause, prometheus::Counter*> attempts_failed_;
  prometheus::Counter* promotions_;
  prometheus::Counter* journal_events_;
  prometheus::Histogram* commits_;
  prometheus::Gauge* journal_writable_;

  Mutex mu_;
  std::map<std::string, std::unique_ptr<CallMetrics>> calls_ ABSL_GUARDED_BY(mu_);
  // Of each study, how many it had trained; a deleted one's epochs stay in the sum.
  absl::btree_map<StudyUid, int64_t> epochs_ ABSL_GUARDED_BY(mu_);
  int64_t epochs_trained_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_METRICS_SERVER_METRICS_H_
