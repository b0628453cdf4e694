// Who is asked for a right, when, and what they are told.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;

// "Bearer admin" may everything, "Bearer reader" may read, and nobody else may anything.
absl::StatusOr<HttpCaller> ByRole(const HttpCall& call) {
  if (call.authorization == "Bearer admin") return HttpCaller{.name = "a", .role = "admin"};
  if (call.authorization != "Bearer reader") return absl::UnauthenticatedError("a token is needed");
  if (call.method == "GET") return HttpCaller{.name = "r", .role = "reader"};
  return absl::PermissionDeniedError("a reader may not do this; it needs an admin");
}

class HttpAccessTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(f.Create(TwoRungs("s", 9)), IsOk()); }

  DashboardFixture f{HttpServer::Options{.authorize = ByRole}};
};

TEST_F(HttpAccessTest, OnlyThePagesFilesAndHealthNeedNoToken) {
  for (const std::string path :
       {"/", "/index.html", "/style.css", "/js/main.js", "/studies/s", "/healthz"}) {
    EXPECT_EQ(f.Get(path).status, 200) << path;
  }
  for (const std::string path :
       {"/api/v1/studies", "/api/v1/studies/s", "/api/v1/studies/s/figure",
        "/api/v1/studies/s/table", "/api/v1/studies/s/events", "/api/v1/events", "/api/v1/overview",
        "/api/v1/nothing", "/api", "/metrics", "/nothing.js", "/%61pi/v1/studies", "/%6detrics"}) {
    const httplib::Response refused = f.Get(path);
    EXPECT_EQ(refused.status, 401) << path;
    EXPECT_EQ(refused.get_header_value("WWW-Authenticate"), "Bearer") << path;
    EXPECT_THAT(refused.body, HasSubstr("UNAUTHENTICATED")) << path;
    EXPECT_EQ(f.Client()->Head(path)->status, 401) << path;
    if (absl::EndsWith(path, "events")) continue;  // It would not end.
    EXPECT_NE(f.Get(path, {{"Authorization", "Bearer reader"}}).status, 401) << path;
  }
}

TEST_F(HttpAccessTest, WhoMayOnlyReadChangesNothing) {
  const auto stop = [this](const std::string& token) {
    return f.Post("/api/v1/studies/s/stop", "",
                  {{"X-Halving", "1"}, {"Authorization", absl::StrCat("Bearer ", token)}});
  };
  EXPECT_EQ(stop("nobody").status, 401);
  const httplib::Response refused = stop("reader");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("needs an admin"));
  EXPECT_EQ(f.Status("s").study().state(), v1::STUDY_STATE_RUNNING);
  EXPECT_EQ(stop("admin").status, 200);
  EXPECT_EQ(f.Status("s").study().state(), v1::STUDY_STATE_STOPPED);
}

}  // namespace
}  // namespace halving
