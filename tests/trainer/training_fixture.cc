#include "tests/trainer/training_fixture.h"

#include <cstring>

#include "tests/trainer/test_images.h"
#include "worker/trainer/torch_runtime.h"

namespace halving {
namespace {

using nlohmann::json;

// LibTorch can be set up only once in a process.
class TorchEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    const absl::Status status = SetUpTorch("cpu", 1);
    ASSERT_TRUE(status.ok()) << status;
  }
};
const testing::Environment* const kTorch = testing::AddGlobalTestEnvironment(new TorchEnvironment);

}  // namespace

TempDir* TrainingTest::dir_ = nullptr;

void TrainingTest::SetUpTestSuite() {
  dir_ = new TempDir;
  WriteTestImages(dir_->path(), kTrainImages, kTestImages);
}

void TrainingTest::TearDownTestSuite() {
  delete dir_;
  dir_ = nullptr;
}

Job TrainingTest::MakeJob(const json& config, const json& options) {
  Job job;
  job.to_epoch = 1;
  job.seed = 5;
  job.config = {{"learning_rate", 0.1}, {"batch_size", 20}};
  job.config.update(config);
  job.options = {{"dataset", dir_->path()}};
  job.options.update(options);
  return job;
}

std::unique_ptr<Training> TrainingTest::Start(const Job& job, const Safetensors* state) {
  absl::StatusOr<std::unique_ptr<Training>> training = objective_->Start(job, state);
  EXPECT_TRUE(training.ok()) << training.status();
  return training.ok() ? *std::move(training) : nullptr;
}

std::string TrainingTest::StateAfter(const Job& job, int epochs) {
  const std::unique_ptr<Training> training = Start(job);
  for (int i = 0; i < epochs; ++i) EXPECT_TRUE(training->RunEpoch().ok());
  return SerializeSafetensors(training->State().value());
}

std::vector<float> TrainingTest::Weights(const Job& job, int epochs, const std::string& tensor) {
  const Safetensors state = ParseSafetensors(StateAfter(job, epochs)).value();
  const std::string& data = state.tensors.at(tensor).data;
  std::vector<float> weights(data.size() / sizeof(float));
  std::memcpy(weights.data(), data.data(), data.size());
  return weights;
}

void TrainingTest::ExpectResumesBitForBit(const Job& whole) {
  const Safetensors half = ParseSafetensors(StateAfter(whole, 2)).value();
  Job second = whole;
  second.from_epoch = 2;
  const std::unique_ptr<Training> training = Start(second, &half);
  const double third_error = training->RunEpoch().value();
  ASSERT_TRUE(training->RunEpoch().ok());
  EXPECT_TRUE(SerializeSafetensors(training->State().value()) == StateAfter(whole, 4));

  const std::unique_ptr<Training> unbroken = Start(whole);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(unbroken->RunEpoch().ok());
  EXPECT_EQ(unbroken->RunEpoch().value(), third_error);
}

}  // namespace halving
