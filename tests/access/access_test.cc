// Who may call what, and how often.
#include "server/access/access.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/access/method_rules.h"
#include "tests/support/fake_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kGetStudy[] = "/halving.v1.StudyService/GetStudy";
constexpr char kBackup[] = "/halving.v1.AdminService/Backup";

class AccessTest : public testing::Test {
 protected:
  AccessTest() { Open({.needs_tokens = true}); }

  void Open(const Access::Options& options) {
    absl::StatusOr<std::unique_ptr<Access>> opened = Access::Open(folder_.path(), &clock_, options);
    HV_CHECK(opened.ok()) << opened.status();
    access_ = *std::move(opened);
  }
  std::string AdminToken() const {
    std::ifstream stream(Access::AdminTokenFile(folder_.path()));
    std::string text;
    stream >> text;
    return text;
  }
  // The header of a new token.
  std::string Make(const Access::NewToken& token) {
    absl::StatusOr<Access::CreatedToken> made = access_->Create(token);
    HV_CHECK(made.ok()) << made.status();
    return "Bearer " + made->text;
  }

  const TempDir folder_;
  FakeClock clock_;
  std::unique_ptr<Access> access_;
};

TEST_F(AccessTest, TheFirstStartMakesAnAdminToken) {
  const auto caller = access_->Admit("Bearer " + AdminToken(), kBackup);
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->role, Role::kAdmin);
  const std::string before = AdminToken();
  Open({.needs_tokens = true});
  EXPECT_EQ(AdminToken(), before) << "the second start makes none";
  EXPECT_THAT(access_->List(), SizeIs(1));
}

TEST_F(AccessTest, ALostAdminTokenIsReplacedOffline) {
  const std::string before = AdminToken();
  ASSERT_THAT(Access::MakeAdminToken(folder_.path(), &clock_), IsOk());
  EXPECT_NE(AdminToken(), before);
  Open({.needs_tokens = true});
  EXPECT_THAT(access_->Admit("Bearer " + AdminToken(), kBackup), IsOk());
}

TEST_F(AccessTest, WhereNoneIsNeededEverybodyIsAnAdmin) {
  Open({.needs_tokens = false});
  const auto caller = access_->Admit("", kBackup);
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->role, Role::kAdmin);
}

TEST_F(AccessTest, WithoutAValidTokenNobodyIsKnown) {
  const std::string good = AdminToken();
  std::string other_secret = good;
  other_secret.back() = other_secret.back() == '0' ? '1' : '0';
  std::string other_id = good;
  other_id[4] = other_id[4] == '0' ? '1' : '0';
  EXPECT_THAT(access_->Identify(""),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("HALVING_TOKEN")));
  for (const std::string& bad :
       {good, "Basic " + good, "Bearer " + other_secret, "Bearer " + other_id,
        std::string("Bearer "), "Bearer " + good.substr(0, good.size() - 1),
        std::string("Bearer hv__"), std::string("Bearer \0x", 9)}) {
    const auto caller = access_->Identify(bad);
    EXPECT_THAT(caller, StatusIs(StatusCode::kUnauthenticated)) << bad;
    EXPECT_THAT(std::string(caller.status().message()), Not(HasSubstr(good.substr(20)))) << bad;
  }
}

TEST_F(AccessTest, ARevokedTokenEndsAtOnceAndForGood) {
  const std::string reader = Make({.name = "r", .role = Role::kReader});
  EXPECT_THAT(access_->Admit(reader, kGetStudy), IsOk());
  ASSERT_THAT(access_->Revoke("r"), IsOk());
  EXPECT_THAT(access_->Admit(reader, kGetStudy), StatusIs(StatusCode::kUnauthenticated));
  Open({.needs_tokens = true});
  EXPECT_THAT(access_->Admit(reader, kGetStudy), StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(AccessTest, ATokenEndsWithItsLifetime) {
  const std::string reader = Make({.name = "r", .role = Role::kReader, .lifetime = absl::Hours(1)});
  clock_.Advance(absl::Minutes(59));
  EXPECT_THAT(access_->Admit(reader, kGetStudy), IsOk());
  clock_.Advance(absl::Minutes(2));
  EXPECT_THAT(access_->Admit(reader, kGetStudy),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("expired")));
}

TEST_F(AccessTest, TheLastAdminTokenStays) {
  EXPECT_THAT(access_->Revoke("admin"), StatusIs(StatusCode::kFailedPrecondition));
  Make({.name = "team", .role = Role::kAdmin, .owner = "vision"});
  Make({.name = "brief", .role = Role::kAdmin, .lifetime = absl::Hours(1)});
  EXPECT_THAT(access_->Revoke("admin"), StatusIs(StatusCode::kFailedPrecondition))
      << "neither reaches everything for ever";
  Make({.name = "second", .role = Role::kAdmin});
  EXPECT_THAT(access_->Revoke("admin"), IsOk());
}

TEST_F(AccessTest, EachRoleMayCallWhatItsRuleSaysAndNothingElse) {
  for (const MethodRule& rule : MethodRules()) {
    const auto may = [&](Role role, const std::string& owner) {
      return Access::MayCall({.token = "t", .role = role, .owner = owner}, rule.path).ok();
    };
    EXPECT_EQ(may(Role::kReader, ""), rule.reader) << rule.path;
    EXPECT_EQ(may(Role::kWorker, ""), rule.worker) << rule.path;
    EXPECT_TRUE(may(Role::kAdmin, "")) << rule.path;
    EXPECT_EQ(may(Role::kAdmin, "vision"), !rule.whole_server) << rule.path;
    EXPECT_EQ(may(Role::kReader, "vision"), rule.reader && !rule.whole_server) << rule.path;
  }
}

TEST_F(AccessTest, WhatHasNoRuleNobodyMayCall) {
  for (const std::string path :
       {"", "/", "/halving.v1.StudyService/Future", "/halving.v1.StudyService/getstudy",
        "/halving.v1.StudyService/GetStudy/", "//halving.v1.StudyService/GetStudy"}) {
    EXPECT_THAT(access_->Admit("Bearer " + AdminToken(), path),
                StatusIs(StatusCode::kPermissionDenied))
        << path;
  }
}

TEST_F(AccessTest, ARefusalNamesTheTokenTheRoleAndWhatIsNeeded) {
  const std::string worker = Make({.name = "pool", .role = Role::kWorker});
  EXPECT_THAT(access_->Admit(worker, kGetStudy),
              StatusIs(StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("\"pool\""), HasSubstr("worker"), HasSubstr("reader"))));
}

TEST_F(AccessTest, ATokenThatCallsTooOftenWaits) {
  const std::string reader = Make({.name = "r", .role = Role::kReader, .max_calls_per_second = 10});
  const auto calls = [&] {
    int admitted = 0;
    while (admitted < 1000 && access_->Admit(reader, kGetStudy).ok()) ++admitted;
    return admitted;
  };
  EXPECT_EQ(calls(), 20) << "a burst of two seconds";
  EXPECT_THAT(access_->Admit(reader, kGetStudy),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("\"r\"")));
  EXPECT_THAT(access_->Admit("Bearer " + AdminToken(), kGetStudy), IsOk()) << "others go on";
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(calls(), 10);
}

TEST_F(AccessTest, AWorkerThatCallsTooOftenIsToldToTryAgain) {
  const std::string worker =
      Make({.name = "w", .role = Role::kWorker, .max_calls_per_second = 0.001});
  EXPECT_THAT(access_->Admit(worker, "/halving.v1.WorkerService/Report"), IsOk());
  EXPECT_THAT(access_->Admit(worker, "/halving.v1.WorkerService/Report"),
              StatusIs(StatusCode::kUnavailable));
}

TEST_F(AccessTest, ACallThatTakesLongIsToldWhenItsTokenEnds) {
  const auto caller =
      access_->Identify(Make({.name = "r", .role = Role::kReader, .lifetime = absl::Hours(1)}));
  ASSERT_THAT(caller, IsOk());
  EXPECT_THAT(access_->StillValid(*caller), IsOk());
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(access_->StillValid(*caller), StatusIs(StatusCode::kUnauthenticated));
  const auto second = access_->Identify(Make({.name = "s", .role = Role::kReader}));
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT(access_->Revoke("s"), IsOk());
  EXPECT_THAT(access_->StillValid(*second), StatusIs(StatusCode::kUnauthenticated));
  EXPECT_THAT(access_->StillValid(Caller{}), IsOk()) << "where none is needed";
}

TEST_F(AccessTest, TheServersRateIsForTokensWithoutTheirOwn) {
  Open({.needs_tokens = true, .max_calls_per_second = 1});
  const std::string reader = Make({.name = "r", .role = Role::kReader});
  const std::string fast = Make({.name = "f", .role = Role::kReader, .max_calls_per_second = 1000});
  EXPECT_THAT(access_->Admit(reader, kGetStudy), IsOk());
  EXPECT_THAT(access_->Admit(reader, kGetStudy), IsOk());
  EXPECT_THAT(access_->Admit(reader, kGetStudy), StatusIs(StatusCode::kResourceExhausted));
  for (int i = 0; i < 100; ++i) EXPECT_THAT(access_->Admit(fast, kGetStudy), IsOk());
}

TEST_F(AccessTest, WhatIsNoTokenToMakeIsRefused) {
  for (const Access::NewToken& bad :
       {Access::NewToken{.name = ""}, Access::NewToken{.name = "a b"},
        Access::NewToken{.name = "../x"}, Access::NewToken{.name = std::string(65, 'a')},
        Access::NewToken{.name = "a", .owner = "x/y"},
        Access::NewToken{.name = "a", .lifetime = absl::ZeroDuration()},
        Access::NewToken{.name = "a", .max_calls_per_second = 1e-12},
        Access::NewToken{.name = "a", .max_calls_per_second = -1}}) {
    EXPECT_THAT(access_->Create(bad), StatusIs(StatusCode::kInvalidArgument)) << bad.name;
  }
  EXPECT_THAT(access_->List(), SizeIs(1));
}

TEST_F(AccessTest, NoSecretIsOnTheDisk) {
  const std::string header = Make({.name = "r", .role = Role::kReader});
  std::ifstream stream(folder_.File("tokens.json"));
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  EXPECT_THAT(text, HasSubstr("\"r\""));
  EXPECT_THAT(text, Not(HasSubstr(header.substr(header.size() - 64))));
}

TEST_F(AccessTest, TheListTellsWhenATokenWasUsed) {
  const std::string reader = Make({.name = "r", .role = Role::kReader});
  EXPECT_EQ(access_->List()[1].last_used, absl::InfinitePast());
  clock_.Advance(absl::Hours(1));
  ASSERT_THAT(access_->Admit(reader, kGetStudy), IsOk());
  EXPECT_EQ(access_->List()[1].last_used, clock_.Now());
}

}  // namespace
}  // namespace halving
