// DashboardFixture: a whole server with its dashboard, and an HTTP client of it.
#ifndef HALVING_TESTS_DASHBOARD_DASHBOARD_FIXTURE_H_
#define HALVING_TESTS_DASHBOARD_DASHBOARD_FIXTURE_H_

#include <memory>
#include <string>

#include "httplib.h"
#include "nlohmann/json.hpp"
#include "server/dashboard/dashboard.h"
#include "tests/service/server_fixture.h"

namespace halving {

// What must be there before the server starts.
struct DashboardParts {
  std::unique_ptr<StudyFeeds> feeds;
  std::unique_ptr<Dashboard> dashboard;
};

// Thread-safe but for the destructor.
class DashboardFixture : public DashboardParts, public ServerFixture {
 public:
  explicit DashboardFixture(const HttpServer::Options& http = {})
      : ServerFixture({.free_bytes = 0}, [this](Engine* engine) {
          feeds = std::make_unique<StudyFeeds>(engine);
          engine->AddObserver(feeds.get());
          engine->AddObserver(&metrics);
          engine->OnHealthChange([this](bool serving) {
            metrics.SetJournalWritable(serving);
            if (dashboard != nullptr) dashboard->SetJournalWritable(serving);
          });
        }) {
    absl::StatusOr<std::unique_ptr<Dashboard>> started = Dashboard::Start(
        {.listen = "127.0.0.1:0", .http = http}, {.engine = engine.get(),
                                                  .channel = server->InProcessChannel(),
                                                  .feeds = feeds.get(),
                                                  .metrics = &metrics,
                                                  .sources = {.engine = engine.get(),
                                                              .journal_bytes = [] { return 7; },
                                                              .checkpoint_bytes = [] { return 8; },
                                                              .checkpoint_limit_bytes = 9}});
    HV_CHECK(started.ok()) << started.status();
    dashboard = *std::move(started);
  }
  ~DashboardFixture() { dashboard = nullptr; }

  // One client for each call: they are not thread-safe.
  std::unique_ptr<httplib::Client> Client() const {
    auto client = std::make_unique<httplib::Client>("http://" + dashboard->address());
    client->set_read_timeout(60);
    return client;
  }
  httplib::Response Get(const std::string& path, const httplib::Headers& headers = {}) const {
    const httplib::Result result = Client()->Get(path, headers);
    HV_CHECK(result) << path << ": " << httplib::to_string(result.error());
    return *result;
  }
  httplib::Response Post(const std::string& path, const std::string& body = "",
                         const httplib::Headers& headers = {{"X-Halving", "1"}}) const {
    const httplib::Result result = Client()->Post(path, headers, body, "application/json");
    HV_CHECK(result) << path << ": " << httplib::to_string(result.error());
    return *result;
  }
  // Of an answer that must be OK.
  nlohmann::json GetJson(const std::string& path) const {
    const httplib::Response response = Get(path);
    HV_CHECK(response.status == 200) << path << ": " << response.body;
    return nlohmann::json::parse(response.body);
  }
  // Trains the next trial of any study to its next rung.
  void Finish(double error) {
    const std::string id = std::to_string(++asks_);
    ASSERT_THAT(Report(CompletedOf(Take("w", id).lease_id(), error)), IsOk());
  }

 private:
  int asks_ = 0;
};

// Two rungs: 2 trials, the better one of which goes on.
inline v1::StudySpec TwoRungs(const std::string& name, int64_t evaluations) {
  v1::StudySpec spec = FlatSpec(name, evaluations);
  spec.mutable_halving()->set_max_epochs(2);
  return spec;
}

}  // namespace halving

#endif  // HALVING_TESTS_DASHBOARD_DASHBOARD_FIXTURE_H_
