#include "common/pipeline_stage.h"

#include <future>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(PipelineStageTest, WorksOnAllChunksInTheirOrderOnAThreadOfItsOwn) {
  std::string seen;
  std::thread::id worked_by;
  {
    PipelineStage<std::string> stage([&](absl::string_view chunk) {
      absl::StrAppend(&seen, chunk, " ");
      worked_by = std::this_thread::get_id();
      return absl::OkStatus();
    });
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(stage.Add(absl::StrCat(i)).ok());
    EXPECT_TRUE(stage.Flush().ok());
    EXPECT_EQ(seen, "0 1 2 3 4 ");
    EXPECT_TRUE(stage.Add("after a flush").ok());
  }
  EXPECT_EQ(seen, "0 1 2 3 4 after a flush ") << "the destructor works on what waits";
  EXPECT_NE(worked_by, std::this_thread::get_id());
}

TEST(PipelineStageTest, TheCallerGoesOnWhileAChunkIsWorkedOn) {
  std::promise<void> go_on;
  PipelineStage<std::string> stage([waits = go_on.get_future().share()](absl::string_view) {
    waits.wait();
    return absl::OkStatus();
  });
  EXPECT_TRUE(stage.Add("one").ok());
  EXPECT_TRUE(stage.Add("two").ok());
  go_on.set_value();
  EXPECT_TRUE(stage.Flush().ok());
}

TEST(PipelineStageTest, TheFirstErrorEndsTheWorkAndIsToldToEachCall) {
  int worked = 0;
  PipelineStage<std::string> stage([&](absl::string_view) {
    ++worked;
    return absl::ResourceExhaustedError("the disk is full");
  });
  EXPECT_TRUE(stage.Add("one").ok());
  EXPECT_EQ(stage.Flush(), absl::ResourceExhaustedError("the disk is full"));
  // More than may wait: none of them may block.
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(stage.Add("more"), absl::ResourceExhaustedError("the disk is full"));
  }
  EXPECT_EQ(stage.Flush(), absl::ResourceExhaustedError("the disk is full"));
  EXPECT_EQ(worked, 1);
}

TEST(PipelineStageTest, AnErrorFreesTheCallerThatWaits) {
  std::promise<void> go_on;
  PipelineStage<std::string> stage([waits = go_on.get_future().share()](absl::string_view) {
    waits.wait();
    return absl::InternalError("no");
  });
  std::thread frees([&] { go_on.set_value(); });
  // One is worked on and two wait, so one of these waits for the end of the first one.
  absl::Status status;
  for (int i = 0; i < 4; ++i) status = stage.Add("chunk");
  EXPECT_EQ(status, absl::InternalError("no"));
  frees.join();
}

}  // namespace
}  // namespace halving
