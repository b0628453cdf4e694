// A directory of 28 x 28 grey images in 10 classes, as MNIST and Fashion-MNIST come.
#ifndef HALVING_WORKER_TRAINER_IMAGE_FILES_H_
#define HALVING_WORKER_TRAINER_IMAGE_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace halving {

inline constexpr int64_t kImageSide = 28;
inline constexpr int64_t kImageClasses = 10;

// Images one after the other, row by row, a byte a pixel; and as many labels from 0 to 9.
struct LabelledImages {
  int64_t count = 0;
  std::string pixels;
  std::string labels;
};

struct ImageFiles {
  LabelledImages train;
  LabelledImages test;
};

// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each under this name or with ".gz" behind it. NOT_FOUND names the missing
// file; FAILED_PRECONDITION names the one that does not hold what it should.
absl::StatusOr<ImageFiles> ReadImageFiles(const std::string& directory);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IMAGE_FILES_H_
