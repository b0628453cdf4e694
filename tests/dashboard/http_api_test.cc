// The JSON API: the contract's calls, what it refuses, and the headers of every answer.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/dashboard/json.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::Not;

// Of an error's body.
std::string CodeOf(const httplib::Response& response) {
  return nlohmann::json::parse(response.body)["code"];
}
std::string MessageOf(const httplib::Response& response) {
  return nlohmann::json::parse(response.body)["message"];
}

class HttpApiTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(f.Create(TwoRungs("s", 9)), IsOk()); }

  DashboardFixture f;
};

TEST_F(HttpApiTest, GivesTheMessagesOfTheContract) {
  f.Finish(0.5);
  f.Finish(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(f.Get("/api/v1/studies/s/status").body, ToJson(f.Status("s")));
  EXPECT_EQ(f.Get("/api/v1/studies/s/trials/2").body, ToJson(f.Trial("s", 2)));
  EXPECT_EQ(f.GetJson("/api/v1/studies/s")["spec"]["name"], "s");
  EXPECT_EQ(f.GetJson("/api/v1/studies")["studies"].size(), 1);
  EXPECT_EQ(f.GetJson("/api/v1/workers")["workers"][0]["workerId"], "w");
  const nlohmann::json trials = f.GetJson("/api/v1/studies/s/trials?by_error=1");
  ASSERT_EQ(trials["trials"].size(), 2);
  EXPECT_EQ(trials["trials"][0]["results"][0]["error"], 0.5);
  EXPECT_EQ(trials["trials"][1]["results"][0]["error"], "NaN");
  EXPECT_EQ(f.GetJson("/api/v1/studies/s/trials?states=QUEUED")["trials"].size(), 1);
}

TEST_F(HttpApiTest, PagesAreThoseOfTheCall) {
  for (int i = 0; i < 4; ++i) f.Finish(0.5);
  const nlohmann::json first = f.GetJson("/api/v1/studies/s/trials?page_size=2");
  ASSERT_EQ(first["trials"].size(), 2);
  const std::string token = first["nextPageToken"];
  const nlohmann::json second =
      f.GetJson(absl::StrCat("/api/v1/studies/s/trials?page_size=2&page_token=", token));
  EXPECT_EQ(second["trials"][0]["id"], "3");
}

TEST_F(HttpApiTest, CreatesPlansAndChangesStudies) {
  const std::string body = R"({"study": {"name": "t", "objective": "o",
      "parameters": [{"name": "x", "float": {"max": 1}}],
      "halving": {"min_epochs": 1, "maxEpochs": 4, "eta": 2}, "limits": {"max_evaluations": 7}}})";
  EXPECT_EQ(nlohmann::json::parse(f.Post("/api/v1/plan", body).body)["evaluationsPerRound"], "7");
  EXPECT_EQ(f.Get("/api/v1/studies/t").status, 404) << "a plan creates nothing";
  const httplib::Response created = f.Post("/api/v1/studies", body);
  ASSERT_EQ(created.status, 200) << created.body;
  EXPECT_EQ(nlohmann::json::parse(created.body)["state"], "STUDY_STATE_RUNNING");
  f.Post("/api/v1/studies/t/pause");
  EXPECT_EQ(f.GetJson("/api/v1/studies/t")["state"], "STUDY_STATE_PAUSED");
  f.Post("/api/v1/studies/t/resume");
  EXPECT_EQ(f.GetJson("/api/v1/studies/t")["state"], "STUDY_STATE_RUNNING");
  f.Post("/api/v1/studies/t/extend", R"({"max_evaluations": 14})");
  EXPECT_EQ(f.GetJson("/api/v1/studies/t")["spec"]["limits"]["maxEvaluations"], "14");
  f.Post("/api/v1/studies/t/stop");
  EXPECT_EQ(f.GetJson("/api/v1/studies/t")["state"], "STUDY_STATE_STOPPED");
  EXPECT_EQ(f.Client()->Delete("/api/v1/studies/t", {{"X-Halving", "1"}})->status, 200);
  EXPECT_EQ(f.Get("/api/v1/studies/t").status, 404);
}

struct ErrorCase {
  std::string name;
  std::string path;  // Of a GET, or with a body of a POST.
  std::string body;
  int status;
  std::string code;
  std::string message;  // A part of it.
};

class HttpErrorTest : public HttpApiTest, public testing::WithParamInterface<ErrorCase> {};

TEST_P(HttpErrorTest, SaysWhatWasSeenAndChangesNothing) {
  const ErrorCase& c = GetParam();
  const std::string before = ToJson(f.Status("s"));
  const httplib::Response response = c.body.empty() ? f.Get(c.path) : f.Post(c.path, c.body);
  EXPECT_EQ(response.status, c.status) << response.body;
  EXPECT_EQ(CodeOf(response), c.code);
  EXPECT_THAT(MessageOf(response), HasSubstr(c.message));
  EXPECT_EQ(ToJson(f.Status("s")), before);
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpErrorTest,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"NoStudy", "/api/v1/studies/none/status", "", 404, "NOT_FOUND", "\"none\""},
        {"NoStudyOfAFigure", "/api/v1/studies/none/figure", "", 404, "NOT_FOUND", "\"none\""},
        {"NoStudyOfEvents", "/api/v1/studies/none/events", "", 404, "NOT_FOUND", "\"none\""},
        {"NoTrial", "/api/v1/studies/s/trials/99", "", 404, "NOT_FOUND", "no trial 99"},
        {"NoNumber", "/api/v1/studies/s/trials/x", "", 400, "INVALID_ARGUMENT", "\"x\""},
        {"PageSize", "/api/v1/workers?page_size=x", "", 400, "INVALID_ARGUMENT", "page_size"},
        {"PageSizeRange", "/api/v1/workers?page_size=5000", "", 400, "INVALID_ARGUMENT", "5000"},
        {"State", "/api/v1/studies/s/trials?states=ALIVE", "", 400, "INVALID_ARGUMENT", "ALIVE"},
        {"OverviewState", "/api/v1/overview?state=X", "", 400, "INVALID_ARGUMENT", "RUNNING"},
        {"Limit", "/api/v1/overview?limit=201", "", 400, "INVALID_ARGUMENT", "0 to 200"},
        {"NoSuchPath", "/api/v1/nothing", "", 404, "NOT_FOUND", "/api/v1/nothing"},
        {"GetChangesNothing", "/api/v1/studies/s/stop", "", 404, "NOT_FOUND", "stop"},
        {"NoJson", "/api/v1/studies", "{", 400, "INVALID_ARGUMENT", "CreateStudyRequest"},
        {"UnknownField", "/api/v1/studies", R"({"stduy": {}})", 400, "INVALID_ARGUMENT", "stduy"},
        {"BadSpec", "/api/v1/studies", R"({"study": {"name": "?"}})", 400, "INVALID_ARGUMENT", "?"},
        {"Taken", "/api/v1/studies",
         R"({"study": {"name": "s", "objective": "o", "parameters": [{"name": "x", "float": {"max":
             1}}], "halving": {"minEpochs": 1, "maxEpochs": 1, "eta": 2}, "limits":
             {"maxRounds": 1}}})",
         409, "ALREADY_EXISTS", "s"},
    }),
    [](const auto& info) { return info.param.name; });

TEST_F(HttpApiTest, AForeignPageCannotChangeAnything) {
  const httplib::Response without = f.Post("/api/v1/studies/s/stop", "", {});
  EXPECT_EQ(without.status, 403);
  EXPECT_THAT(MessageOf(without), HasSubstr("X-Halving"));
  const httplib::Result form =
      f.Client()->Post("/api/v1/studies", {{"X-Halving", "1"}}, "a=1", "text/plain");
  EXPECT_EQ(form->status, 403);
  EXPECT_THAT(MessageOf(*form), HasSubstr("text/plain"));
  const httplib::Result asked = f.Client()->Options("/api/v1/studies/s/stop");
  EXPECT_EQ(asked->get_header_value("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(f.Status("s").study().state(), v1::STUDY_STATE_RUNNING);
}

TEST_F(HttpApiTest, AHostThatIsNotThisServerIsRefused) {
  for (const std::string host :
       {"evil.example", "evil.example:7080", "127.0.0.1.evil.example", ""}) {
    const httplib::Response refused = f.Get("/api/v1/studies", {{"Host", host}});
    EXPECT_EQ(refused.status, 403) << host;
    EXPECT_THAT(MessageOf(refused), HasSubstr("--http-host"));
  }
  for (const std::string host :
       {"localhost", "LOCALHOST:1", "127.0.0.1:9", "10.1.2.3", "[::1]:80"}) {
    EXPECT_EQ(f.Get("/api/v1/studies", {{"Host", host}}).status, 200) << host;
  }
}

TEST(HttpHostTest, NamesThatWereGivenAreServed) {
  DashboardFixture f({.hosts = {"Tuner.example"}});
  EXPECT_EQ(f.Get("/api/v1/studies", {{"Host", "tuner.example:80"}}).status, 200);
  EXPECT_EQ(f.Get("/api/v1/studies", {{"Host", "other.example"}}).status, 403);
}

TEST_F(HttpApiTest, EveryAnswerKeepsForeignPagesOut) {
  for (const std::string path :
       {"/", "/index.html", "/chart.min.js", "/api/v1/studies", "/api/v1/nothing", "/nothing.js"}) {
    const httplib::Response response = f.Get(path);
    EXPECT_THAT(response.get_header_value("Content-Security-Policy"),
                HasSubstr("default-src 'none'"))
        << path;
    EXPECT_THAT(response.get_header_value("Content-Security-Policy"), Not(HasSubstr("unsafe")));
    EXPECT_EQ(response.get_header_value("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(response.get_header_value("X-Frame-Options"), "DENY");
    EXPECT_EQ(response.get_header_value("Set-Cookie"), "");
    EXPECT_EQ(response.get_header_value("Access-Control-Allow-Origin"), "");
  }
}

TEST_F(HttpApiTest, NoRangeGivesMoreThanThereIs) {
  for (const std::string path : {"/healthz", "/index.html", "/api/v1/studies/s", "/api/v1/none"}) {
    const std::string whole = f.Get(path).body;
    for (const std::string range :
         {"bytes=0-4000", "bytes=-4000", "bytes=1-1,100000-200000", "bytes=99999999999-"}) {
      EXPECT_EQ(f.Get(path, {{"Range", range}}).body, whole) << path << " " << range;
    }
  }
}

TEST_F(HttpApiTest, ThePageComesAtItsOwnPathsAndOnceOnly) {
  const httplib::Response page = f.Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<!doctype html>"));
  EXPECT_EQ(f.Get("/studies/s").body, page.body);
  EXPECT_EQ(f.Get("/nothing.js").status, 404);
  const std::string etag = page.get_header_value("ETag");
  EXPECT_EQ(f.Get("/", {{"If-None-Match", etag}}).status, 304);
  EXPECT_THAT(f.Get("/chart.min.js").body, HasSubstr("Chart.js"));
}

TEST_F(HttpApiTest, OverviewFiltersAndPages) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(f.Create(FlatSpec(absl::StrCat("other-", i), 1)), IsOk());
  }
  ASSERT_EQ(f.Post("/api/v1/studies/other-3/stop").status, 200);
  f.Finish(0.25);
  const auto names = [this](const std::string& query) {
    std::vector<std::string> found;
    const nlohmann::json overview = f.GetJson("/api/v1/overview?" + query);
    for (const auto& row : overview["studies"]) found.push_back(row["name"]);
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(names("limit=2"), ElementsAre("other-4", "other-3"));
  EXPECT_THAT(names("limit=2&offset=4"), ElementsAre("other-0", "s"));
  EXPECT_THAT(names("q=OTHER&limit=1"), ElementsAre("other-4"));
  EXPECT_THAT(names("state=STOPPED"), ElementsAre("other-3"));
  EXPECT_THAT(names("state=STOPPED&state=PAUSED&q=s"), ElementsAre());
  const nlohmann::json all = f.GetJson("/api/v1/overview");
  EXPECT_EQ(all["total"], "6");
  EXPECT_EQ(all["workersConnected"], "1");
  EXPECT_EQ(all["journalWritable"], true);
  EXPECT_EQ(all["studies"][5]["bestError"], 0.25);
}

TEST_F(HttpApiTest, AFullDiskIsToldEverywhere) {
  EXPECT_EQ(f.Get("/healthz").body, "ok\n");
  f.journal.FillDisk();
  f.Create(FlatSpec("t", 1)).IgnoreError();
  ServerFixture::Await("503", [this] { return f.Get("/healthz").status == 503; });
  EXPECT_EQ(f.Get("/api/v1/studies/s/status").status, 503);
  EXPECT_THAT(f.Get("/metrics").body, HasSubstr("halving_journal_writable 0\n"));
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(2));
  EXPECT_EQ(f.Get("/healthz").status, 200);
  EXPECT_EQ(f.GetJson("/api/v1/overview")["journalWritable"], true);
}

TEST(HttpServerTest, AnAddressThatIsTakenIsRefusedNamingIt) {
  DashboardFixture f;
  HttpServer second(HttpServer::Options{});
  EXPECT_THAT(second.Start(f.dashboard->address()),
              StatusIs(absl::StatusCode::kUnavailable,
                       testing::AllOf(HasSubstr(f.dashboard->address()), HasSubstr("--http"))));
  for (const std::string listen : {"", "7080", "localhost", "::1:80", "127.0.0.1:70800"}) {
    HttpServer other({});
    EXPECT_THAT(other.Start(listen),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")))
        << listen;
  }
}

}  // namespace
}  // namespace halving
