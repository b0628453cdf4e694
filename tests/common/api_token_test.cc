// Tokens: what their text is, and what is none.
#include "common/api_token.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(ApiTokenTest, ComesBackAsItWas) {
  const ApiToken token = MakeApiToken();
  EXPECT_EQ(token.Text().size(), 3U + 12 + 1 + 64);
  const auto parsed = ParseApiToken(token.Text());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->id, token.id);
  EXPECT_EQ(parsed->secret, token.secret);
  EXPECT_EQ(HashOf(*parsed), HashOf(token));
}

TEST(ApiTokenTest, NoTwoAreAlike) {
  std::set<std::string> ids;
  std::set<std::string> secrets;
  for (int i = 0; i < 1000; ++i) {
    const ApiToken token = MakeApiToken();
    ids.insert(token.id);
    secrets.insert(token.secret);
  }
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(secrets.size(), 1000U);
}

TEST(ApiTokenTest, WhatIsNoneIsTakenForNone) {
  const std::string text = MakeApiToken().Text();
  std::string upper = text;
  upper[5] = 'A';
  std::string nul = text;
  nul[20] = '\0';
  for (const std::string& bad :
       {std::string(), text.substr(1), text.substr(0, text.size() - 1), text + "0", " " + text,
        upper, nul, "hx" + text.substr(2), std::string(text.size(), 'f')}) {
    EXPECT_FALSE(ParseApiToken(bad).has_value()) << bad;
  }
}

TEST(ApiTokenTest, AHeaderSaysBearerInAnyCase) {
  const std::string text = MakeApiToken().Text();
  EXPECT_TRUE(ParseBearer("Bearer " + text).has_value());
  EXPECT_TRUE(ParseBearer("bearer   " + text + " ").has_value());
  for (const std::string& bad : {text, "Basic " + text, "Bearer" + text, std::string("Bearer ")}) {
    EXPECT_FALSE(ParseBearer(bad).has_value()) << bad;
  }
}

TEST(ApiTokenTest, TheHashDependsOnTheIdToo) {
  ApiToken token = MakeApiToken();
  const std::string hash = HashOf(token);
  token.id[0] = token.id[0] == '0' ? '1' : '0';
  EXPECT_NE(HashOf(token), hash);
}

}  // namespace
}  // namespace halving
