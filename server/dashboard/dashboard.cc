#include "server/dashboard/dashboard.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/status.h"
#include "common/version.h"
#include "server/dashboard/ask_engine.h"
#include "server/dashboard/json.h"
#include "server/dashboard/web_assets.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr absl::Duration kTidyEvery = absl::Seconds(30);
constexpr absl::Duration kScrapePatience = absl::Seconds(5);

std::string TypeOf(absl::string_view path) {
  if (absl::EndsWith(path, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(path, ".js")) return "text/javascript; charset=utf-8";
  if (absl::EndsWith(path, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(path, ".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

// Sends it, or 304 to who has it already.
void SendTagged(const httplib::Request& request, httplib::Response& response,
                const std::string& type, const std::string& etag, SharedText text) {
  response.set_header("ETag", etag);
  if (request.get_header_value("If-None-Match") == etag) {
    response.status = 304;
    return;
  }
  HttpServer::Send(response, 200, type, std::move(text));
}

}  // namespace

Dashboard::Dashboard(const Options& options, Parts parts)
    : parts_(std::move(parts)), api_(parts_.channel), index_(parts_.engine), http_(options.http) {}

absl::StatusOr<std::unique_ptr<Dashboard>> Dashboard::Start(const Options& options, Parts parts) {
  auto dashboard = std::unique_ptr<Dashboard>(new Dashboard(options, std::move(parts)));
  dashboard->AddRoutes();
  dashboard->AddFigure();
  dashboard->AddStreams();
  dashboard->AddAssets();
  HV_RETURN_IF_ERROR(dashboard->http_.Start(options.listen));
  dashboard->housekeeping_.PostEvery(kTidyEvery,
                                     [feeds = dashboard->parts_.feeds] { feeds->Tidy(); });
  return dashboard;
}

void Dashboard::SayBye() {
  closing_.Set();
  parts_.feeds->Close();
}

void Dashboard::Stop() {
  SayBye();
  housekeeping_.Stop();
  http_.Stop();
}

absl::StatusOr<std::string> Dashboard::ShowOverview(const OverviewQuery& query) {
  HV_ASSIGN_OR_RETURN(v1::Overview overview, index_.Show(query));
  overview.set_server_version(kVersion);
  overview.set_journal_writable(journal_writable_);
  return ToJson(overview);
}

absl::StatusOr<std::string> Dashboard::ShowTable(const JsonRequest& request) {
  HV_ASSIGN_OR_RETURN(const std::shared_ptr<StudyFeed> feed, parts_.feeds->Find(request.path[0]));
  TrialMirror& mirror = feed->mirror();
  HV_ASSIGN_OR_RETURN(const TrialQuery query, TrialQuery::Parse(request.query, mirror.facts()));
  HV_RETURN_IF_ERROR(mirror.Refresh());
  TrialQuery::Page page;
  parts_.feeds->drawing().Run([&] { page = query.Run(mirror); });
  HV_ASSIGN_OR_RETURN(
      v1::TrialTable table,
      AskEngine<v1::TrialTable>(parts_.engine,
                                [uid = mirror.facts().uid, ids = page.ids](
                                    const Engine::View& view) -> absl::StatusOr<v1::TrialTable> {
                                  const Study* study = view.scheduler.FindStudy(uid);
                                  if (study == nullptr)
                                    return absl::NotFoundError("the study was deleted");
                                  v1::TrialTable shown;
                                  for (const TrialId id : ids) {
                                    ShowTrial(*study, *study->FindTrial(id), /*with_curve=*/false,
                                              shown.add_trials());
                                  }
                                  return shown;
                                }));
  table.set_matched(page.matched);
  table.set_total(page.total);
  return ToJson(table);
}

void Dashboard::AddRoutes() {
  for (const JsonApi::Route& route : api_.Routes()) http_.Serve(route);
  http_.Serve({"GET", "/api/v1/overview",
               [this](const JsonRequest& request) -> absl::StatusOr<std::string> {
                 HV_ASSIGN_OR_RETURN(const OverviewQuery query,
                                     OverviewQuery::Parse(request.query));
                 return ShowOverview(query);
               }});
  http_.Serve({"GET", absl::StrCat(kStudyPath, "/table"),
               [this](const JsonRequest& request) { return ShowTable(request); }});
  http_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    HttpServer::Send(response, 200, "text/plain; version=0.0.4; charset=utf-8",
                     std::make_shared<const std::string>(
                         parts_.metrics->Scrape(parts_.sources, kScrapePatience)));
  });
  http_.GetOpen("/healthz", [this](const httplib::Request&, httplib::Response& response) {
    if (!journal_writable_) {
      return HttpServer::SendError(
          response, absl::UnavailableError("the disk is full: the journal cannot be written"));
    }
    HttpServer::Send(response, 200, "text/plain", std::make_shared<const std::string>("ok\n"));
  });
}

void Dashboard::AddFigure() {
  http_.Get(absl::StrCat(kStudyPath, "/figure"),
            [this](const httplib::Request& request, httplib::Response& response) {
              const auto feed = parts_.feeds->Find(request.matches[1]);
              if (!feed.ok()) return HttpServer::SendError(response, feed.status());
              const absl::StatusOr<StudyFeed::Picture> picture = (*feed)->Figure();
              if (!picture.ok()) return HttpServer::SendError(response, picture.status());
              SendTagged(request, response, "application/json", picture->etag, picture->json);
            });
}

void Dashboard::AddStreams() {
  using Opened = absl::StatusOr<std::unique_ptr<EventStream>>;
  http_.Stream("/api/v1/events", [this](const JsonRequest& request) -> Opened {
    HV_ASSIGN_OR_RETURN(const OverviewQuery query, OverviewQuery::Parse(request.query));
    return StreamOverview([this, query] { return ShowOverview(query); }, &closing_);
  });
  http_.Stream(absl::StrCat(kStudyPath, "/events"), [this](const JsonRequest& request) -> Opened {
    HV_ASSIGN_OR_RETURN(std::shared_ptr<StudyFeed> feed, parts_.feeds->Find(request.path[0]));
    feed->Reopen();
    return StreamStatus(std::move(feed));
  });
}

void Dashboard::AddAssets() {
  for (const WebAsset& asset : WebAssets()) {
    const auto text = std::make_shared<const std::string>(asset.bytes);
    const std::string etag =
        absl::StrCat("\"", absl::BytesToHexString(Sha256(*text)).substr(0, 16), "\"");
    const auto handler = [type = TypeOf(asset.path), etag, text](const httplib::Request& request,
                                                                 httplib::Response& response) {
      SendTagged(request, response, type, etag, text);
    };
    http_.GetOpen(asset.path, handler);
    // Its own paths are the page's business.
    if (asset.path == "/index.html") http_.GetPages(handler);
  }
}

}  // namespace halving
