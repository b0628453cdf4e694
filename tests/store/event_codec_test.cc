// Events to bytes and back, in this release and from all earlier ones.
#include "server/store/event_codec.h"

#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/sample_events.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::HasSubstr;

class EveryKindTest : public testing::TestWithParam<Event> {};

TEST_P(EveryKindTest, ComesBackAsItWas) {
  const absl::StatusOr<Event> decoded = DecodeEvent(EncodeEvent(GetParam()));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_TRUE(ComparableNan(*decoded) == ComparableNan(GetParam()));
}

TEST_P(EveryKindTest, HasTheSameBytesEachTime) {
  EXPECT_EQ(EncodeEvent(GetParam()), EncodeEvent(GetParam()));
}

// The hash in the journal sees every bit; this is about what a damaged event can do to the server.
TEST_P(EveryKindTest, CutShortIsRefusedOrReadWithoutHarm) {
  const std::string bytes = EncodeEvent(GetParam());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::StatusOr<Event> decoded = DecodeEvent(bytes.substr(0, size));
    if (decoded.ok()) {
      EXPECT_EQ(decoded->index(), GetParam().index()) << size << " bytes";
    } else {
      EXPECT_THAT(decoded, StatusIs(absl::StatusCode::kDataLoss)) << size << " bytes";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryKindTest, testing::ValuesIn(OneOfEachKind()),
                         [](const auto& info) { return KindOf(info.param); });

TEST(EventCodecTest, EveryDurableKindHasASample) {
  std::vector<size_t> kinds;
  for (const Event& event : OneOfEachKind()) {
    EXPECT_TRUE(IsDurable(event)) << KindOf(event);
    kinds.push_back(event.index());
  }
  std::vector<size_t> durable(19);
  for (size_t i = 0; i < durable.size(); ++i) durable[i] = i;
  EXPECT_EQ(kinds, durable);
}

TEST(EventCodecTest, AnEmptyEventOfEachKindComesBackAsItWas) {
  for (const Event& event :
       {Event(StudyCreated{.spec = {.keep_checkpoints = 3}}), Event(TrialSampled{}),
        Event(TrialLeased{}), Event(TrialReported{}), Event(RungClosed{}), Event(WorkerStarted{}),
        Event(StudyDeleted{}), Event(TrialProgressed{}), Event(TrialPromoted{})}) {
    const absl::StatusOr<Event> decoded = DecodeEvent(EncodeEvent(event));
    ASSERT_THAT(decoded, IsOk()) << KindOf(event);
    EXPECT_TRUE(*decoded == event) << KindOf(event);
  }
}

TEST(EventCodecTest, KeptCheckpointsComeBackAsTheyWereAndWereThreeBeforeThereWasAChoice) {
  const Event event = StudyCreated{.study = 1, .spec = {.keep_checkpoints = 7}};
  EXPECT_TRUE(*DecodeEvent(EncodeEvent(event)) == event);
  const Event before = StudyCreated{.study = 1};
  EXPECT_EQ(std::get<StudyCreated>(*DecodeEvent(EncodeEvent(before))).spec.keep_checkpoints, 3);
}

TEST(EventCodecTest, WhatVersion2AddedComesBackAsItWas) {
  StudyCreated created = {.study = 7, .spec = {.name = "s", .keep_checkpoints = 3}};
  created.spec.parameters = {
      {.name = "optimizer", .domain = Choice{{std::string("sgd"), 2.0}}},
      {.name = "momentum",
       .domain = FloatRange{.min = 0, .max = 1},
       .when = {{"optimizer", {std::string("sgd"), 2.0, false}}, {"none", {}}}}};
  created.spec.warm_start = {.study = "other", .trials = 4};
  created.spec.limits.no_improvement = {.trials = 20, .delta = 0.001};
  const StudyExtended extended = {.study = 7, .limits = created.spec.limits};
  const TrialSampled sampled = {.study = 7, .trial = 3, .config = {1, kInactive, 0.5}};
  for (const Event& event : {Event(created), Event(extended), Event(sampled)}) {
    const absl::StatusOr<Event> decoded = DecodeEvent(EncodeEvent(event));
    ASSERT_THAT(decoded, IsOk()) << KindOf(event);
    EXPECT_TRUE(*decoded == event) << KindOf(event);
  }
}

TEST(EventCodecTest, TextThatIsNoUtf8ComesBackAsItWas) {
  const Event event = AttemptFailed{.study = 1, .trial = 1, .attempt = 1, .reason = "cut \xe2\x82"};
  const absl::StatusOr<Event> decoded = DecodeEvent(EncodeEvent(event));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_TRUE(*decoded == event);
}

TEST(EventCodecTest, DurationsWithoutEndAreCutToWhatFits) {
  const Event event = TrialReported{.study = 1, .train_time = absl::InfiniteDuration()};
  const absl::StatusOr<Event> decoded = DecodeEvent(EncodeEvent(event));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(std::get<TrialReported>(*decoded).train_time,
            absl::Nanoseconds(std::numeric_limits<int64_t>::max()));
}

TEST(EventCodecTest, BytesThatAreNoEventAreRefused) {
  EXPECT_THAT(DecodeEvent("\xff\xff\xff"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("3 bytes")));
  EXPECT_THAT(DecodeEvent(""),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("this version does not know")));
}

TEST(EventCodecTest, AKindOfALaterVersionIsRefused) {
  // Field 99, an empty message.
  EXPECT_THAT(DecodeEvent(absl::string_view("\x9a\x06\x00", 3)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("this version does not know")));
}

TEST(EventCodecDeathTest, WhatStaysInMemoryHasNoBytes) {
  EXPECT_DEATH(EncodeEvent(WorkerSeen{}), "WorkerSeen is not durable");
  EXPECT_DEATH(EncodeEvent(LeaseRenewed{}), "LeaseRenewed is not durable");
  EXPECT_DEATH(EncodeEvent(TimePassed{}), "TimePassed is not durable");
}

// As journals on people's disks have them. A new release may write other bytes, but must go on to
// read these as what they were: never change a line, only add.
const std::map<std::string, std::string>& Version1() {
  static const auto* const bytes = new std::map<std::string, std::string>{
      {"StudyCreated",
       "0a920208071283020a076c656e65745f3712056c656e65741a0e7b22636c6173736573223a31307d2217"
       "0a0a62617463685f73697a651a0908101080021801200822250a0d6c6561726e696e675f726174651214"
       "097b14ae47e17a843f11000000000000f03f1801221f0a04756e697422170a061a0472656c750a091100"
       "000000000004400a0208012a410a170a0a62617463685f73697a6512091100000000000040400a1a0a0d"
       "6c6561726e696e675f726174651209119a9999999999b93f0a0a0a04756e6974120208013002380a4003"
       "49000000000000f83f500258026218081e100218f4032080c0a791a9ba02299a9999999999a93f680470"
       "80d2e191d102791032547698badcfe18959a97ece39fe7cb17"},
      {"StudyPaused", "120808071080e497d012"},
      {"StudyResumed", "1a0c080710959a97ece39fe7cb17"},
      {"StudyEnded",
       "2228080710041a1273746f7070656420627920726571756573742080f882ad1628959a97ece39fe7cb17"},
      {"StudyExtended", "2a190807120b083c29000000000000f0ff18959a97ece39fe7cb17"},
      {"StudyDeleted", "32020807"},
      {"RunningTimeCounted", "3a0e0807100118959a97ece39fe7cb17"},
      {"WorkerStarted", "42160a056770752d31120361626318959a97ece39fe7cb17"},
      {"TrialSampled",
       "4a2408071003180220012802321800000000000040409a9999999999b93f0000000000000040"},
      {"TrialLeased",
       "522708071003180222056770752d312a036162633202723138044202633148ffa1dfb4faffffffff01"},
      {"AttemptFailed",
       "5a3708071003180220032a0d6f7574206f66206d656d6f727930013a1209010000000000008011020000"
       "000000000040959a97ece39fe7cb17"},
      {"AttemptReturned",
       "623108071003180222076c656176696e672a026330321209010000000000008011020000000000000038"
       "959a97ece39fe7cb17"},
      {"LateReasonRecorded",
       "6a2408071003180222046c6174652a0263303212090100000000000080110200000000000000"},
      {"TrialProgressed",
       "723f080710031802220b080511000000000000e03f220b080611000000000000f87f220b080711000000"
       "000000f07f2a0263323006380140959a97ece39fe7cb17"},
      {"TrialReported",
       "7a7808071003180221000000000000f87f2a0b080811000000000000f0ff2a0b08091100000000000000"
       "80320e0a0362616411000000000000f87f32150a0a746573745f6572726f7211000000000000d03f3a02"
       "63334080b1b5cc044a1209010000000000008011020000000000000050959a97ece39fe7cb17"},
      {"CheckpointStored",
       "8a015c0807100318022228372e332e322e362e3030313132323333343435353636373738383939616162"
       "6263636464656566662806308080808080a0013a2000ff78787878787878787878787878787878787878"
       "7878787878787878787878"},
      {"CheckpointLost",
       "92012e080710031a28372e332e322e362e30303131323233333434353536363737383839396161626263"
       "63646465656666"},
      {"RungClosed", "82011308071001180220012a02030132030204053801"},
      // Since version 2.
      {"TrialPromoted", "9a0106080710031801"},
  };
  return *bytes;
}

TEST_P(EveryKindTest, IsReadFromTheBytesOfVersion1) {
  const absl::StatusOr<Event> decoded =
      DecodeEvent(absl::HexStringToBytes(Version1().at(KindOf(GetParam()))));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_TRUE(ComparableNan(*decoded) == ComparableNan(GetParam()))
      << "now written as " << absl::BytesToHexString(EncodeEvent(GetParam()));
}

}  // namespace
}  // namespace halving
