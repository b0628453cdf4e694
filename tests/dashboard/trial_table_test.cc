// The table of trials: sorted, filtered and paged by the server.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Trials 1 to 5 of one rung with the errors .5, NaN, .3, .4, none; x is what the seed gives, kind
// goes a, b, a, b, a, and depth exists where kind is a.
class TrialTableTest : public testing::Test {
 protected:
  void SetUp() override {
    v1::StudySpec spec = FlatSpec("s", 9);
    *spec.add_parameters() = Parse<v1::Parameter>(R"pb(
      name: "kind"
      choice {
        values { string_value: "a" }
        values { string_value: "b<=1" }
      })pb");
    *spec.add_parameters() = Parse<v1::Parameter>(R"pb(
      name: "depth"
      int { min: 1 max: 9 }
      when {
        fields {
          key: "kind"
          value { string_value: "a" }
        }
      })pb");
    for (int i = 0; i < 5; ++i) {
      auto& fields = *spec.add_initial_configs()->mutable_fields();
      fields["x"].set_number_value(xs_[i]);
      fields["kind"].set_string_value(i % 2 == 0 ? "a" : "b<=1");
      if (i % 2 == 0) fields["depth"].set_number_value(9 - i);
    }
    ASSERT_THAT(f.Create(spec), IsOk());
    for (const double error : {0.5, std::nan(""), 0.3, 0.4}) f.Finish(error);
    f.Take("w", "last");
    // The mirror may be half a second old.
    ServerFixture::Await("all trials", [this] { return Ids("").size() == 5; });
    ServerFixture::Await("their states", [this] { return Ids("state=RUNNING").size() == 1; });
  }
  std::vector<int64_t> Ids(const std::string& query) {
    std::vector<int64_t> ids;
    const nlohmann::json table = f.GetJson("/api/v1/studies/s/table?" + query);
    for (const auto& trial : table["trials"]) {
      ids.push_back(std::stoll(trial["id"].get<std::string>()));
    }
    return ids;
  }

  const std::vector<double> xs_{0.5, 0.25, 0.75, 0.125, 1};
  DashboardFixture f;
};

TEST_F(TrialTableTest, SortsBestFirstAndThoseWithoutAnErrorLastEitherWay) {
  EXPECT_THAT(Ids(""), ElementsAre(3, 4, 1, 2, 5));
  EXPECT_THAT(Ids("sort=error&order=desc"), ElementsAre(1, 4, 3, 2, 5));
}

TEST_F(TrialTableTest, SortsByWhatTrialsHave) {
  EXPECT_THAT(Ids("sort=id&order=desc"), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(Ids("sort=config.x"), ElementsAre(4, 2, 1, 3, 5));
  EXPECT_THAT(Ids("sort=config.kind"), ElementsAre(1, 3, 5, 2, 4));
  EXPECT_THAT(Ids("sort=config.depth"), ElementsAre(5, 3, 1, 2, 4)) << "those without it last";
  EXPECT_THAT(Ids("sort=config.depth&order=desc"), ElementsAre(1, 3, 5, 2, 4));
  EXPECT_THAT(Ids("sort=state"), ElementsAre(5, 1, 2, 3, 4));
  for (const std::string key : {"round", "epochs", "attempts", "time"}) {
    EXPECT_EQ(Ids("sort=" + key).size(), 5) << key;
  }
}

TEST_F(TrialTableTest, FiltersByStateAndByConditionsThatMustAllHold) {
  EXPECT_THAT(Ids("state=COMPLETED&state=RUNNING&sort=id"), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Ids("where=x%3C%3D0.5&sort=id"), ElementsAre(1, 2, 4));
  EXPECT_THAT(Ids("where=x%3E%3D0.25&where=x%3C%3D0.5&sort=id"), ElementsAre(1, 2));
  EXPECT_THAT(Ids("where=error%3C%3D0.4&sort=id"), ElementsAre(3, 4)) << "NaN fulfils nothing";
  EXPECT_THAT(Ids("where=kind%3Da&sort=id"), ElementsAre(1, 3, 5));
  EXPECT_THAT(Ids("where=kind%3Db%3C%3D1&sort=id"), ElementsAre(2, 4));
  EXPECT_THAT(Ids("where=kind%3Dnone"), ElementsAre());
  EXPECT_THAT(Ids("where=depth%3D7"), ElementsAre(3));
  EXPECT_THAT(Ids("where=id%3D4"), ElementsAre(4));
}

TEST_F(TrialTableTest, PagesSayHowManyThereAre) {
  const nlohmann::json page = f.GetJson(
      "/api/v1/studies/s/table?sort=id&offset=1&limit=2"
      "&where=x%3C%3D0.75");
  EXPECT_EQ(page["matched"], "4");
  EXPECT_EQ(page["total"], "5");
  EXPECT_THAT(Ids("sort=id&offset=1&limit=2&where=x%3C%3D0.75"), ElementsAre(2, 3));
  EXPECT_THAT(Ids("offset=77"), ElementsAre());
  EXPECT_THAT(Ids("limit=0"), ElementsAre());
}

TEST_F(TrialTableTest, RefusesWhatItDoesNotKnow) {
  for (const std::string query :
       {"sort=size", "sort=config.none", "order=up", "state=ALIVE", "limit=201", "offset=-1",
        "offset=x", "where=x", "where=x%3C0.5", "where=x%3C%3Dmany", "where=kind%3C%3Da",
        "where=none%3D1", "where=%3D1"}) {
    const httplib::Response response = f.Get("/api/v1/studies/s/table?" + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_THAT(response.body, HasSubstr("INVALID_ARGUMENT")) << query;
  }
}

}  // namespace
}  // namespace halving
