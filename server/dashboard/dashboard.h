// Dashboard: what people and monitoring see of a server over HTTP.
#ifndef HALVING_SERVER_DASHBOARD_DASHBOARD_H_
#define HALVING_SERVER_DASHBOARD_DASHBOARD_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/thread_pool.h"
#include "grpcpp/channel.h"
#include "server/dashboard/event_stream.h"
#include "server/dashboard/http_server.h"
#include "server/dashboard/json_api.h"
#include "server/dashboard/study_feed.h"
#include "server/dashboard/study_index.h"
#include "server/metrics/server_metrics.h"

namespace halving {

// The page, its JSON API, /metrics and /healthz: docs/http.md. Thread-safe.
class Dashboard {
 public:
  struct Options {
    std::string listen;  // host:port.
    HttpServer::Options http;
  };
  // None is owned; all must outlive the dashboard.
  struct Parts {
    Engine* engine = nullptr;
    std::shared_ptr<grpc::Channel> channel;  // To the server's own services.
    StudyFeeds* feeds = nullptr;             // An observer of the engine.
    ServerMetrics* metrics = nullptr;
    ServerMetrics::Sources sources;
  };

  // Serves. The errors of HttpServer::Start().
  static absl::StatusOr<std::unique_ptr<Dashboard>> Start(const Options& options, Parts parts);
  ~Dashboard() { Stop(); }

  // host:port as bound.
  const std::string& address() const { return http_.address(); }
  void SetJournalWritable(bool writable) { journal_writable_ = writable; }
  // Ends all streams, and opens none any more.
  void SayBye();
  // The same, waits for requests under way, and serves no more. The engine must still run.
  void Stop();

 private:
  Dashboard(const Options& options, Parts parts);
  void AddRoutes();
  void AddAssets();
  void AddFigure();
  void AddStreams();
  absl::StatusOr<std::string> ShowOverview(const OverviewQuery& query);
  absl::StatusOr<std::string> ShowTable(const JsonRequest& request);

  const Parts parts_;
  const JsonApi api_;
  StudyIndex index_;
  ClosingSignal closing_;
  std::atomic<bool> journal_writable_ = true;
  ThreadPool housekeeping_{1};
  HttpServer http_;  // Ends before what its handlers use.
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_DASHBOARD_H_
