#include "worker/trainer/safetensors.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

std::string Length(uint64_t length) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>((length >> shift) & 0xff));
  }
  return bytes;
}

// A file with this header and data, written by hand and not by the code under test.
std::string File(const std::string& header, const std::string& data = "") {
  return Length(header.size()) + header + data;
}

// Byte for byte what the Python package of the format writes for two arrays, a scalar and a
// metadata entry.
TEST(SafetensorsTest, ReadsWhatTheReferenceWrites) {
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"I64","shape":[0,2],"data_offsets":[0,0]},)"
      R"("b":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
      R"("c":{"dtype":"BOOL","shape":[],"data_offsets":[12,13]}}  )";
  const std::string floats("\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 12);
  ASSERT_EQ(header.size(), 0xc0);
  const absl::StatusOr<Safetensors> file =
      ParseSafetensors(std::string("\xc0\0\0\0\0\0\0\0", 8) + header + floats + "\x01");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->metadata, ElementsAre(Pair("k", "v")));
  ASSERT_THAT(file->tensors, SizeIs(3));
  EXPECT_EQ(file->tensors.at("a").dtype, "I64");
  EXPECT_THAT(file->tensors.at("a").shape, ElementsAre(0, 2));
  EXPECT_EQ(file->tensors.at("a").data, "");
  EXPECT_EQ(file->tensors.at("b").dtype, "F32");
  EXPECT_THAT(file->tensors.at("b").shape, ElementsAre(3));
  EXPECT_EQ(file->tensors.at("b").data, floats);
  EXPECT_THAT(file->tensors.at("c").shape, SizeIs(0));
  EXPECT_EQ(file->tensors.at("c").data, "\x01");
}

TEST(SafetensorsTest, WritesWhatTheFormatAsksFor) {
  Safetensors file;
  file.metadata["epoch"] = "4";
  file.tensors["byte"] = {.dtype = "U8", .shape = {2}, .data = "xy"};
  file.tensors["wide"] = {.dtype = "F32", .shape = {1, 1}, .data = "abcd"};
  const std::string header =
      R"({"__metadata__":{"epoch":"4"},"byte":{"data_offsets":[4,6],"dtype":"U8","shape":[2]},)"
      R"("wide":{"data_offsets":[0,4],"dtype":"F32","shape":[1,1]}})";
  const size_t padded = (header.size() + 7) / 8 * 8;
  EXPECT_EQ(SerializeSafetensors(file),
            Length(padded) + header + std::string(padded - header.size(), ' ') + "abcdxy");
}

TEST(SafetensorsTest, ReadsBackWhatItWrote) {
  Safetensors file;
  file.metadata = {{"a", "1"}, {"\"quoted\"", "\xc3\xa9"}};
  file.tensors["empty"] = {.dtype = "F64", .shape = {0, 7}, .data = ""};
  file.tensors["scalar"] = {.dtype = "I64", .shape = {}, .data = "12345678"};
  file.tensors["half"] = {.dtype = "BF16", .shape = {3}, .data = "abcdef"};
  const std::string bytes = SerializeSafetensors(file);
  const absl::StatusOr<Safetensors> read = ParseSafetensors(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata, file.metadata);
  EXPECT_EQ(read->tensors.at("scalar").data, "12345678");
  EXPECT_EQ(SerializeSafetensors(*read), bytes);
}

TEST(SafetensorsTest, EveryPrefixIsRefused) {
  Safetensors file;
  file.metadata["epoch"] = "4";
  file.tensors["t"] = {.dtype = "F32", .shape = {2}, .data = "abcdefgh"};
  const std::string bytes = SerializeSafetensors(file);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseSafetensors(bytes.substr(0, size)).ok()) << size << " bytes";
  }
  EXPECT_FALSE(ParseSafetensors(bytes + "x").ok());
}

TEST(SafetensorsTest, AChangedByteIsRefusedOrStaysWithinBounds) {
  Safetensors file;
  file.tensors["t"] = {.dtype = "F32", .shape = {2}, .data = "abcdefgh"};
  const std::string bytes = SerializeSafetensors(file);
  for (size_t at = 0; at < bytes.size() - 8; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      const absl::StatusOr<Safetensors> read = ParseSafetensors(changed);
      if (!read.ok()) continue;  // Else it is a tensor of another name, type or shape, but whole.
      ASSERT_THAT(read->tensors, SizeIs(1)) << at;
      EXPECT_EQ(read->tensors.begin()->second.data, "abcdefgh") << at;
    }
  }
}

// {"t": {...}} with what is given.
std::string OneTensor(const std::string& dtype, const std::string& shape,
                      const std::string& offsets, const std::string& data) {
  return File(
      R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
      data);
}

std::string TwoBytes(const std::string& a_offsets, const std::string& b_offsets,
                     const std::string& data) {
  return File(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a_offsets +
                  R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b_offsets + "}}",
              data);
}

struct BadCase {
  std::string name;
  std::string bytes;
  std::string error;
};
class BadSafetensorsTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadSafetensorsTest, IsRefused) {
  const auto& [name, bytes, error] = GetParam();
  const absl::StatusOr<Safetensors> file = ParseSafetensors(bytes);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr(error));
}

constexpr char kFloat[] = R"("F32")";

INSTANTIATE_TEST_SUITE_P(
    Header, BadSafetensorsTest,
    testing::ValuesIn(std::vector<BadCase>{
        {"Empty", "", "0 bytes"},
        {"SevenBytes", "1234567", "7 bytes"},
        {"HeaderCut", Length(100) + "{}", "announces a header of 100 bytes, but 2 follow"},
        {"HeaderTooLarge", Length((1 << 20) + 1) + "{}", "at most 1048576"},
        {"HeaderHuge", Length(~uint64_t{0}) + "{}", "at most 1048576"},
        {"HeaderEmpty", Length(0), "does not start with {"},
        {"HeaderSpaceFirst", File(" {}"), "does not start with {"},
        {"HeaderList", File("[]"), "does not start with {"},
        {"HeaderNotJson", File("{\"a\":"), "not JSON"},
        {"HeaderTwice", File("{}{}"), "not JSON"},
        {"HeaderNotUtf8", File("{\"\xff\":1}"), "not JSON"},
        {"HeaderDeep", File("{\"a\":" + std::string(1'000'000, '[')), "nested too deeply"},
        {"TensorTwice",
         File(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
              R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
              "x"),
         "has \"t\" twice"},
        {"FieldTwice",
         File(R"({"t":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x"),
         "has \"dtype\" twice"},
        {"MetadataTwice", File(R"({"__metadata__":{},"__metadata__":{}})"), "twice"},
        {"MetadataNumber", File(R"({"__metadata__":{"epoch":4}})"), "strings only"},
        {"MetadataList", File(R"({"__metadata__":[]})"), "must be an object"},
        {"EntryIsNumber", File(R"({"t":1})"), "must have dtype, shape and data_offsets"},
        {"NoDtype", File(R"({"t":{"shape":[1],"data_offsets":[0,1]}})", "x"), "must have dtype"},
        {"MoreThanThree",
         File(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", "x"),
         "nothing else"},
        {"DataAfterNothing", File("{}", "x"), "end at 0, but 1 bytes follow"},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tensor, BadSafetensorsTest,
    testing::ValuesIn(std::vector<BadCase>{
        {"DtypeUnknown", OneTensor(R"("F3")", "[1]", "[0,4]", "abcd"), "unknown dtype \"F3\""},
        {"DtypeNumber", OneTensor("4", "[1]", "[0,4]", "abcd"), "must have dtype"},
        {"ShapeNumber", OneTensor(kFloat, "1", "[0,4]", "abcd"), "no list of sizes"},
        {"ShapeNegative", OneTensor(kFloat, "[-1]", "[0,4]", "abcd"), "no list of sizes"},
        {"ShapeFraction", OneTensor(kFloat, "[1.0]", "[0,4]", "abcd"), "no list of sizes"},
        {"ShapeBeyondInt64", OneTensor(kFloat, "[9223372036854775808]", "[0,4]", "abcd"),
         "no list of sizes"},
        // 2^62 * 4 bytes is 2^64, which wraps to 0.
        {"ShapeWraps", OneTensor(kFloat, "[4611686018427387904]", "[0,0]", ""), "too large"},
        {"ShapeProductWraps", OneTensor(kFloat, "[4294967296,1073741824]", "[0,0]", ""),
         "too large"},
        {"ShapeSmaller", OneTensor(kFloat, "[1]", "[0,8]", "abcdefgh"),
         "8 bytes between its data_offsets; its dtype and shape ask for 4"},
        {"ShapeLarger", OneTensor(kFloat, "[3]", "[0,8]", "abcdefgh"), "ask for 12"},
        {"OffsetsOne", OneTensor(kFloat, "[1]", "[4]", "abcd"), "two numbers"},
        {"OffsetsBackwards", OneTensor(kFloat, "[1]", "[4,0]", "abcd"), "two numbers"},
        {"OffsetsNegative", OneTensor(kFloat, "[1]", "[-4,0]", "abcd"), "two numbers"},
        {"OffsetsPastTheEnd", OneTensor(kFloat, "[2]", "[0,8]", "abcd"), "cut short"},
        {"OffsetsFarPastTheEnd",
         OneTensor(kFloat, "[1]", "[9223372036854775803,9223372036854775807]", "abcd"),
         "starts at 9223372036854775803"},
        {"Gap", TwoBytes("[0,2]", "[3,5]", "abcde"), "starts at 3; expected 2"},
        {"GapFirst", TwoBytes("[1,3]", "[3,5]", "abcde"), "starts at 1; expected 0"},
        {"GapLast", TwoBytes("[0,2]", "[2,4]", "abcde"), "end at 4, but 5 bytes follow"},
        {"Overlap", TwoBytes("[0,2]", "[1,3]", "abc"), "starts at 1; expected 2"},
        {"SamePlace", TwoBytes("[0,2]", "[0,2]", "ab"), "starts at 0; expected 2"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(SafetensorsDeathTest, WritesNoTensorOfAWrongSize) {
  Safetensors file;
  file.tensors["t"] = {.dtype = "F32", .shape = {2}, .data = "abcd"};
  EXPECT_DEATH(SerializeSafetensors(file), "tensor t of dtype F32 has 4 bytes");
}

}  // namespace
}  // namespace halving
