#include "worker/agent/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/test_util.h"
#include "worker/agent/run_program.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kFour[] =
    "0, GPU-aa11, NVIDIA H100 80GB HBM3\n"
    "1, GPU-aa22, NVIDIA H100 80GB HBM3\n"
    "2, GPU-bb33, NVIDIA A100-SXM4-40GB\n"
    "3, GPU-bb44, Tesla, the old one\n";

std::vector<std::string> Ids(const VisibleGpus& visible) {
  std::vector<std::string> ids;
  for (const Gpu& gpu : visible.gpus) ids.push_back(gpu.id);
  return ids;
}

TEST(NvidiaSmiTest, LinesAreRead) {
  const absl::StatusOr<std::vector<Gpu>> gpus = ParseNvidiaSmi(kFour);
  ASSERT_TRUE(gpus.ok()) << gpus.status();
  ASSERT_EQ(gpus->size(), 4U);
  EXPECT_EQ((*gpus)[1].id, "GPU-aa22");
  EXPECT_EQ((*gpus)[1].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ((*gpus)[3].name, "Tesla, the old one");
  EXPECT_THAT(*ParseNvidiaSmi(""), IsEmpty());
}

TEST(NvidiaSmiTest, WhatIsNoListIsQuoted) {
  for (const char* output :
       {"No devices were found\n", "1, GPU-aa11, H100\n", "0, GPU-aa11\n", "0, [N/A], H100\n"}) {
    const absl::StatusOr<std::vector<Gpu>> gpus = ParseNvidiaSmi(output);
    EXPECT_TRUE(absl::IsUnavailable(gpus.status())) << output;
    EXPECT_THAT(gpus.status().ToString(),
                HasSubstr(std::string(output).substr(0, std::string(output).size() - 1)));
  }
}

struct VisibleCase {
  std::string name;
  std::optional<std::string> variable;
  std::vector<std::string> ids;      // With nvidia-smi.
  std::vector<std::string> without;  // Without it.
};

class VisibleGpusTest : public testing::TestWithParam<VisibleCase> {};

TEST_P(VisibleGpusTest, AsCudaHasIt) {
  const VisibleCase& c = GetParam();
  const VisibleGpus with = ApplyVisibleDevices(ParseNvidiaSmi(kFour), c.variable);
  EXPECT_EQ(Ids(with), c.ids);
  EXPECT_TRUE(with.is_complete);
  EXPECT_TRUE(with.nvidia_smi.ok());
  const VisibleGpus without = ApplyVisibleDevices(absl::NotFoundError("none here"), c.variable);
  EXPECT_EQ(Ids(without), c.without);
  EXPECT_EQ(without.is_complete, c.variable.has_value());
  EXPECT_TRUE(absl::IsNotFound(without.nvidia_smi));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, VisibleGpusTest,
    testing::ValuesIn(std::vector<VisibleCase>{
        {"NotSet", std::nullopt, {"GPU-aa11", "GPU-aa22", "GPU-bb33", "GPU-bb44"}, {}},
        {"Empty", "", {}, {}},
        {"MinusOne", "-1", {}, {}},
        {"OrderCounts", "2,0", {"GPU-bb33", "GPU-aa11"}, {"2", "0"}},
        {"EndsAtTheFirstBadOne", "1,x,2", {"GPU-aa22"}, {"1"}},
        {"EndsAtMinusOne", "1,-1,2", {"GPU-aa22"}, {"1"}},
        {"EndsBeyondTheLast", "3,4,0", {"GPU-bb44"}, {"3", "4", "0"}},
        {"WholeUuid", "GPU-bb33", {"GPU-bb33"}, {"GPU-bb33"}},
        {"UuidPrefix", "GPU-bb4, 0", {"GPU-bb44", "GPU-aa11"}, {"GPU-bb4", "0"}},
        {"AmbiguousPrefix", "GPU-bb", {}, {"GPU-bb"}},
        {"NoSuchUuid", "0,GPU-cc", {"GPU-aa11"}, {"0", "GPU-cc"}},
        {"Twice", "0,1,0,2", {"GPU-aa11", "GPU-aa22"}, {"0", "1"}},
        {"TwiceByUuid", "0,GPU-aa11,2", {"GPU-aa11"}, {"0", "GPU-aa11", "2"}},
        {"Mig", "MIG-1f,0", {"MIG-1f", "GPU-aa11"}, {"MIG-1f", "0"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(ChooseDeviceTest, CudaIsTheOnlyGpuItsTrainerSees) {
  const VisibleGpus visible = ApplyVisibleDevices(ParseNvidiaSmi(kFour), "3,1");
  const absl::StatusOr<TrainerDevice> device = ChooseDevice("cuda:1", visible);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(device->shown, "cuda:1 NVIDIA H100 80GB HBM3");
  EXPECT_THAT(device->environment,
              ElementsAre("HALVING_DEVICE=cuda:0", "CUDA_VISIBLE_DEVICES=GPU-aa22",
                          "CUDA_DEVICE_ORDER=PCI_BUS_ID"));
}

TEST(ChooseDeviceTest, OneBeyondTheLastIsRefusedWithTheList) {
  const absl::StatusOr<TrainerDevice> device =
      ChooseDevice("cuda:2", ApplyVisibleDevices(ParseNvidiaSmi(kFour), "3,1"));
  EXPECT_TRUE(absl::IsInvalidArgument(device.status()));
  EXPECT_THAT(device.status().ToString(),
              AllOf(HasSubstr("\"cuda:2\""), HasSubstr("sees 2 GPUs"),
                    HasSubstr("cuda:1 NVIDIA H100 80GB HBM3"), HasSubstr("--device auto")));
}

TEST(ChooseDeviceTest, WithoutNvidiaSmiTheIndexIsTakenAtItsWord) {
  const absl::StatusOr<std::vector<Gpu>> none = absl::NotFoundError("none here");
  const absl::StatusOr<TrainerDevice> any =
      ChooseDevice("cuda:5", ApplyVisibleDevices(none, std::nullopt));
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_EQ(any->shown, "cuda:5");
  EXPECT_EQ(any->environment[1], "CUDA_VISIBLE_DEVICES=5");
  EXPECT_EQ(ChooseDevice("cuda:1", ApplyVisibleDevices(none, "6,7"))->environment[1],
            "CUDA_VISIBLE_DEVICES=7");
  EXPECT_FALSE(ChooseDevice("cuda:2", ApplyVisibleDevices(none, "6,7")).ok());
}

TEST(ChooseDeviceTest, OthersAreTheTrainersBusiness) {
  for (const char* name : {"cpu", "mps:0"}) {
    const absl::StatusOr<TrainerDevice> device = ChooseDevice(name, VisibleGpus());
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(device->shown, name);
    EXPECT_THAT(device->environment, ElementsAre(absl::StrCat("HALVING_DEVICE=", name)));
  }
}

// A program of the given text, found first on PATH for as long as the test runs.
class OnPathTest : public testing::Test {
 protected:
  OnPathTest() : path_(std::getenv("PATH")) {}
  ~OnPathTest() override { setenv("PATH", path_.c_str(), 1); }

  void Put(const std::string& name, const std::string& script) {
    WriteFile(temp_.File(name), absl::StrCat("#!/bin/sh\n", script));
    chmod(temp_.File(name).c_str(), 0755);
    setenv("PATH", absl::StrCat(temp_.path(), ":", path_).c_str(), 1);
  }

  TempDir temp_;
  const std::string path_;
};

TEST_F(OnPathTest, NvidiaSmiIsAskedForWhatIsRead) {
  Put("nvidia-smi", R"(echo "$@" >&2; [ "$*" = "--query-gpu=index,uuid,name )"
                    R"(--format=csv,noheader" ] && echo "0, GPU-aa, T4")");
  const absl::StatusOr<std::vector<Gpu>> gpus = AskNvidiaSmi(kTestTimeout);
  ASSERT_TRUE(gpus.ok()) << gpus.status();
  ASSERT_EQ(gpus->size(), 1U);
  EXPECT_EQ((*gpus)[0].name, "T4");
}

TEST_F(OnPathTest, FailureIsToldWithWhatWasPrinted) {
  Put("nvidia-smi", "echo 'Driver/library version mismatch'; exit 18");
  const absl::StatusOr<std::vector<Gpu>> gpus = AskNvidiaSmi(kTestTimeout);
  EXPECT_TRUE(absl::IsUnavailable(gpus.status()));
  EXPECT_THAT(gpus.status().ToString(),
              AllOf(HasSubstr("status 18"), HasSubstr("version mismatch")));
}

TEST_F(OnPathTest, OneThatHangsIsKilled) {
  Put("nvidia-smi", absl::StrCat("echo $$ > ", temp_.File("pid"), "; exec sleep 1000"));
  const absl::StatusOr<std::vector<Gpu>> gpus = AskNvidiaSmi(absl::Milliseconds(300));
  EXPECT_TRUE(absl::IsUnavailable(gpus.status())) << gpus.status();
  EXPECT_THAT(gpus.status().ToString(), HasSubstr("not done after 300ms"));
  const pid_t pid = ReadPid(temp_.File("pid"));
  EXPECT_TRUE(pid == 0 || IsGoneSoon(pid)) << "0: it was killed before its first step";
}

TEST_F(OnPathTest, MissingOneIsNotFound) {
  setenv("PATH", temp_.path().c_str(), 1);
  EXPECT_TRUE(absl::IsNotFound(AskNvidiaSmi(kTestTimeout).status()));
}

TEST_F(OnPathTest, HugeOutputIsBounded) {
  const absl::StatusOr<std::string> output =
      RunProgram({"head", "-c", "3000000", "/dev/zero"}, kTestTimeout);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_LE(output->size(), (1U << 20) + 65536);
}

}  // namespace
}  // namespace halving
