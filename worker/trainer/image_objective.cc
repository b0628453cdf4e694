#include "worker/trainer/image_objective.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <torch/autograd.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/random.h"
#include "common/status.h"
#include "worker/trainer/device_images.h"
#include "worker/trainer/image_augment.h"
#include "worker/trainer/image_settings.h"
#include "worker/trainer/shuffle.h"
#include "worker/trainer/torch_runtime.h"

namespace halving {
namespace {

using torch::Tensor;

constexpr char kArchitectureKey[] = "architecture";

// Images in one forward pass when no gradient is wanted: the activations of more of them leave the
// cache (measured: 1,000 at a time take twice as long as 250).
constexpr int64_t kEvaluationBatch = 250;

constexpr double kMaxPixel = 255;

// What randomness is for, so that no two uses of it see the same numbers.
enum class Draw : uint64_t { kAugment = 1, kModel = 2 };

uint64_t SeedOf(Draw draw, uint64_t seed, int64_t epoch, int64_t step) {
  return MixBits(MixBits(seed, static_cast<uint64_t>(draw)), static_cast<uint64_t>(epoch),
                 static_cast<uint64_t>(step));
}

// Sets what the default generator of a device gives next.
void SeedDefaultGenerator(const torch::Device& device, uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

DeviceImageSet Slice(const DeviceImageSet& set, int64_t from, int64_t count) {
  return {.pixels = set.pixels.narrow(0, from, count), .labels = set.labels.narrow(0, from, count)};
}

int64_t SizeOf(const DeviceImageSet& set) { return set.labels.size(0); }

Tensor ToInput(const Tensor& pixels) { return pixels.to(torch::kFloat).div_(kMaxPixel); }

std::string DtypeName(const Tensor& tensor) {
  if (tensor.scalar_type() == torch::kFloat) return "F32";
  HV_CHECK(tensor.scalar_type() == torch::kLong) << "no model has tensors of another type";
  return "I64";
}

RawTensor ToRaw(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(torch::kCPU).contiguous();
  return {.dtype = DtypeName(host),
          .shape = host.sizes().vec(),
          .data = std::string(static_cast<const char*>(host.data_ptr()), host.nbytes())};
}

// `raw` has the type and shape of `tensor`.
void CopyFromRaw(const RawTensor& raw, const Tensor& tensor) {
  const Tensor host = torch::empty(raw.shape, tensor.options().device(torch::kCPU));
  HV_CHECK(host.nbytes() == raw.data.size()) << raw.data.size() << " bytes";
  std::memcpy(host.data_ptr(), raw.data.data(), raw.data.size());
  tensor.copy_(host);
}

// The layer's weight is [outputs, inputs, ...]; what follows is the size of a kernel.
void InitialiseLayer(const Tensor& weight, const Tensor& bias, const at::Generator& generator) {
  const auto outputs = static_cast<double>(weight.size(0));
  const auto inputs = static_cast<double>(weight.size(1));
  const double kernel = static_cast<double>(weight.numel()) / (outputs * inputs);
  const double xavier = std::sqrt(6 / ((inputs + outputs) * kernel));
  weight.uniform_(-xavier, xavier, generator);
  const double pytorch = 1 / std::sqrt(inputs * kernel);
  if (bias.defined()) bias.uniform_(-pytorch, pytorch, generator);
}

void InitialiseModel(ImageModel* model, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(MixBits(seed));
  for (const auto& module : model->modules(/*include_self=*/false)) {
    if (const auto* conv = module->as<torch::nn::Conv2d>()) {
      InitialiseLayer(conv->weight, conv->bias, generator);
    } else if (const auto* linear = module->as<torch::nn::Linear>()) {
      InitialiseLayer(linear->weight, linear->bias, generator);
    }
  }
}

// What one trial trains with.
struct Setup {
  DeviceImageSet train;
  DeviceImageSet validation;
  DeviceImageSet test;
  SgdSettings sgd;
  uint64_t seed = 0;
  int64_t epoch = 0;  // Epochs it has had.
  std::string architecture;
  bool augment = false;
};

// ImageTraining is one trial of an image objective.
//
// SGD is written out here, in a few lines, since LibTorch's keeps its state in a form that changed
// between releases. Nothing waits for the device inside an epoch.
class ImageTraining : public Training {
 public:
  ImageTraining(Setup setup, std::shared_ptr<ImageModel> model)
      : setup_(std::move(setup)), model_(std::move(model)), parameters_(model_->parameters()) {
    for (const auto& entry : model_->named_parameters()) {
      named_.emplace_back("model." + entry.key(), entry.value());
    }
    for (const auto& entry : model_->named_buffers()) {
      named_.emplace_back("model." + entry.key(), entry.value());
    }
    if (setup_.sgd.momentum == 0) return;
    for (const auto& entry : model_->named_parameters()) {
      velocities_.push_back(torch::zeros_like(entry.value()));
      named_.emplace_back("momentum." + entry.key(), velocities_.back());
    }
  }

  // DATA_LOSS unless `state` has exactly the tensors that State() would give.
  absl::Status Restore(const Safetensors& state);

  absl::StatusOr<double> RunEpoch() override;
  absl::StatusOr<double> TestError() override;
  absl::StatusOr<Safetensors> State() override;

 private:
  bool TrainOneEpoch();
  DeviceImageSet ExamplesOfEpoch() const;
  void Step(const std::vector<Tensor>& gradients, double learning_rate);
  double ErrorOn(const DeviceImageSet& set);

  Setup setup_;
  const std::shared_ptr<ImageModel> model_;
  const std::vector<Tensor> parameters_;
  std::vector<Tensor> velocities_;  // As many as parameters_; none without momentum.
  std::vector<std::pair<std::string, Tensor>> named_;  // All of the state.
};

absl::Status ImageTraining::Restore(const Safetensors& state) {
  const auto architecture = state.metadata.find(kArchitectureKey);
  if (architecture == state.metadata.end() || architecture->second != setup_.architecture) {
    return absl::DataLossError(
        absl::StrCat("the checkpoint is of architecture \"",
                     architecture == state.metadata.end() ? "" : architecture->second,
                     "\"; the job's options and config ask for \"", setup_.architecture, "\""));
  }
  for (const auto& [name, tensor] : named_) {
    const auto found = state.tensors.find(name);
    if (found == state.tensors.end() || found->second.dtype != DtypeName(tensor) ||
        found->second.shape != tensor.sizes().vec()) {
      return absl::DataLossError(absl::StrCat("the checkpoint has no tensor ", name, " of type ",
                                              DtypeName(tensor), " and the model's shape"));
    }
  }
  if (state.tensors.size() != named_.size()) {
    return absl::DataLossError(absl::StrCat("the checkpoint has ", state.tensors.size(),
                                            " tensors; the model and its optimiser have ",
                                            named_.size()));
  }
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : named_) CopyFromRaw(state.tensors.at(name), tensor);
  return absl::OkStatus();
}

absl::StatusOr<double> ImageTraining::RunEpoch() {
  try {
    ++setup_.epoch;
    return TrainOneEpoch() ? ErrorOn(setup_.validation) : std::numeric_limits<double>::quiet_NaN();
  } catch (...) {
    return StatusOfTorchException();
  }
}

absl::StatusOr<double> ImageTraining::TestError() {
  try {
    return ErrorOn(setup_.test);
  } catch (...) {
    return StatusOfTorchException();
  }
}

absl::StatusOr<Safetensors> ImageTraining::State() {
  try {
    Safetensors state;
    state.metadata[kArchitectureKey] = setup_.architecture;
    for (const auto& [name, tensor] : named_) state.tensors[name] = ToRaw(tensor);
    return state;
  } catch (...) {
    return StatusOfTorchException();
  }
}

// Shuffled, and augmented where that is wanted. Gathered once, so that each batch is a slice.
DeviceImageSet ImageTraining::ExamplesOfEpoch() const {
  const Tensor order =
      torch::tensor(ShuffledIndices(SizeOf(setup_.train), setup_.seed, setup_.epoch))
          .to(setup_.train.labels.device());
  DeviceImageSet examples{.pixels = setup_.train.pixels.index_select(0, order),
                          .labels = setup_.train.labels.index_select(0, order)};
  if (setup_.augment) {
    examples.pixels = AugmentImages(examples.pixels,
                                    SeedOf(Draw::kAugment, setup_.seed, setup_.epoch, /*step=*/0));
  }
  return examples;
}

// False if the loss stopped being a finite number, after which it never is one again.
bool ImageTraining::TrainOneEpoch() {
  model_->train();
  const SgdSettings& sgd = setup_.sgd;
  const DeviceImageSet examples = ExamplesOfEpoch();
  const int64_t count = SizeOf(examples);
  const int64_t steps = (count + sgd.batch_size - 1) / sgd.batch_size;
  Tensor loss_sum = torch::zeros({}, parameters_.front().options().requires_grad(false));
  for (int64_t step = 0; step < steps; ++step) {
    SeedDefaultGenerator(examples.labels.device(),
                         SeedOf(Draw::kModel, setup_.seed, setup_.epoch, step));
    const int64_t at = step * sgd.batch_size;
    const DeviceImageSet batch = Slice(examples, at, std::min(sgd.batch_size, count - at));
    const Tensor logits = model_->forward(ToInput(batch.pixels));
    const Tensor loss =
        torch::cross_entropy_loss(logits, batch.labels, /*weight=*/{}, at::Reduction::Mean,
                                  /*ignore_index=*/-100, sgd.label_smoothing);
    Step(torch::autograd::grad({loss}, parameters_),
         LearningRateAt(sgd, (setup_.epoch - 1) * steps + step, steps));
    loss_sum.add_(loss.detach());
  }
  return std::isfinite(loss_sum.item<double>());
}

// As torch.optim.SGD: decay joins the gradient, velocity starts at the first gradient.
void ImageTraining::Step(const std::vector<Tensor>& gradients, double learning_rate) {
  const torch::NoGradGuard no_grad;
  if (setup_.sgd.weight_decay > 0) {
    at::_foreach_add_(gradients, parameters_, setup_.sgd.weight_decay);
  }
  if (velocities_.empty()) {
    at::_foreach_add_(parameters_, gradients, -learning_rate);
    return;
  }
  at::_foreach_mul_(velocities_, setup_.sgd.momentum);
  at::_foreach_add_(velocities_, gradients);
  at::_foreach_add_(parameters_, velocities_, -learning_rate);
}

double ImageTraining::ErrorOn(const DeviceImageSet& set) {
  const torch::NoGradGuard no_grad;
  model_->eval();
  const int64_t count = SizeOf(set);
  Tensor wrong = torch::zeros({}, set.labels.options());
  Tensor logit_sum = torch::zeros({}, parameters_.front().options().requires_grad(false));
  for (int64_t at = 0; at < count; at += kEvaluationBatch) {
    const DeviceImageSet batch = Slice(set, at, std::min(kEvaluationBatch, count - at));
    const Tensor logits = model_->forward(ToInput(batch.pixels));
    wrong.add_(logits.argmax(1).ne(batch.labels).sum());
    logit_sum.add_(logits.sum());
  }
  // Of logits that are not numbers argmax makes a class all the same.
  if (!std::isfinite(logit_sum.item<double>())) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(wrong.item<int64_t>()) / static_cast<double>(count);
}

// ImageObjective starts the trials of one kind of model.
class ImageObjective : public Objective {
 public:
  ImageObjective(std::shared_ptr<ImageStore> store, ReadModel read)
      : store_(std::move(store)), read_(std::move(read)) {}

  absl::StatusOr<std::unique_ptr<Training>> Start(const Job& job,
                                                  const Safetensors* state) override {
    FieldReader options("options", job.options);
    FieldReader config("config", job.config);
    const ImageOptions image_options = ReadImageOptions(&options);
    const SgdSettings sgd = ReadSgdSettings(&config, job.max_epochs);
    const ModelChoice choice = read_(&options, &config);
    HV_RETURN_IF_ERROR(options.Finish());
    HV_RETURN_IF_ERROR(config.Finish());
    HV_ASSIGN_OR_RETURN(const std::shared_ptr<const DeviceImages> images,
                        store_->Load(image_options.dataset));
    HV_ASSIGN_OR_RETURN(const ImageSplit split,
                        SplitImages(image_options, sgd, SizeOf(images->train)));
    return StartOn(*images, split, sgd, choice, job, state);
  }

 private:
  absl::StatusOr<std::unique_ptr<Training>> StartOn(const DeviceImages& images,
                                                    const ImageSplit& split, const SgdSettings& sgd,
                                                    const ModelChoice& choice, const Job& job,
                                                    const Safetensors* state) {
    try {
      const int64_t last = SizeOf(images.train) - split.validation_examples;
      Setup setup{.train = Slice(images.train, 0, split.train_examples),
                  .validation = Slice(images.train, last, split.validation_examples),
                  .test = images.test,
                  .sgd = sgd,
                  .seed = static_cast<uint64_t>(job.seed),
                  .epoch = job.from_epoch,
                  .architecture = choice.architecture,
                  .augment = choice.augment};
      std::shared_ptr<ImageModel> model = choice.make();
      InitialiseModel(model.get(), setup.seed);
      model->to(torch::Device(store_->device()));
      auto training = std::make_unique<ImageTraining>(std::move(setup), std::move(model));
      if (state != nullptr) HV_RETURN_IF_ERROR(training->Restore(*state));
      return training;
    } catch (...) {
      return StatusOfTorchException();
    }
  }

  const std::shared_ptr<ImageStore> store_;
  const ReadModel read_;
};

}  // namespace

std::unique_ptr<Objective> MakeImageObjective(std::shared_ptr<ImageStore> store, ReadModel read) {
  return std::make_unique<ImageObjective>(std::move(store), std::move(read));
}

}  // namespace halving
