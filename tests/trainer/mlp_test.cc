#include "worker/trainer/mlp.h"

#include <algorithm>
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
using testing::ElementsAre;
using testing::HasSubstr;

class MlpTest : public TrainingTest {
 protected:
  MlpTest() : TrainingTest(MakeMlpObjective(std::make_shared<ImageStore>("cpu"))) {}

  // Small, so that a test takes a moment.
  static Job MakeJob(const json& config = json::object()) {
    json all = {{"hidden_units", 16}, {"learning_rate", 0.02}, {"momentum", 0.9}};
    all.update(config);
    return TrainingTest::MakeJob(all);
  }
};

TEST_F(MlpTest, LearnsWithEachActivation) {
  for (const std::string activation : {"relu", "tanh", "sigmoid"}) {
    const std::unique_ptr<Training> training =
        Start(MakeJob({{"activation", activation}, {"hidden_layers", 1}, {"learning_rate", 0.1}}));
    double error = 1;
    for (int epoch = 1; epoch <= 6; ++epoch) error = training->RunEpoch().value();
    EXPECT_LT(error, 0.2) << activation << "; chance is 0.9";
  }
}

TEST_F(MlpTest, HasTheLayersThatItsConfigSays) {
  const Safetensors state =
      ParseSafetensors(
          StateAfter(MakeJob({{"hidden_layers", 3}, {"hidden_units", 7}, {"momentum", 0}}), 0))
          .value();
  EXPECT_EQ(state.tensors.size(), 8);
  EXPECT_THAT(state.tensors.at("model.hidden1.weight").shape, ElementsAre(7, 784));
  EXPECT_THAT(state.tensors.at("model.hidden3.weight").shape, ElementsAre(7, 7));
  EXPECT_THAT(state.tensors.at("model.output.weight").shape, ElementsAre(10, 7));
}

TEST_F(MlpTest, DropoutIsAFunctionOfTheSeed) {
  Job job = MakeJob({{"dropout", 0.5}});
  const std::string once = StateAfter(job, 2);
  EXPECT_TRUE(StateAfter(job, 2) == once) << "whatever has been drawn before";
  EXPECT_FALSE(StateAfter(MakeJob(), 2) == once) << "0 is the default";
}

// What reaches the output layer from a unit that was left out has no gradient.
TEST_F(MlpTest, DropoutLeavesOutItsShareOfUnits) {
  const json one_image = {{"batch_size", 1},    {"dropout", 0.75}, {"activation", "sigmoid"},
                          {"hidden_layers", 1}, {"momentum", 0},   {"hidden_units", 1000}};
  Job job = MakeJob(one_image);
  job.options["train_examples"] = 1;
  const std::vector<float> before = Weights(job, 0, "model.output.weight");
  const std::vector<float> after = Weights(job, 1, "model.output.weight");
  int moved = 0;
  for (size_t unit = 0; unit < 1000; ++unit) moved += before[unit] != after[unit] ? 1 : 0;
  EXPECT_NEAR(moved, 250, 60) << "four standard deviations";
}

TEST_F(MlpTest, DropoutDiffersFromStepToStep) {
  Job job = MakeJob({{"batch_size", 1},
                     {"dropout", 0.5},
                     {"activation", "sigmoid"},
                     {"hidden_layers", 1},
                     {"momentum", 0.0},
                     {"hidden_units", 1000}});
  job.options["train_examples"] = 1;
  const auto moved_in = [&](int epoch) {
    const std::vector<float> before = Weights(job, epoch - 1, "model.output.weight");
    const std::vector<float> after = Weights(job, epoch, "model.output.weight");
    std::vector<bool> moved(1000);
    for (size_t unit = 0; unit < 1000; ++unit) moved[unit] = before[unit] != after[unit];
    return moved;
  };
  EXPECT_NE(moved_in(1), moved_in(2));
}

TEST_F(MlpTest, DropsNothingWhereErrorsAreMeasured) {
  const std::unique_ptr<Training> training = Start(MakeJob({{"dropout", 0.9}}));
  ASSERT_TRUE(training->RunEpoch().ok());
  EXPECT_EQ(training->TestError().value(), training->TestError().value());
}

TEST_F(MlpTest, ResumesBitForBitWithDropout) {
  ExpectResumesBitForBit(MakeJob({{"dropout", 0.3}, {"hidden_layers", 2}}));
}

TEST_F(MlpTest, AStateOfAnotherShapeIsRefused) {
  Job job = MakeJob();
  const Safetensors state = ParseSafetensors(StateAfter(job, 1)).value();
  job.from_epoch = 1;
  job.to_epoch = 2;
  ASSERT_NE(Start(job, &state), nullptr);
  for (const json& other : {json{{"hidden_units", 17}}, json{{"hidden_layers", 3}},
                            json{{"activation", "tanh"}}, json{{"momentum", 0}}}) {
    Job changed = job;
    changed.config.update(other);
    const absl::Status status = objective_->Start(changed, &state).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << other << ": " << status;
  }
}

struct RefusalCase {
  std::string name;
  json config;
  std::string error;
};
class MlpRefusalTest : public MlpTest, public testing::WithParamInterface<RefusalCase> {};

TEST_P(MlpRefusalTest, Names) {
  const absl::Status status = objective_->Start(MakeJob(GetParam().config), nullptr).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    , MlpRefusalTest,
    testing::ValuesIn(std::vector<RefusalCase>{
        {"NoLayers", {{"hidden_layers", 0}}, "config.hidden_layers is 0; it must be a whole"},
        {"FiveLayers", {{"hidden_layers", 5}}, "number from 1 to 4"},
        {"NoUnits", {{"hidden_units", 0}}, "config.hidden_units is 0"},
        {"ManyUnits", {{"hidden_units", 4097}}, "config.hidden_units is 4097"},
        {"DropAll", {{"dropout", 1}}, "config.dropout is 1; it must be a number from 0 to 1"},
        {"DropLess", {{"dropout", -0.1}}, "config.dropout is -0.1"},
        {"Activation", {{"activation", "gelu"}}, "it must be one of relu, tanh, sigmoid"},
        {"OfAnother", {{"width", 16}}, "config.width is 16, but no such field is known"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
