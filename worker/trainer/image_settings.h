// The options and hyper-parameters that every image objective has.
#ifndef HALVING_WORKER_TRAINER_IMAGE_SETTINGS_H_
#define HALVING_WORKER_TRAINER_IMAGE_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/trainer/field_reader.h"

namespace halving {

// From a job's options: the same for every trial of a study.
struct ImageOptions {
  std::string dataset;                         // A directory; see image_files.h.
  std::optional<int64_t> train_examples;       // Unset: five sixths of the training file.
  std::optional<int64_t> validation_examples;  // Unset: one sixth of it.
};

// From a job's config: what the study searches.
struct SgdSettings {
  double learning_rate = 0;
  int64_t batch_size = 0;
  double momentum = 0;
  double weight_decay = 0;
  double label_smoothing = 0;  // The share of each label that is spread over all classes.
  // Epochs over which the rate falls to 0, as half a wave of the cosine. Unset: it is constant.
  std::optional<int64_t> cosine_epochs;
};

// Where the training file is cut. Training takes the first images and validation the last ones, the
// same for every trial and seed, so that errors compare. The files must be in random order already,
// as those of MNIST and Fashion-MNIST are.
struct ImageSplit {
  int64_t train_examples = 0;
  int64_t validation_examples = 0;
};

// Problems are kept in the reader. `max_epochs` is the job's: a schedule must know its end.
ImageOptions ReadImageOptions(FieldReader* options);
SgdSettings ReadSgdSettings(FieldReader* config, std::optional<int64_t> max_epochs);

// The learning rate of one step: a function of how many steps have been made since epoch 0, so that
// a resumed trial goes on where it was.
double LearningRateAt(const SgdSettings& sgd, int64_t steps_made, int64_t steps_per_epoch);

// INVALID_ARGUMENT when the files do not hold that many images, or the batch is larger than them.
absl::StatusOr<ImageSplit> SplitImages(const ImageOptions& options, const SgdSettings& sgd,
                                       int64_t images);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IMAGE_SETTINGS_H_
