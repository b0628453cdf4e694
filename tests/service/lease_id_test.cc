// Lease ids come back as they went out, and nobody can make one.
#include "server/service/lease_id.h"

#include <limits>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

const LeaseIds& Ids() {
  static const auto* const ids = new LeaseIds(std::string(32, 's'));
  return *ids;
}

TEST(LeaseIdTest, ComesBackAsItWas) {
  for (const LeaseKey& lease :
       {LeaseKey{1, 1, 1}, LeaseKey{7, 12'345, 3},
        LeaseKey{std::numeric_limits<StudyUid>::max(), std::numeric_limits<TrialId>::max(),
                 std::numeric_limits<int32_t>::max()}}) {
    EXPECT_THAT(Ids().Decode(Ids().Encode(lease)), IsOkAndHolds(testing::Eq(lease)));
  }
}

TEST(LeaseIdTest, NamesOneAttemptOnly) {
  std::set<std::string> ids;
  for (StudyUid study : {1, 11}) {
    for (TrialId trial : {1, 11, 111}) {
      for (int32_t attempt : {1, 11}) ids.insert(Ids().Encode({study, trial, attempt}));
    }
  }
  EXPECT_EQ(ids.size(), 12u);
}

TEST(LeaseIdTest, WithAnyCharacterChangedIsRefused) {
  const std::string id = Ids().Encode({7, 12, 3});
  for (size_t i = 0; i < id.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = id;
      changed[i] = static_cast<char>(c);
      if (changed == id) continue;
      ASSERT_THAT(Ids().Decode(changed), StatusIs(StatusCode::kNotFound)) << changed;
    }
  }
}

TEST(LeaseIdTest, CutShortOrLengthenedIsRefused) {
  const std::string id = Ids().Encode({7, 12, 3});
  for (size_t size = 0; size < id.size(); ++size) {
    EXPECT_THAT(Ids().Decode(id.substr(0, size)), StatusIs(StatusCode::kNotFound)) << size;
  }
  for (const std::string& longer : {id + "0", id + ".", " " + id, "0" + id, id + std::string(1, 0)})
    EXPECT_THAT(Ids().Decode(longer), StatusIs(StatusCode::kNotFound)) << longer;
}

TEST(LeaseIdTest, OfAnotherServerIsRefused) {
  const LeaseIds other(std::string(32, 't'));
  EXPECT_THAT(Ids().Decode(other.Encode({7, 12, 3})), StatusIs(StatusCode::kNotFound));
}

TEST(LeaseIdTest, ThatIsNoneIsRefusedSayingWhatToDo) {
  for (const std::string id : {"", ".", "...", "1.1.1", "1.1.1.", "x"}) {
    EXPECT_THAT(Ids().Decode(id),
                StatusIs(StatusCode::kNotFound, AllOf(HasSubstr(absl::StrCat("\"", id, "\"")),
                                                      HasSubstr("from the assignment"))));
  }
  EXPECT_THAT(Ids().Decode(absl::string_view()), StatusIs(StatusCode::kNotFound));
}

TEST(LeaseIdTest, ThatIsLongOrBinaryIsShownShortAndReadable) {
  EXPECT_THAT(Ids().Decode(std::string(100'000, '\xff')).status(),
              StatusIs(StatusCode::kNotFound,
                       AllOf(HasSubstr("\\xff"), testing::SizeIs(testing::Lt(1000u)))));
}

}  // namespace
}  // namespace halving
