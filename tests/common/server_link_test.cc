// How a program reaches a server: what is refused before anything is sent.
#include "common/server_link.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/api_token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_identity.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(ServerLinkTest, PlaintextLeavesThisMachineOnlyWhenItWasSaid) {
  for (const std::string here : {"127.0.0.1:7070", "localhost:7070", "[::1]:7070", "unix:/tmp/s"}) {
    EXPECT_THAT(ServerLink::Make(here, {}), IsOk()) << here;
  }
  for (const std::string there :
       {"10.0.0.1:7070", "tuner:7070", "[2001:db8::1]:7070", "128.0.0.1:1"}) {
    EXPECT_THAT(ServerLink::Make(there, {}).status(),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(there), HasSubstr("--tls-ca"), HasSubstr("--insecure"))));
    EXPECT_THAT(ServerLink::Make(there, {.insecure = true}), IsOk());
    EXPECT_THAT(ServerLink::Make(there, {.tls = true}), IsOk());
  }
}

TEST(ServerLinkTest, FilesAreCheckedAtOnce) {
  const TempDir folder;
  WriteTestFile(folder.File("ca"), "nothing");
  EXPECT_THAT(ServerLink::Make("tuner:7070", {.files = {.ca = folder.File("ca")}}).status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("--tls-ca")));
  WriteTestFile(folder.File("ca"), TestIdentity("ca").certificate_pem());
  EXPECT_THAT(ServerLink::Make("tuner:7070", {.files = {.ca = folder.File("ca")}}), IsOk());
}

TEST(TokenSourceTest, IsReadFromAFileAndReadAgain) {
  const TempDir folder;
  const std::string first = MakeApiToken().Text();
  const std::string second = MakeApiToken().Text();
  WriteTestFile(folder.File("token"), first + "\n");
  const auto source = TokenSource::Open(folder.File("token"));
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ((*source)->Header(), "Bearer " + first);
  WriteTestFile(folder.File("next"), second);
  std::filesystem::rename(folder.File("next"), folder.File("token"));
  EXPECT_EQ((*source)->Header(), "Bearer " + second);
  std::filesystem::remove(folder.File("token"));
  EXPECT_EQ((*source)->Header(), "Bearer " + second) << "until there is another one";
}

TEST(TokenSourceTest, WhatIsNoTokenIsRefusedAndNotShown) {
  const TempDir folder;
  const std::string secret = "hv_0123456789ab_" + std::string(63, 'e');
  WriteTestFile(folder.File("token"), secret);
  EXPECT_THAT(TokenSource::Open(folder.File("token")).status(),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(folder.File("token")), Not(HasSubstr("eeee")))));
  EXPECT_THAT(TokenSource::Open(folder.File("none")).status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(folder.File("none"))));
}

TEST(TokenSourceTest, WithoutAFileTheEnvironmentHasIt) {
  unsetenv("HALVING_TOKEN");
  EXPECT_THAT(TokenSource::Open(""), IsOkAndHolds(testing::IsNull()));
  const std::string token = MakeApiToken().Text();
  setenv("HALVING_TOKEN", token.c_str(), 1);
  const auto source = TokenSource::Open("");
  unsetenv("HALVING_TOKEN");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ((*source)->Header(), "Bearer " + token);
}

}  // namespace
}  // namespace halving
