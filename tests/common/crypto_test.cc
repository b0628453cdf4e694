#include "common/crypto.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(Sha256Test, KnowsTheVectorsOfFips180) {
  EXPECT_EQ(absl::BytesToHexString(Sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(absl::BytesToHexString(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(absl::BytesToHexString(Sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256StreamTest, GivesTheHashOfItsPartsTogether) {
  Sha256Stream stream;
  for (const char* part : {"a", "", "bc"}) stream.Update(part);
  EXPECT_EQ(stream.Finish(), Sha256("abc"));
  EXPECT_EQ(Sha256Stream().Finish(), Sha256(""));
}

TEST(HmacSha256Test, KnowsTheVectorsOfRfc4231) {
  EXPECT_EQ(absl::BytesToHexString(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(absl::BytesToHexString(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      absl::BytesToHexString(HmacSha256(std::string(131, '\xaa'),
                                        "Test Using Larger Than Block-Size Key - Hash Key First")),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256Test, AKeyServesManyTimes) {
  const HmacSha256Key key("Jefe");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(key.Of("what do ya want for nothing?"),
              HmacSha256("Jefe", "what do ya want for nothing?"));
    EXPECT_NE(key.Of("what do ya want?"), key.Of("what do ya want for nothing?"));
  }
}

TEST(HmacSha256Test, TakesNoData) {
  EXPECT_EQ(HmacSha256("key", absl::string_view()), HmacSha256("key", ""));
  EXPECT_EQ(HmacSha256("key", "").size(), 32u);
}

TEST(EqualInConstantTimeTest, ComparesContentAndLength) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_FALSE(EqualInConstantTime(absl::string_view("a\0b", 3), absl::string_view("a\0c", 3)));
}

}  // namespace
}  // namespace halving
