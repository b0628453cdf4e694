#include "cli/text.h"

#include <cmath>
#include <limits>

#include "cli/names.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct PrintableCase {
  std::string name;
  std::string text;
  std::string printable;
};
class PrintableTest : public testing::TestWithParam<PrintableCase> {};

TEST_P(PrintableTest, HasNoControls) {
  EXPECT_EQ(Printable(GetParam().text), GetParam().printable);
}

INSTANTIATE_TEST_SUITE_P(, PrintableTest,
                         testing::ValuesIn(std::vector<PrintableCase>{
                             {"Plain", "gpu-1 \"x\" \\", "gpu-1 \"x\" \\"},
                             {"Umlaut", "grün 漢字 🙂", "grün 漢字 🙂"},
                             {"LineEnds", "a\nb\r\tc", "a\\nb\\r\\tc"},
                             {"Escape", "\x1b[2J", "\\x1b[2J"},
                             {"Nul", std::string("a\0b", 3), "a\\x00b"},
                             {"Delete", "\x7f", "\\x7f"},
                             {"C1InUtf8", "\xc2\x9b", "\\u009b"},
                             {"RightToLeftOverride", "\u202e", "\\u202e"},
                             {"ZeroWidth", "a\u200bb", "a\\u200bb"},
                             {"LineSeparator", "\u2028", "\\u2028"},
                             {"TagCharacter", "\U000E0041", "\\U000e0041"},
                             {"BadByte", "a\xff", "a\\xff"},
                             {"RawC1Byte", "\x9b", "\\x9b"},
                             {"Overlong", "\xc0\x9b", "\\xc0\\x9b"},
                             {"OverlongOfThree", "\xe0\x80\x9b", "\\xe0\\x80\\x9b"},
                             {"Surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
                             {"CutOff", "\xe6\xbc", "\\xe6\\xbc"},
                         }),
                         [](const auto& info) { return info.param.name; });

struct NumberCase {
  double number;
  std::string text;
};
class FormatErrorTest : public testing::TestWithParam<NumberCase> {};

TEST_P(FormatErrorTest, HasFourSignificantDigits) {
  EXPECT_EQ(FormatError(GetParam().number), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(, FormatErrorTest,
                         testing::ValuesIn(std::vector<NumberCase>{
                             {0.27, "0.2700"},
                             {0.27344999, "0.2734"},
                             {12.3456, "12.35"},
                             {1234, "1234"},
                             {123456, "1.235e+05"},
                             {0, "0.000"},
                             {-1.5, "-1.500"},
                             {0.00001, "1.000e-05"},
                             {std::nan(""), "NaN"},
                             {-kInfinity, "-inf"},
                         }));

TEST(FormatExactTest, ReadsBackAsTheSameNumber) {
  for (const double number : {0.1, 1.0 / 3, 1e-300, 123456789.125, -0.25}) {
    EXPECT_EQ(std::stod(FormatExact(number)), number);
  }
  EXPECT_EQ(FormatExact(0.1), "0.1");
  EXPECT_EQ(FormatExact(3), "3");
  EXPECT_EQ(FormatExact(kInfinity), "inf");
}

struct DurationCase {
  absl::Duration duration;
  std::string text;
};
class HumanDurationTest : public testing::TestWithParam<DurationCase> {};

TEST_P(HumanDurationTest, IsShort) {
  EXPECT_EQ(HumanDuration(GetParam().duration), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(, HumanDurationTest,
                         testing::ValuesIn(std::vector<DurationCase>{
                             {absl::ZeroDuration(), "0.0s"},
                             {absl::Milliseconds(420), "0.4s"},
                             {absl::Milliseconds(9940), "9.9s"},
                             {absl::Milliseconds(9960), "10s"},
                             {absl::Seconds(59), "59s"},
                             {absl::Milliseconds(59600), "1m 00s"},
                             {absl::Seconds(92), "1m 32s"},
                             {absl::Minutes(185), "3h 05m"},
                             {absl::Hours(52), "2d 04h"},
                             {-absl::Seconds(92), "-1m 32s"},
                         }));

struct ParseDurationCase {
  std::string text;
  absl::Duration duration;  // Infinite: it must be refused.
};
class ParseHumanDurationTest : public testing::TestWithParam<ParseDurationCase> {};

TEST_P(ParseHumanDurationTest, Parse) {
  const auto parsed = ParseHumanDuration(GetParam().text);
  ASSERT_EQ(parsed.ok(), GetParam().duration != absl::InfiniteDuration()) << GetParam().text;
  if (parsed.ok()) {
    EXPECT_EQ(*parsed, GetParam().duration);
  }
}

INSTANTIATE_TEST_SUITE_P(, ParseHumanDurationTest,
                         testing::ValuesIn(std::vector<ParseDurationCase>{
                             {"90", absl::Seconds(90)},
                             {"0", absl::ZeroDuration()},
                             {"1.5s", absl::Milliseconds(1500)},
                             {"1h30m", absl::Minutes(90)},
                             {"30d", absl::Hours(24 * 30)},
                             {"d", absl::InfiniteDuration()},
                             {"1e300d", absl::InfiniteDuration()},
                             {"", absl::InfiniteDuration()},
                             {"-1", absl::InfiniteDuration()},
                             {"inf", absl::InfiniteDuration()},
                             {"nan", absl::InfiniteDuration()},
                             {"1 week", absl::InfiniteDuration()},
                             {"1e300", absl::InfiniteDuration()},
                         }));

TEST(ToProtoTest, ComesBack) {
  const absl::Duration duration = absl::Milliseconds(1500);
  EXPECT_EQ(ToProto(duration).seconds(), 1);
  EXPECT_EQ(ToProto(duration).nanos(), 500'000'000);
  EXPECT_EQ(FromProto(ToProto(duration)), duration);
}

TEST(DisplayWidthTest, CountsColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("grün"), 4);
  EXPECT_EQ(DisplayWidth("漢字"), 4);
  EXPECT_EQ(DisplayWidth("\x1b[31mred\x1b[0m"), 3);
}

TEST(ClipToWidthTest, CutsAndSaysSo) {
  EXPECT_EQ(ClipToWidth("abcdef", 6, false), "abcdef");
  EXPECT_EQ(ClipToWidth("abcdefg", 6, false), "abc...");
  EXPECT_EQ(ClipToWidth("abcdefg", 6, true), "abcde…");
  EXPECT_EQ(ClipToWidth("abcdefg", 2, false), "..");
  EXPECT_EQ(ClipToWidth("abcdefg", 0, false), "abcdefg");
  EXPECT_EQ(ClipToWidth("漢字漢字", 6, true), "漢字…");
  // A colour that is cut ends all the same.
  EXPECT_EQ(ClipToWidth("\x1b[31mabcdef\x1b[0m", 4, true), "\x1b[31mabc…\x1b[0m");
}

google::protobuf::Struct MakeConfig() {
  google::protobuf::Struct config;
  (*config.mutable_fields())["rate"].set_number_value(0.123456789);
  (*config.mutable_fields())["batch"].set_number_value(64);
  (*config.mutable_fields())["name"].set_string_value("a\x1b[0m");
  return config;
}

TEST(FormatConfigTest, SortsKeysAndWritesWholeNumbersWithoutPoint) {
  EXPECT_EQ(FormatConfig(MakeConfig()),
            "{\"batch\":64,\"name\":\"a\\u001b[0m\",\"rate\":0.123456789}");
}

TEST(FormatConfigTest, ShortFormRoundsAndStaysHarmless) {
  EXPECT_EQ(FormatConfigShort(MakeConfig()), "batch=64 name=a\\x1b[0m rate=0.1235");
}

TEST(NamesTest, StatesOfANewerServerAreShownByNumber) {
  EXPECT_EQ(StateName(v1::STUDY_STATE_RUNNING), "RUNNING");
  EXPECT_EQ(StateName(static_cast<v1::StudyState>(9)), "STATE 9");
  EXPECT_EQ(StateName(v1::TRIAL_STATE_ELIMINATED), "ELIMINATED");
}

TEST(NamesTest, DescribesLimits) {
  v1::Limits limits;
  EXPECT_EQ(DescribeLimits(limits), "none");
  limits.set_max_evaluations(30);
  limits.set_max_rounds(1);
  limits.mutable_max_wall_time()->set_seconds(5400);
  limits.set_target_error(0);
  EXPECT_EQ(DescribeLimits(limits), "30 evaluations, 1 round, 1h 30m running, target error 0.000");
}

TEST(NamesTest, DescribesTheRule) {
  v1::Halving halving;
  halving.set_min_epochs(1);
  halving.set_max_epochs(81);
  halving.set_eta(3);
  EXPECT_EQ(DescribeRule(halving), "halving, 1 to 81 epochs, eta 3");
  halving.set_policy(v1::POLICY_DELAYED_ASHA);
  halving.set_prefactor(1.5);
  EXPECT_EQ(DescribeRule(halving), "delayed asha, 1 to 81 epochs, eta 3, prefactor 1.5");
}

}  // namespace
}  // namespace halving
