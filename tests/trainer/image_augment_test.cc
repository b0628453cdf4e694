#include "worker/trainer/image_augment.h"

#include <ATen/Functions.h>

#include <map>
#include <tuple>

#include "gtest/gtest.h"

namespace halving {
namespace {

constexpr int64_t kSide = 8;
constexpr int64_t kCount = 3'000;

// Images whose every pixel has a value of its own, above 0.
at::Tensor Images() {
  return at::arange(1, 1 + kSide * kSide, at::kByte)
      .view({1, 1, kSide, kSide})
      .repeat({kCount, 1, 1, 1});
}

// Pixel (row, column) of `image`, black outside.
int Pixel(const uint8_t* image, int64_t row, int64_t column) {
  const bool inside = row >= 0 && row < kSide && column >= 0 && column < kSide;
  return inside ? image[row * kSide + column] : 0;
}

// Whether `image` is `original`, moved up and left by so much and then mirrored or not.
bool Is(const uint8_t* image, const uint8_t* original, int64_t up, int64_t left, bool mirrored) {
  for (int64_t row = 0; row < kSide; ++row) {
    for (int64_t column = 0; column < kSide; ++column) {
      const int64_t from = mirrored ? kSide - 1 - column : column;
      if (image[row * kSide + column] != Pixel(original, row + up, from + left)) return false;
    }
  }
  return true;
}

TEST(AugmentImagesTest, MovesAndMirrorsEachImageInEveryWayAlike) {
  const at::Tensor images = Images();
  const at::Tensor augmented = AugmentImages(images, 7);
  ASSERT_EQ(augmented.sizes(), images.sizes());
  ASSERT_EQ(augmented.scalar_type(), at::kByte);
  const at::Tensor whole = augmented.contiguous();
  std::map<std::tuple<int64_t, int64_t, bool>, int> seen;
  for (int64_t i = 0; i < kCount; ++i) {
    int ways = 0;
    for (int64_t way = 0; way < 50; ++way) {
      const int64_t up = way % 5 - kMaxShift;
      const int64_t left = way / 5 % 5 - kMaxShift;
      const bool mirrored = way >= 25;
      if (!Is(whole.data_ptr<uint8_t>() + i * kSide * kSide, images.data_ptr<uint8_t>(), up, left,
              mirrored)) {
        continue;
      }
      ++ways;
      ++seen[{up, left, mirrored}];
    }
    ASSERT_EQ(ways, 1) << "image " << i;
  }
  EXPECT_EQ(seen.size(), 50);
  // 60 expected, with a standard deviation of 7.7.
  for (const auto& [way, times] : seen) EXPECT_NEAR(times, 60, 35);
}

TEST(AugmentImagesTest, IsAFunctionOfTheSeed) {
  const at::Tensor images = Images();
  EXPECT_TRUE(AugmentImages(images, 7).equal(AugmentImages(images, 7)));
  EXPECT_FALSE(AugmentImages(images, 7).equal(AugmentImages(images, 8)));
}

}  // namespace
}  // namespace halving
