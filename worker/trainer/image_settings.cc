#include "worker/trainer/image_settings.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

constexpr char kDefaultDataset[] = "/usr/share/datasets/fashion-mnist";
constexpr int64_t kMaxExamples = std::numeric_limits<int32_t>::max();

}  // namespace

ImageOptions ReadImageOptions(FieldReader* options) {
  ImageOptions result;
  result.dataset = options->String("dataset", kDefaultDataset);
  result.train_examples = options->OptionalInteger("train_examples", 1, kMaxExamples);
  result.validation_examples = options->OptionalInteger("validation_examples", 1, kMaxExamples);
  return result;
}

SgdSettings ReadSgdSettings(FieldReader* config, std::optional<int64_t> max_epochs) {
  SgdSettings result;
  result.learning_rate = config->Number("learning_rate", "a finite number above 0",
                                        [](double rate) { return rate > 0; });
  result.batch_size = config->Integer("batch_size", 1, kMaxExamples);
  result.momentum = config->Number(
      "momentum", "a number from 0 to 1, 1 not included",
      [](double momentum) { return momentum >= 0 && momentum < 1; }, 0.0);
  result.weight_decay = config->Number(
      "weight_decay", "a finite number, 0 or above", [](double decay) { return decay >= 0; }, 0.0);
  result.label_smoothing = config->Number(
      "label_smoothing", "a number from 0 to 1, 1 not included",
      [](double share) { return share >= 0 && share < 1; }, 0.0);
  if (config->OneOf("schedule", {"constant", "cosine"}, "constant") == "cosine") {
    if (!max_epochs.has_value()) {
      config->Refuse(
          "schedule",
          "is \"cosine\", which ends at the study's last epoch, but the job has no "
          "max_epochs; start the trainer by a worker that sends it, or use \"constant\"");
    }
    result.cosine_epochs = max_epochs;
  }
  return result;
}

double LearningRateAt(const SgdSettings& sgd, int64_t steps_made, int64_t steps_per_epoch) {
  if (!sgd.cosine_epochs.has_value()) return sgd.learning_rate;
  const double all_steps =
      static_cast<double>(*sgd.cosine_epochs) * static_cast<double>(steps_per_epoch);
  const double progress = static_cast<double>(steps_made) / all_steps;
  return sgd.learning_rate * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

absl::StatusOr<ImageSplit> SplitImages(const ImageOptions& options, const SgdSettings& sgd,
                                       int64_t images) {
  const ImageSplit split{.train_examples = options.train_examples.value_or(images * 5 / 6),
                         .validation_examples = options.validation_examples.value_or(images / 6)};
  if (split.train_examples < 1 || split.validation_examples < 1 ||
      split.train_examples + split.validation_examples > images) {
    return absl::InvalidArgumentError(absl::StrCat(
        "options.train_examples is ", split.train_examples, " and options.validation_examples ",
        split.validation_examples, "; both must be at least 1, and together at most the ", images,
        " images of ", options.dataset, ", since no image may be in both"));
  }
  if (sgd.batch_size > split.train_examples) {
    return absl::InvalidArgumentError(absl::StrCat("config.batch_size is ", sgd.batch_size,
                                                   "; it must be at most ", split.train_examples,
                                                   ", the number of training examples"));
  }
  return split;
}

}  // namespace halving
