#include "worker/trainer/lenet.h"

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/trainer/test_images.h"
#include "tests/trainer/training_fixture.h"
#include "worker/trainer/image_store.h"
#include "worker/trainer/torch_runtime.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class LenetTest : public TrainingTest {
 protected:
  LenetTest() : TrainingTest(MakeLenetObjective(std::make_shared<ImageStore>("cpu"))) {}

  static Job MakeJob(const json& config = json::object(), const json& options = json::object()) {
    json all = {{"activation", "relu"}};
    all.update(options);
    return TrainingTest::MakeJob(config, all);
  }
};

TEST_F(LenetTest, Learns) {
  const std::unique_ptr<Training> training =
      Start(MakeJob({{"learning_rate", 0.02}, {"momentum", 0.9}}));
  double error = 1;
  for (int epoch = 1; epoch <= 4; ++epoch) error = training->RunEpoch().value();
  EXPECT_LT(error, 0.2) << "chance is 0.9";
  EXPECT_LT(training->TestError().value(), 0.2);
}

TEST_F(LenetTest, LearnsFashionMnist) {
  constexpr char kDataset[] = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(kDataset)) {
    GTEST_SKIP() << "there is no " << kDataset << "; install dataset-fashion-mnist";
  }
  const std::unique_ptr<Training> training = Start(
      MakeJob({{"batch_size", 32}},
              {{"dataset", kDataset}, {"train_examples", 10'000}, {"validation_examples", 2'000}}));
  ASSERT_TRUE(training->RunEpoch().ok());
  EXPECT_LT(training->RunEpoch().value(), 0.4);
}

TEST_F(LenetTest, StartsFromXavierWeightsAndDefaultBiases) {
  const std::vector<float> weights = Weights(MakeJob(), 0, "model.linear1.weight");
  ASSERT_EQ(weights.size(), 400 * 120);
  const float bound = std::sqrt(6.0f / (400 + 120));
  double sum_of_squares = 0;
  for (const float weight : weights) {
    ASSERT_LE(std::fabs(weight), bound);
    sum_of_squares += static_cast<double>(weight) * weight;
  }
  // Uniform on (-b, b) has the variance b^2 / 3.
  EXPECT_NEAR(sum_of_squares / static_cast<double>(weights.size()), bound * bound / 3, 1e-4);

  const std::vector<float> conv = Weights(MakeJob(), 0, "model.conv2.weight");
  ASSERT_EQ(conv.size(), 16 * 6 * 25);
  float largest = 0;
  for (const float weight : conv) largest = std::max(largest, std::fabs(weight));
  EXPECT_LE(largest, std::sqrt(6.0f / (25 * (6 + 16))));
  EXPECT_GT(largest, 0.95f * std::sqrt(6.0f / (25 * (6 + 16))));

  for (const float bias : Weights(MakeJob(), 0, "model.linear1.bias")) {
    EXPECT_LE(std::fabs(bias), 1 / std::sqrt(400.0f));
  }
}

TEST_F(LenetTest, SeedDecidesEverything) {
  Job job = MakeJob();
  const std::string once = StateAfter(job, 2);
  EXPECT_TRUE(StateAfter(job, 2) == once);
  job.seed = 6;
  EXPECT_FALSE(StateAfter(job, 2) == once);
}

TEST_F(LenetTest, ResumesBitForBit) { ExpectResumesBitForBit(MakeJob({{"momentum", 0.9}})); }

TEST_F(LenetTest, ResumesItsScheduleBitForBit) {
  Job job = MakeJob({{"schedule", "cosine"}, {"label_smoothing", 0.1}});
  job.max_epochs = 4;
  ExpectResumesBitForBit(job);
}

// With a single batch an epoch is one step, which can be checked by hand.
TEST_F(LenetTest, WeightDecayJoinsTheGradient) {
  const json one_batch = {{"batch_size", 500}, {"learning_rate", 0.1}};
  json decayed = one_batch;
  decayed["weight_decay"] = 0.5;
  const std::vector<float> start = Weights(MakeJob(one_batch), 0, "model.linear2.weight");
  const std::vector<float> plain = Weights(MakeJob(one_batch), 1, "model.linear2.weight");
  const std::vector<float> shrunk = Weights(MakeJob(decayed), 1, "model.linear2.weight");
  for (size_t i = 0; i < start.size(); ++i) {
    ASSERT_NEAR(shrunk[i], plain[i] - 0.1 * 0.5 * start[i], 1e-5) << i;
  }
}

TEST_F(LenetTest, MomentumAddsWhatIsLeftOfTheLastStep) {
  const json one_batch = {{"batch_size", 500}, {"learning_rate", 0.1}};
  json moving = one_batch;
  moving["momentum"] = 0.5;
  const std::string name = "model.linear2.weight";
  const std::vector<float> start = Weights(MakeJob(one_batch), 0, name);
  const std::vector<float> one = Weights(MakeJob(one_batch), 1, name);
  const std::vector<float> two = Weights(MakeJob(one_batch), 2, name);
  const std::vector<float> moved = Weights(MakeJob(moving), 2, name);
  EXPECT_EQ(Weights(MakeJob(moving), 1, name), one) << "the first step has nothing behind it";
  for (size_t i = 0; i < start.size(); ++i) {
    ASSERT_NEAR(moved[i], two[i] + 0.5 * (one[i] - start[i]), 1e-5) << i;
  }
}

// The rest of the examples is a batch of its own: two steps here, one if it were dropped.
TEST_F(LenetTest, TheLastBatchMayBeSmaller) {
  const json options = {{"train_examples", 30}};
  const std::string name = "model.linear3.bias";
  const std::vector<float> start = Weights(MakeJob(), 0, name);
  const std::vector<float> first = Weights(MakeJob({{"batch_size", 30}}, options), 1, name);
  const std::vector<float> split = Weights(MakeJob({{"batch_size", 15}}, options), 1, name);
  const std::vector<float> rest = Weights(MakeJob({{"batch_size", 29}}, options), 1, name);
  double one_step = 0;
  double two_steps = 0;
  double with_rest = 0;
  for (size_t i = 0; i < start.size(); ++i) {
    one_step += std::fabs(first[i] - start[i]);
    two_steps += std::fabs(split[i] - start[i]);
    with_rest += std::fabs(rest[i] - start[i]);
  }
  ASSERT_GT(two_steps, 1.5 * one_step);
  EXPECT_GT(with_rest, 1.5 * one_step);
}

// The gradient of the bias before the softmax is p - y, and of smoothed labels p - (1 - a) y - a
// / 10.
TEST_F(LenetTest, LabelSmoothingSpreadsTheLabel) {
  const json options = {{"train_examples", 1}};
  const json one_image = {{"batch_size", 1}, {"learning_rate", 1}};
  json smooth = one_image;
  smooth["label_smoothing"] = 0.5;
  const std::string name = "model.linear3.bias";
  const std::vector<float> plain = Weights(MakeJob(one_image, options), 1, name);
  const std::vector<float> smoothed = Weights(MakeJob(smooth, options), 1, name);
  int labels = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    const bool label = smoothed[i] < plain[i];
    labels += label ? 1 : 0;
    ASSERT_NEAR(smoothed[i] - plain[i], 0.5 * 0.1 - (label ? 0.5 : 0), 1e-5) << i;
  }
  EXPECT_EQ(labels, 1);
}

// Half way the cosine's rate is half of the first, and an epoch of one batch is one step.
TEST_F(LenetTest, TheScheduleSetsTheRateOfEachStep) {
  const json one_batch = {{"batch_size", 500}, {"learning_rate", 0.1}};
  json falling = one_batch;
  falling["schedule"] = "cosine";
  Job job = MakeJob(falling);
  job.max_epochs = 2;
  const std::string name = "model.linear2.weight";
  const std::vector<float> one = Weights(MakeJob(one_batch), 1, name);
  const std::vector<float> two = Weights(MakeJob(one_batch), 2, name);
  EXPECT_EQ(Weights(job, 1, name), one);
  const std::vector<float> fallen = Weights(job, 2, name);
  for (size_t i = 0; i < one.size(); ++i) {
    ASSERT_NEAR(fallen[i], one[i] + 0.5 * (two[i] - one[i]), 1e-6) << i;
  }
}

TEST_F(LenetTest, DivergesToNaN) {
  const std::unique_ptr<Training> training = Start(MakeJob({{"learning_rate", 1e30}}));
  EXPECT_TRUE(std::isnan(training->RunEpoch().value()));
}

TEST_F(LenetTest, LearnsNothingAtOnceWithSigmoid) {
  const std::unique_ptr<Training> training =
      Start(MakeJob(json::object(), {{"activation", nullptr}}));
  EXPECT_GT(training->RunEpoch().value(), 0.7) << "sigmoid is the default, and starts at chance";
}

TEST_F(LenetTest, KeepsTheImagesFromJobToJob) {
  const TempDir dir;
  WriteTestImages(dir.path(), 60, 10);
  const Job job = MakeJob(json::object(), {{"dataset", dir.path()}});
  ASSERT_NE(Start(job), nullptr);
  std::filesystem::remove_all(dir.path());
  EXPECT_NE(Start(job), nullptr);
  ASSERT_NE(Start(MakeJob()), nullptr);
  EXPECT_TRUE(absl::IsNotFound(objective_->Start(job, nullptr).status()))
      << "one dataset at a time";
}

struct RefusalCase {
  std::string name;
  json config;
  json options;
  absl::StatusCode code;
  std::string error;
};
class LenetRefusalTest : public LenetTest, public testing::WithParamInterface<RefusalCase> {};

TEST_P(LenetRefusalTest, Names) {
  const auto& [name, config, options, code, error] = GetParam();
  const absl::Status status = objective_->Start(MakeJob(config, options), nullptr).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(error));
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

INSTANTIATE_TEST_SUITE_P(
    , LenetRefusalTest,
    testing::ValuesIn(std::vector<RefusalCase>{
        {"Batch", json::parse(R"({"batch_size":501})"), json::object(), kInvalid,
         "config.batch_size is 501; it must be at most 500"},
        {"UnknownConfig", json::parse(R"({"dropout":0.5})"), json::object(), kInvalid,
         "config.dropout is 0.5, but no such field is known"},
        {"CosineWithoutAnEnd", json::parse(R"({"schedule":"cosine"})"), json::object(), kInvalid,
         "config.schedule is \"cosine\", which ends at the study's last epoch"},
        {"UnknownOption", json::object(), json::parse(R"({"augment":true})"), kInvalid,
         "options may hold dataset, train_examples, validation_examples, activation"},
        {"Activation", json::object(), json::parse(R"({"activation":"tanh"})"), kInvalid,
         "options.activation is \"tanh\"; it must be one of sigmoid, relu"},
        {"Examples", json::object(), json::parse(R"({"train_examples":601})"), kInvalid,
         "together at most the 600 images"},
        {"NoDataset", json::object(), json::parse(R"({"dataset":"/nowhere"})"),
         absl::StatusCode::kNotFound, "/nowhere/train-images-idx3-ubyte.gz"},
    }),
    [](const auto& info) { return info.param.name; });

// Each changes one thing about a state that would fit.
struct ForeignCase {
  std::string name;
  void (*change)(Safetensors* state);
  std::string error;
};
class LenetForeignStateTest : public LenetTest, public testing::WithParamInterface<ForeignCase> {};

TEST_P(LenetForeignStateTest, IsUnusable) {
  const auto& [name, change, error] = GetParam();
  Job job = MakeJob({{"momentum", 0.9}});
  Safetensors state = ParseSafetensors(StateAfter(job, 0)).value();
  ASSERT_NE(Start(job, &state), nullptr) << "it must be the change that is refused";
  change(&state);
  const absl::Status status = objective_->Start(job, &state).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(error));
}

constexpr char kBias[] = "model.linear3.bias";

INSTANTIATE_TEST_SUITE_P(
    , LenetForeignStateTest,
    testing::ValuesIn(std::vector<ForeignCase>{
        {"Activation", [](Safetensors* s) { s->metadata["architecture"] = "lenet, sigmoid"; },
         "of architecture \"lenet, sigmoid\""},
        {"NoArchitecture", [](Safetensors* s) { s->metadata.clear(); }, "of architecture \"\""},
        {"MissingWeight", [](Safetensors* s) { s->tensors.erase(kBias); },
         "no tensor model.linear3.bias"},
        {"MissingMomentum", [](Safetensors* s) { s->tensors.erase("momentum.conv1.bias"); },
         "no tensor momentum.conv1.bias"},
        {"OneMore", [](Safetensors* s) { s->tensors["x"] = {.dtype = "U8", .shape = {0}}; },
         "has 21 tensors; the model and its optimiser have 20"},
        {"OtherType", [](Safetensors* s) { s->tensors[kBias].dtype = "I32"; },
         "no tensor model.linear3.bias"},
        {"OtherShape",
         [](Safetensors* s) {
           s->tensors[kBias].shape = {2, 5};
         },
         "no tensor model.linear3.bias"},
    }),
    [](const auto& info) { return info.param.name; });

TEST_F(LenetTest, AStateWithMomentumIsNotOneWithout) {
  const Safetensors state = ParseSafetensors(StateAfter(MakeJob({{"momentum", 0.9}}), 0)).value();
  EXPECT_TRUE(absl::IsDataLoss(objective_->Start(MakeJob(), &state).status()));
}

TEST(SetUpTorchTest, NamesTheDevicesThereAre) {
  for (const std::string device : {"tpu", "cuda:", "cuda:x", "cuda:-1", "cuda:999", "", "cpu:0"}) {
    const absl::Status status = SetUpTorch(device, 1);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("it must be cpu, cuda or cuda:N"));
  }
}

TEST(SetUpTorchTest, ADeviceThatIsNotThereIsRefused) {
  EXPECT_TRUE(absl::IsFailedPrecondition(SetUpTorch("cuda:127", 1)));
}

template <typename Exception>
absl::Status StatusOf(const Exception& exception) {
  try {
    throw exception;
  } catch (...) {
    return StatusOfTorchException();
  }
}

TEST(StatusOfTorchExceptionTest, TellsMemoryFromTheRest) {
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(std::bad_alloc())));
  EXPECT_TRUE(absl::IsResourceExhausted(
      StatusOf(std::runtime_error("CUDA out of memory. Tried to allocate 2.00 GiB"))));
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(
      std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate"))));
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(
      std::runtime_error("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))));
  EXPECT_TRUE(absl::IsInternal(StatusOf(std::runtime_error("device-side assert triggered"))));
}

}  // namespace
}  // namespace halving
