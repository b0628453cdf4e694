#include "cli/export.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ExportTest : public CommandFixture {
 protected:
  ExportTest() { service_->AddStudy(MakeSampleStudy(2, 7)); }
  ~ExportTest() override { std::remove(path_.c_str()); }

  std::string Content() const {
    std::ifstream file(path_);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
  }

  // Other cases run beside this one.
  const std::string path_ =
      absl::StrCat(testing::TempDir(), "halving_export_test-", getpid(), ".csv");
};

TEST_F(ExportTest, CsvIsThatOfTrials) {
  EXPECT_EQ(Run({"trials", "lenet", "-o", "csv"}), kExitOk) << err();
  const std::string expected = out();
  EXPECT_EQ(Run({"export", "lenet", "-o", path_}), kExitOk) << err();
  EXPECT_EQ(Content(), expected);
  EXPECT_EQ(out(), absl::StrCat("Wrote ", path_, " (16 trials).\n"));
  EXPECT_EQ(Run({"export", "lenet", "-o", "-"}), kExitOk) << err();
  EXPECT_EQ(out(), expected);
}

TEST_F(ExportTest, JsonLinesAreThoseOfTrials) {
  EXPECT_EQ(Run({"trials", "lenet", "-o", "json"}), kExitOk) << err();
  const std::vector<nlohmann::json> expected = JsonLines();
  EXPECT_EQ(Run({"export", "lenet", "-o", "-", "--format", "jsonl"}), kExitOk) << err();
  EXPECT_TRUE(JsonLines() == expected);
  EXPECT_EQ(Run({"export", "lenet", "-o", path_, "--format", "jsonl"}), kExitOk) << err();
  EXPECT_THAT(Content(), StartsWith("{")) << "what is said goes before what the name says";
}

TEST_F(ExportTest, AMetricOfOneTrialIsAColumn) {
  SampleStudy sample = MakeSampleStudy(2, 7);
  (*sample.trials[15].mutable_results(0)->mutable_metrics())["loss"] = 3;
  service_->AddStudy(sample);
  EXPECT_EQ(Run({"export", "lenet", "-o", "-"}), kExitOk) << err();
  EXPECT_THAT(OutLines()[0], HasSubstr(",loss,test_error"));
  EXPECT_EQ(service_->trial_pages(), 12) << "16 trials on pages of three, twice";
}

TEST_F(ExportTest, AMetricThatComesTooLateIsNoSilentLoss) {
  std::ofstream(path_) << "older";
  v1::Trial late = MakeSampleStudy(2, 7).trials[0];
  late.set_id(17);
  (*late.mutable_results(0)->mutable_metrics())["loss"] = 3;
  service_->AddTrialLater(late);
  EXPECT_EQ(Run({"export", "lenet", "-o", path_}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("metric that it had not before, in trial 17"));
  EXPECT_EQ(Content(), "older") << "a file is replaced only by a whole one";
}

TEST_F(ExportTest, ARefusalLeavesNoFile) {
  EXPECT_EQ(Run({"export", "nobody", "-o", path_}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("NOT_FOUND"));
  struct stat info {};
  EXPECT_NE(stat(path_.c_str(), &info), 0);
}

TEST_F(ExportTest, WhatIsNoPlainFileStaysWhatItIs) {
  EXPECT_EQ(Run({"export", "lenet", "-o", "/dev/null"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("/dev/null is there and is no plain file"));
  EXPECT_EQ(Run({"export", "lenet", "-o", "/nowhere/x.csv"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("/nowhere/x.csv"));
  EXPECT_EQ(Run({"export", "lenet", "--format", "xlsx"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("\"xlsx\" is no format; there are csv and jsonl"));
}

TEST_F(ExportTest, OutputThatCannotBeWrittenIsAFailure) {
  console_.out.setstate(std::ios::badbit);
  EXPECT_EQ(Run({"export", "lenet", "-o", "-"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("standard output could not be written"));
}

TEST_F(ExportTest, ProgressIsForTerminalsOnly) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  sample.trials.resize(600, sample.trials[0]);
  for (int64_t i = 0; i < 600; ++i) sample.trials[static_cast<size_t>(i)].set_id(i + 1);
  service_->AddStudy(sample);
  EXPECT_EQ(Run({"export", "lenet", "-o", path_}), kExitOk) << err();
  EXPECT_THAT(err(), IsEmpty());
  console_.get()->err_is_terminal = true;
  EXPECT_EQ(Run({"export", "lenet", "-o", path_}), kExitOk) << err();
  EXPECT_EQ(err(),
            "\r\x1b[KLooking: 500 trials\r\x1b[K"
            "\r\x1b[KWriting: 500 trials\r\x1b[K");
}

}  // namespace
}  // namespace halving
