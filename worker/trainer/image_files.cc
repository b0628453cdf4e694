#include "worker/trainer/image_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/trainer/files.h"
#include "worker/trainer/idx.h"

namespace halving {
namespace {

constexpr size_t kMaxFileBytes = kMaxIdxBytes + 1024;

struct NamedFile {
  std::string path;  // Where it was found.
  std::string content;
};

absl::StatusOr<NamedFile> ReadOneOf(const std::string& directory, const std::string& name) {
  const std::string plain = absl::StrCat(directory, "/", name);
  for (const std::string& path : {plain, plain + ".gz"}) {
    absl::StatusOr<std::string> content = ReadPlainOrGzipFile(path, kMaxFileBytes);
    if (absl::IsNotFound(content.status())) continue;
    if (!content.ok()) return content.status();
    return NamedFile{path, *std::move(content)};
  }
  return absl::NotFoundError(absl::StrCat(
      "there is neither ", plain, " nor ", plain,
      ".gz; install dataset-fashion-mnist, or name a directory of IDX files in options.dataset"));
}

// The elements of an IDX file, and how many of the first dimension they are.
absl::StatusOr<std::string> TakeElements(NamedFile file, size_t dimensions, int64_t* count) {
  const absl::StatusOr<IdxArray> array = ParseIdx(file.content, dimensions);
  if (!array.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot use ", file.path, ": ", array.status().message()));
  }
  *count = array->sizes[0];
  if (dimensions == 3 && (array->sizes[1] != kImageSide || array->sizes[2] != kImageSide)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot use ", file.path, ": its images are ", array->sizes[1], " x ",
                     array->sizes[2], "; expected ", kImageSide, " x ", kImageSide));
  }
  const size_t header_bytes = file.content.size() - array->data.size();
  file.content.erase(0, header_bytes);
  return std::move(file.content);
}

absl::StatusOr<LabelledImages> ReadSet(const std::string& directory, const std::string& prefix) {
  HV_ASSIGN_OR_RETURN(NamedFile images, ReadOneOf(directory, prefix + "-images-idx3-ubyte"));
  HV_ASSIGN_OR_RETURN(NamedFile labels, ReadOneOf(directory, prefix + "-labels-idx1-ubyte"));
  const std::string labels_path = labels.path;
  LabelledImages set;
  int64_t label_count = 0;
  HV_ASSIGN_OR_RETURN(set.pixels, TakeElements(std::move(images), 3, &set.count));
  HV_ASSIGN_OR_RETURN(set.labels, TakeElements(std::move(labels), 1, &label_count));
  if (label_count != set.count) {
    return absl::FailedPreconditionError(absl::StrCat("cannot use ", labels_path, ": it holds ",
                                                      label_count, " labels for ", set.count,
                                                      " images"));
  }
  const auto beyond = std::find_if(set.labels.begin(), set.labels.end(), [](char label) {
    return static_cast<uint8_t>(label) >= kImageClasses;
  });
  if (beyond != set.labels.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot use ", labels_path, ": label ", static_cast<uint8_t>(*beyond),
                     " at position ", beyond - set.labels.begin(), "; labels are 0 to 9"));
  }
  return set;
}

}  // namespace

absl::StatusOr<ImageFiles> ReadImageFiles(const std::string& directory) {
  ImageFiles files;
  HV_ASSIGN_OR_RETURN(files.train, ReadSet(directory, "train"));
  HV_ASSIGN_OR_RETURN(files.test, ReadSet(directory, "t10k"));
  spdlog::info("read {} training and {} test images from {}", files.train.count, files.test.count,
               directory);
  return files;
}

}  // namespace halving
