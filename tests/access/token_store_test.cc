// The file of the tokens.
#include "server/access/token_store.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

class TokenStoreTest : public testing::Test {
 protected:
  TokenStore Open() {
    absl::StatusOr<TokenStore> store = TokenStore::Open(file_);
    HV_CHECK(store.ok()) << store.status();
    return *std::move(store);
  }
  static TokenRecord Record(const std::string& name) {
    return {.name = name,
            .id = "0123456789ab",
            .role = Role::kWorker,
            .owner = "vision",
            .created = absl::FromUnixSeconds(1'700'000'000),
            .expires = absl::FromUnixSeconds(1'800'000'000),
            .max_calls_per_second = 2.5,
            .hash = std::string(32, '\x80')};
  }

  const TempDir folder_;
  const std::string file_ = folder_.File("tokens.json");
};

TEST_F(TokenStoreTest, WhatWasAddedIsThereAfterARestart) {
  ASSERT_THAT(Open().Add(Record("a")), IsOk());
  TokenStore store = Open();
  ASSERT_THAT(store.Add({.name = "b", .id = "0", .hash = std::string(32, 'h')}), IsOk());
  const TokenStore again = Open();
  ASSERT_THAT(again.tokens(), SizeIs(2));
  const TokenRecord& a = again.tokens()[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.id, "0123456789ab");
  EXPECT_EQ(a.role, Role::kWorker);
  EXPECT_EQ(a.owner, "vision");
  EXPECT_EQ(a.created, Record("a").created);
  EXPECT_EQ(a.expires, Record("a").expires);
  EXPECT_EQ(a.max_calls_per_second, 2.5);
  EXPECT_EQ(a.hash, Record("a").hash);
  EXPECT_EQ(again.tokens()[1].expires, absl::InfiniteFuture());
}

TEST_F(TokenStoreTest, WhatWasRemovedIsGone) {
  TokenStore store = Open();
  ASSERT_THAT(store.Add(Record("a")), IsOk());
  ASSERT_THAT(store.Remove("a"), IsOk());
  EXPECT_THAT(store.tokens(), SizeIs(0));
  EXPECT_THAT(Open().tokens(), SizeIs(0));
  EXPECT_THAT(store.Remove("a"), StatusIs(StatusCode::kNotFound, HasSubstr("\"a\"")));
}

TEST_F(TokenStoreTest, ANameIsThereOnce) {
  TokenStore store = Open();
  ASSERT_THAT(store.Add(Record("a")), IsOk());
  EXPECT_THAT(store.Add(Record("a")), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(Open().tokens(), SizeIs(1));
}

TEST_F(TokenStoreTest, TheFileIsForItsOwnerOnly) {
  ASSERT_THAT(Open().Add(Record("a")), IsOk());
  struct stat about = {};
  ASSERT_EQ(stat(file_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
}

TEST_F(TokenStoreTest, AFileThatIsNotOursIsRefusedAndLeft) {
  for (const std::string bad :
       {"", "x", "{}", R"({"version": 2, "tokens": []})", R"({"version": 1, "tokens": [{}]})",
        R"({"version": 1, "tokens": [{"name": "a", "id": "0", "role": "root", "sha256": ""}]})",
        R"({"version": 1, "tokens": [{"name": "a", "id": "0", "role": "admin", "sha256": "0"}]})",
        R"({"version": 1, "tokens": [{"name": "", "id": "0", "role": "admin", "sha256": "0"}]})"}) {
    WriteTestFile(file_, bad);
    EXPECT_THAT(TokenStore::Open(file_).status(),
                StatusIs(StatusCode::kFailedPrecondition, HasSubstr(file_)))
        << bad;
    std::ifstream stream(file_);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), bad);
  }
}

TEST_F(TokenStoreTest, AWriteThatFailsChangesNothing) {
  TokenStore store = *TokenStore::Open(folder_.File("no such folder/tokens.json"));
  EXPECT_FALSE(store.Add(Record("a")).ok());
  EXPECT_THAT(store.tokens(), SizeIs(0));
}

}  // namespace
}  // namespace halving
