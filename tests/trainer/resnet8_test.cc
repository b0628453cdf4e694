#include "worker/trainer/resnet8.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/trainer/training_fixture.h"
#include "worker/trainer/image_store.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

class Resnet8Test : public TrainingTest {
 protected:
  Resnet8Test() : TrainingTest(MakeResnet8Objective(std::make_shared<ImageStore>("cpu"))) {}

  // Narrow and of few images, so that a test takes a moment.
  static Job MakeJob(const json& config = json::object(), const json& options = json::object()) {
    json all_config = {{"width", 2}};
    all_config.update(config);
    json all_options = {{"train_examples", 100}, {"validation_examples", 50}};
    all_options.update(options);
    return TrainingTest::MakeJob(all_config, all_options);
  }
};

TEST_F(Resnet8Test, Learns) {
  const std::unique_ptr<Training> training =
      Start(MakeJob({{"width", 4}, {"momentum", 0.9}}, {{"train_examples", 500}}));
  double error = 1;
  for (int epoch = 1; epoch <= 4; ++epoch) error = training->RunEpoch().value();
  EXPECT_LT(error, 0.2) << "chance is 0.9";
}

// Eight layers with weights: the first, two in each of three blocks, and the last.
TEST_F(Resnet8Test, HasThreeStagesThatDoubleInWidth) {
  const Safetensors state = ParseSafetensors(StateAfter(MakeJob({{"width", 3}}), 0)).value();
  EXPECT_THAT(state.tensors.at("model.conv.weight").shape, ElementsAre(3, 1, 3, 3));
  EXPECT_THAT(state.tensors.at("model.stage1.conv2.weight").shape, ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(state.tensors.at("model.stage2.conv1.weight").shape, ElementsAre(6, 3, 3, 3));
  EXPECT_THAT(state.tensors.at("model.stage3.shortcut.weight").shape, ElementsAre(12, 6, 1, 1));
  EXPECT_THAT(state.tensors.at("model.linear.weight").shape, ElementsAre(10, 12));
  EXPECT_FALSE(state.tensors.contains("model.stage1.shortcut.weight")) << "sizes stay the same";
}

TEST_F(Resnet8Test, StartsWithNormsThatChangeNothing) {
  EXPECT_THAT(Weights(MakeJob(), 0, "model.norm.weight"), Each(1.0f));
  EXPECT_THAT(Weights(MakeJob(), 0, "model.norm.bias"), Each(0.0f));
  EXPECT_THAT(Weights(MakeJob(), 0, "model.norm.running_mean"), Each(0.0f));
  EXPECT_THAT(Weights(MakeJob(), 0, "model.norm.running_var"), Each(1.0f));
}

TEST_F(Resnet8Test, TheStateHoldsWhatTheNormsHaveSeen) {
  const Safetensors state = ParseSafetensors(StateAfter(MakeJob(), 2)).value();
  EXPECT_THAT(Weights(MakeJob(), 2, "model.stage2.norm1.running_mean"), Each(testing::Ne(0.0f)));
  const RawTensor& batches = state.tensors.at("model.norm.num_batches_tracked");
  EXPECT_EQ(batches.dtype, "I64");
  EXPECT_THAT(batches.shape, ElementsAre());
  int64_t count = 0;
  ASSERT_EQ(batches.data.size(), sizeof(count));
  std::memcpy(&count, batches.data.data(), sizeof(count));
  EXPECT_EQ(count, 2 * 5) << "five batches of 20 an epoch";
  EXPECT_FALSE(state.tensors.contains("momentum.norm.running_mean"));
}

TEST_F(Resnet8Test, ResumesBitForBit) {
  Job job = MakeJob({{"momentum", 0.9}, {"augment", true}, {"schedule", "cosine"}});
  job.max_epochs = 4;
  ExpectResumesBitForBit(job);
}

TEST_F(Resnet8Test, AugmentsOnlyWhereItIsTold) {
  const std::string plain = StateAfter(MakeJob(), 1);
  EXPECT_TRUE(StateAfter(MakeJob({{"augment", false}}), 1) == plain);
  EXPECT_FALSE(StateAfter(MakeJob({{"augment", true}}), 1) == plain);
}

TEST_F(Resnet8Test, AStateWithoutTheNormsIsRefused) {
  Job job = MakeJob();
  Safetensors state = ParseSafetensors(StateAfter(job, 1)).value();
  job.from_epoch = 1;
  job.to_epoch = 2;
  ASSERT_NE(Start(job, &state), nullptr);
  Safetensors without = state;
  without.tensors.erase("model.stage3.norm2.running_var");
  const absl::Status missing = objective_->Start(job, &without).status();
  EXPECT_TRUE(absl::IsDataLoss(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()), HasSubstr("model.stage3.norm2.running_var"));

  state.tensors["model.norm.num_batches_tracked"].dtype = "F64";
  const absl::Status other = objective_->Start(job, &state).status();
  EXPECT_TRUE(absl::IsDataLoss(other)) << other;

  job.config["width"] = 3;
  EXPECT_THAT(std::string(objective_->Start(job, &without).status().message()),
              HasSubstr("\"resnet8, width 2\"; the job's options and config ask for"));
}

struct RefusalCase {
  std::string name;
  json config;
  std::string error;
};
class Resnet8RefusalTest : public Resnet8Test, public testing::WithParamInterface<RefusalCase> {};

TEST_P(Resnet8RefusalTest, Names) {
  const absl::Status status = objective_->Start(MakeJob(GetParam().config), nullptr).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    , Resnet8RefusalTest,
    testing::ValuesIn(std::vector<RefusalCase>{
        {"NoWidth", {{"width", 0}}, "config.width is 0; it must be a whole number from 1 to 128"},
        {"GreatWidth", {{"width", 129}}, "config.width is 129"},
        {"AugmentNumber", {{"augment", 1}}, "config.augment is 1; it must be true or false"},
        {"OfAnother", {{"dropout", 0.5}}, "config.dropout is 0.5, but no such field is known"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
