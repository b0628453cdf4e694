#include "tests/trainer/test_images.h"

#include <zlib.h>

#include "common/check.h"
#include "common/random.h"
#include "tests/support/temp_dir.h"
#include "worker/trainer/image_files.h"

namespace halving {
namespace {

constexpr uint64_t kNoiseSeed = 20;

std::string Image(int image_class, uint64_t index) {
  std::string pixels;
  for (int64_t row = 0; row < kImageSide; ++row) {
    for (int64_t column = 0; column < kImageSide; ++column) {
      const uint64_t at = static_cast<uint64_t>(row * kImageSide + column);
      const uint64_t noise = BoundedBits(MixBits(kNoiseSeed, index, at), 64);
      // Five places across, in the upper half or the lower.
      const bool bar = column / 5 == image_class % 5 && row / 14 == image_class / 5;
      pixels.push_back(static_cast<char>(noise + (bar ? 160 : 0)));
    }
  }
  return pixels;
}

void WriteSet(const std::string& prefix, uint32_t count, uint64_t first_index) {
  std::string pixels;
  std::string labels;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t index = first_index + i;
    const auto image_class = static_cast<int>(BoundedBits(MixBits(kNoiseSeed, index), 10));
    pixels += Image(image_class, index);
    labels.push_back(static_cast<char>(image_class));
  }
  const auto side = static_cast<uint32_t>(kImageSide);
  WriteTestFile(prefix + "-images-idx3-ubyte.gz", Gzip(IdxBytes({count, side, side}, pixels)));
  WriteTestFile(prefix + "-labels-idx1-ubyte", IdxBytes({count}, labels));
}

}  // namespace

std::string IdxBytes(const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>((size >> shift) & 0xff));
    }
  }
  return bytes + data;
}

std::string Gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzipWindowBits = 15 + 16;
  HV_CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, 8,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  std::string input = bytes;
  std::string packed(deflateBound(&stream, input.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  HV_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

void WriteTestImages(const std::string& directory, int train_images, int test_images) {
  WriteSet(directory + "/train", static_cast<uint32_t>(train_images), 0);
  WriteSet(directory + "/t10k", static_cast<uint32_t>(test_images), 1'000'000);
}

}  // namespace halving
