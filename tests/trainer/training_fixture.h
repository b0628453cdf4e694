// What tests of image objectives share: a few images, jobs on them, and their trainings.
#ifndef HALVING_TESTS_TRAINER_TRAINING_FIXTURE_H_
#define HALVING_TESTS_TRAINER_TRAINING_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "worker/trainer/objective.h"

namespace halving {

// Trains on a small dataset that all tests of a suite share, on one thread of the CPU.
class TrainingTest : public testing::Test {
 protected:
  static constexpr int kTrainImages = 600;
  static constexpr int kTestImages = 100;

  explicit TrainingTest(std::unique_ptr<Objective> objective) : objective_(std::move(objective)) {}

  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // A job on the test's images; `config` and `options` add to what it needs or replace it.
  static Job MakeJob(const nlohmann::json& config = nlohmann::json::object(),
                     const nlohmann::json& options = nlohmann::json::object());

  std::unique_ptr<Training> Start(const Job& job, const Safetensors* state = nullptr);

  // The state after `epochs` epochs, as a file's bytes.
  std::string StateAfter(const Job& job, int epochs);

  std::vector<float> Weights(const Job& job, int epochs, const std::string& tensor);

  // Four epochs, and two that go on from two: the same state to the last bit?
  void ExpectResumesBitForBit(const Job& whole);

  static TempDir* dir_;
  std::unique_ptr<Objective> objective_;
};

}  // namespace halving

#endif  // HALVING_TESTS_TRAINER_TRAINING_FIXTURE_H_
