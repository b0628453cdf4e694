#include "worker/trainer/image_files.h"

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/trainer/test_images.h"
#include "worker/trainer/files.h"
#include "worker/trainer/idx.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kAnyBytes = size_t{1} << 30;

struct IdxCase {
  std::string name;
  std::string bytes;
  size_t dimensions;
  std::string error;  // Part of the message; empty: it parses.
};
class ParseIdxTest : public testing::TestWithParam<IdxCase> {};

TEST_P(ParseIdxTest, Parses) {
  const auto& [name, bytes, dimensions, error] = GetParam();
  const absl::StatusOr<IdxArray> array = ParseIdx(bytes, dimensions);
  ASSERT_EQ(array.ok(), error.empty()) << array.status();
  if (!array.ok()) {
    EXPECT_EQ(array.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(array.status().message()), HasSubstr(error));
  }
}

std::string WithByte(std::string bytes, size_t at, char value) {
  bytes[at] = value;
  return bytes;
}

INSTANTIATE_TEST_SUITE_P(
    , ParseIdxTest,
    testing::ValuesIn(std::vector<IdxCase>{
        {"Labels", IdxBytes({3}, "abc"), 1, ""},
        {"Images", IdxBytes({2, 1, 3}, "abcdef"), 3, ""},
        {"Empty", "", 1, "holds 0 bytes, less than the 8"},
        {"HeaderCut", IdxBytes({3, 1, 1}, "").substr(0, 15), 3, "holds 15 bytes"},
        {"FirstByte", WithByte(IdxBytes({3}, "abc"), 0, 'P'), 1, "not an IDX file"},
        {"SecondByte", WithByte(IdxBytes({3}, "abc"), 1, 1), 1, "not an IDX file"},
        {"FloatType", WithByte(IdxBytes({3}, "abc"), 2, 0x0d), 1, "IDX type 13"},
        {"LabelsForImages", IdxBytes({12}, "abcdefghijkl"), 3, "1 dimensions; expected 3"},
        {"ImagesForLabels", IdxBytes({1, 1, 1}, "a"), 1, "3 dimensions; expected 1"},
        {"NoImages", IdxBytes({0, 28, 28}, ""), 3, "dimension 0 is 0"},
        {"NoRows", IdxBytes({2, 0, 28}, ""), 3, "dimension 1 is 0"},
        {"DataCut", IdxBytes({3}, "ab"), 1, "announces 3 bytes of elements, but 2 follow"},
        {"DataMore", IdxBytes({3}, "abcd"), 1, "too long"},
        {"Large", IdxBytes({0xffffffff}, "abc"), 1, "announces more than"},
        // 2^31 * 2^31 * 4 is 2^64, which wraps to 0.
        {"Wraps", IdxBytes({0x80000000, 0x80000000, 4}, ""), 3, "announces more than"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(IdxTest, GivesSizesAndData) {
  const std::string bytes = IdxBytes({2, 1, 3}, "abcdef");
  const absl::StatusOr<IdxArray> array = ParseIdx(bytes, 3);
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->sizes, ElementsAre(2, 1, 3));
  EXPECT_EQ(std::string(array->data), "abcdef");
}

TEST(ReadPlainOrGzipFileTest, GivesTheSameOfBoth) {
  const TempDir dir;
  const std::string content(3'000'000, 'x');
  WriteTestFile(dir.File("plain"), content);
  WriteTestFile(dir.File("packed"), Gzip(content));
  EXPECT_TRUE(ReadPlainOrGzipFile(dir.File("plain"), kAnyBytes).value() == content);
  EXPECT_TRUE(ReadPlainOrGzipFile(dir.File("packed"), kAnyBytes).value() == content);
}

TEST(ReadPlainOrGzipFileTest, NoticesGzipThatIsCutOrChanged) {
  const TempDir dir;
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += std::to_string(i);
  const std::string packed = Gzip(content);
  WriteTestFile(dir.File("cut"), packed.substr(0, packed.size() / 2));
  // The last eight bytes are the checksum and the length.
  WriteTestFile(dir.File("changed"), WithByte(packed, packed.size() - 8,
                                              static_cast<char>(packed[packed.size() - 8] ^ 1)));
  const auto cut = ReadPlainOrGzipFile(dir.File("cut"), kAnyBytes);
  EXPECT_EQ(cut.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(cut.status().message()), HasSubstr(dir.File("cut")));
  const auto changed = ReadPlainOrGzipFile(dir.File("changed"), kAnyBytes);
  EXPECT_EQ(changed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(changed.status().message()), HasSubstr(dir.File("changed")));
}

TEST(ReadPlainOrGzipFileTest, UnpacksNoMoreThanTheLimit) {
  const TempDir dir;
  WriteTestFile(dir.File("bomb"), Gzip(std::string(8'000'000, '\0')));
  const auto content = ReadPlainOrGzipFile(dir.File("bomb"), 1'000'000);
  EXPECT_THAT(std::string(content.status().message()), HasSubstr("more than 1000000 bytes"));
}

TEST(ReadFileTest, TakesTheFileAsItLies) {
  const TempDir dir;
  const std::string packed = Gzip("content");
  WriteTestFile(dir.File("f"), packed);
  EXPECT_EQ(ReadFile(dir.File("f"), kAnyBytes).value(), packed);
  EXPECT_TRUE(absl::IsNotFound(ReadFile(dir.File("none"), kAnyBytes).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadFile(dir.File("f"), 3).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadFile(dir.path(), kAnyBytes).status()));
}

TEST(ReadFileTest, RefusesWhatHasNoEnd) {
  const TempDir dir;
  ASSERT_EQ(mkfifo(dir.File("pipe").c_str(), 0600), 0);
  for (const std::string& path : {dir.File("pipe"), std::string("/dev/zero")}) {
    const absl::Status status = ReadFile(path, kAnyBytes).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path + " is not a regular file"));
  }
}

// Its holes take no room on the disk, but would in memory.
TEST(ReadFileTest, RefusesAFileThatIsLargeOnPaperOnly) {
  const TempDir dir;
  WriteTestFile(dir.File("f"), "x");
  std::filesystem::resize_file(dir.File("f"), uint64_t{1} << 40);
  const absl::Status status = ReadFile(dir.File("f"), kAnyBytes).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 1073741824 bytes"));
}

TEST(WriteFileAtomicallyTest, ReplacesAndLeavesNothingBeside) {
  const TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir.File("f"), "old").ok());
  ASSERT_TRUE(WriteFileAtomically(dir.File("f"), "new").ok());
  EXPECT_EQ(ReadTestFile(dir.File("f")), "new");
  const std::filesystem::directory_iterator files(dir.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(WriteFileAtomicallyTest, FailsWithoutAFolder) {
  const TempDir dir;
  const absl::Status status = WriteFileAtomically(dir.File("none/f"), "x");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such file"));
}

TEST(WriteFileAtomicallyTest, LeavesNothingWhenItCannotRename) {
  const TempDir dir;
  std::filesystem::create_directory(dir.File("taken"));
  EXPECT_TRUE(absl::IsUnavailable(WriteFileAtomically(dir.File("taken"), "x")));
  const std::filesystem::directory_iterator files(dir.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(ReadImageFilesTest, ReadsPlainAndGzip) {
  const TempDir dir;
  WriteTestImages(dir.path(), 30, 20);
  const absl::StatusOr<ImageFiles> files = ReadImageFiles(dir.path());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->train.count, 30);
  EXPECT_EQ(files->train.labels.size(), 30);
  EXPECT_EQ(files->train.pixels.size(), 30 * kImageSide * kImageSide);
  EXPECT_EQ(files->test.count, 20);
}

struct BadFileCase {
  std::string name;
  std::string file;
  std::string content;  // Replaces the file's; empty: the file is removed.
  std::string error;
  absl::StatusCode code = absl::StatusCode::kFailedPrecondition;
};
class BadImageFilesTest : public testing::TestWithParam<BadFileCase> {};

TEST_P(BadImageFilesTest, IsNamed) {
  const auto& [name, file, content, error, code] = GetParam();
  const TempDir dir;
  WriteTestImages(dir.path(), 3, 2);
  if (content.empty()) {
    std::filesystem::remove(dir.File(file));
  } else {
    WriteTestFile(dir.File(file), content);
  }
  const absl::StatusOr<ImageFiles> files = ReadImageFiles(dir.path());
  EXPECT_EQ(files.status().code(), code) << files.status();
  EXPECT_THAT(std::string(files.status().message()), HasSubstr(error));
  EXPECT_THAT(std::string(files.status().message()), HasSubstr(dir.File(file)));
}

INSTANTIATE_TEST_SUITE_P(
    , BadImageFilesTest,
    testing::ValuesIn(std::vector<BadFileCase>{
        {"NoImages", "train-images-idx3-ubyte.gz", "", "there is neither",
         absl::StatusCode::kNotFound},
        {"NoTestLabels", "t10k-labels-idx1-ubyte", "", "there is neither",
         absl::StatusCode::kNotFound},
        {"NotIdx", "train-labels-idx1-ubyte", "hello, this is text", "not an IDX file"},
        {"OtherSide", "train-images-idx3-ubyte.gz", IdxBytes({1, 2, 2}, "abcd"),
         "images are 2 x 2; expected 28 x 28"},
        {"FewerLabels", "train-labels-idx1-ubyte", IdxBytes({2}, {1, 2}), "2 labels for 3 images"},
        {"LabelTen", "train-labels-idx1-ubyte", IdxBytes({3}, {1, 10, 2}),
         "label 10 at position 1"},
        {"LabelNegative", "train-labels-idx1-ubyte", IdxBytes({3}, {1, 2, -1}), "label 255"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
