// CheckpointService over a loopback port.
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kChunk = 1 << 20;

// The study "s": rungs at 2, 4 and 8 epochs.
v1::StudySpec LadderSpec() {
  v1::StudySpec spec = FlatSpec("s", 1000);
  spec.mutable_halving()->set_min_epochs(2);
  spec.mutable_halving()->set_max_epochs(8);
  return spec;
}

v1::CheckpointHeader HeaderOf(const v1::Assignment& assignment, int64_t epoch,
                              const std::string& content) {
  v1::CheckpointHeader header;
  header.set_lease_id(assignment.lease_id());
  header.set_epoch(epoch);
  header.set_size_bytes(static_cast<int64_t>(content.size()));
  header.set_sha256(Sha256(content));
  return header;
}

struct Downloaded {
  v1::CheckpointHeader header;
  std::string content;
};

class CheckpointServiceTest : public testing::Test {
 protected:
  explicit CheckpointServiceTest(const CheckpointStore::Quotas& quotas = {.free_bytes = 0})
      : f_(quotas) {
    EXPECT_THAT(f_.Create(LadderSpec()), IsOk());
    assignment_ = f_.Take("w1", "r1");
  }

  // Sends the header and `content` from header.offset on.
  absl::StatusOr<std::string> Upload(const v1::CheckpointHeader& header, const std::string& content,
                                     size_t chunk_bytes = kChunk) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    v1::UploadResponse response;
    const auto writer = f_.checkpoints->Upload(&context, &response);
    v1::UploadRequest request;
    *request.mutable_header() = header;
    bool open = writer->Write(request);
    for (auto at = static_cast<size_t>(header.offset()); open && at < content.size();
         at += chunk_bytes) {
      request.set_chunk(content.substr(at, chunk_bytes));
      open = writer->Write(request);
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    if (!status.ok()) return FromGrpc(status);
    return response.checkpoint_id();
  }
  absl::StatusOr<Downloaded> Download(const v1::DownloadRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    const auto reader = f_.checkpoints->Download(&context, request);
    Downloaded downloaded;
    v1::DownloadResponse response;
    while (reader->Read(&response)) {
      if (response.has_header()) downloaded.header = response.header();
      downloaded.content += response.chunk();
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok()) return FromGrpc(status);
    return downloaded;
  }
  v1::DownloadRequest OfLease(const std::string& checkpoint_id) const {
    v1::DownloadRequest request;
    request.set_lease_id(assignment_.lease_id());
    request.set_checkpoint_id(checkpoint_id);
    return request;
  }
  // Names it, so that the trial goes on from it.
  void Name(const std::string& checkpoint_id, int64_t epoch) {
    v1::ReportRequest report;
    report.set_lease_id(assignment_.lease_id());
    report.mutable_progress()->set_checkpoint_id(checkpoint_id);
    report.mutable_progress()->set_checkpoint_epoch(epoch);
    EXPECT_THAT(f_.Report(report), IsOk());
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(f_.store->folder())) {
      const std::string name = entry.path().filename().string();
      if (name != ".halving-server") names.push_back(name);
    }
    return names;
  }

  ServerFixture f_;
  v1::Assignment assignment_;
};

TEST_F(CheckpointServiceTest, WhatGoesUpComesDown) {
  // More chunks than are held at once, the last one short.
  std::string content(5 * kChunk + 17, 'w');
  for (size_t i = 0; i < content.size(); i += 1000) content[i] = static_cast<char>(i / 1000);
  const auto id = Upload(HeaderOf(assignment_, 1, content), content);
  ASSERT_THAT(id, IsOk());
  Name(*id, 1);
  const auto down = Download(OfLease(*id));
  ASSERT_THAT(down, IsOk());
  EXPECT_TRUE(down->content == content);
  EXPECT_EQ(down->header.epoch(), 1);
  EXPECT_EQ(down->header.sha256(), Sha256(content));
  EXPECT_EQ(down->header.size_bytes(), static_cast<int64_t>(content.size()));
  EXPECT_EQ(down->header.checkpoint_id(), *id);
}

TEST_F(CheckpointServiceTest, ADownloadGoesOnFromAnOffsetOrIsJustTheHeader) {
  const std::string content(3 * kChunk, 'x');
  const auto id = Upload(HeaderOf(assignment_, 1, content), content);
  ASSERT_THAT(id, IsOk());
  Name(*id, 1);
  v1::DownloadRequest request = OfLease(*id);
  request.set_offset(2 * kChunk + 5);
  EXPECT_EQ(Download(request)->content.size(), kChunk - 5);
  request.set_header_only(true);
  request.set_offset(0);
  EXPECT_EQ(Download(request)->content, "");
  EXPECT_EQ(Download(request)->header.sha256(), Sha256(content));
  request.set_offset(3 * kChunk + 1);
  EXPECT_THAT(Download(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("offset is")));
}

TEST_F(CheckpointServiceTest, AnUploadThatWasCutOffGoesOnWhereItStopped) {
  const std::string content(2 * kChunk + 3, 'c');
  v1::CheckpointHeader header = HeaderOf(assignment_, 1, content);
  EXPECT_THAT(Upload(header, content.substr(0, kChunk)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("go on from there")));
  v1::GetUploadOffsetRequest ask;
  ask.set_lease_id(assignment_.lease_id());
  ask.set_sha256(header.sha256());
  const auto offset =
      f_.CallOn<CheckpointStub>(f_.checkpoints.get(), &CheckpointStub::GetUploadOffset, ask);
  ASSERT_THAT(offset, IsOk());
  EXPECT_EQ(offset->offset(), static_cast<int64_t>(kChunk));
  header.set_offset(offset->offset());
  const auto id = Upload(header, content);
  ASSERT_THAT(id, IsOk());
  header.set_offset(0);
  EXPECT_THAT(Upload(header, ""), IsOkAndHolds(*id)) << "the answer was lost";
}

TEST_F(CheckpointServiceTest, TheSameBytesAtALaterEpochAreAnotherCheckpoint) {
  const auto first = Upload(HeaderOf(assignment_, 1, "frozen"), "frozen");
  ASSERT_THAT(first, IsOk());
  v1::GetUploadOffsetRequest ask;
  ask.set_lease_id(assignment_.lease_id());
  ask.set_sha256(Sha256("frozen"));
  EXPECT_EQ(f_.CallOn<CheckpointStub>(f_.checkpoints.get(), &CheckpointStub::GetUploadOffset, ask)
                ->offset(),
            0);
  const auto second = Upload(HeaderOf(assignment_, 2, "frozen"), "frozen");
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(*first, *second);
}

TEST_F(CheckpointServiceTest, AWrongHeaderIsRefusedBeforeAnyByteIsTaken) {
  const std::string content = "bytes";
  v1::CheckpointHeader header = HeaderOf(assignment_, 1, content);
  header.set_sha256("short");
  EXPECT_THAT(Upload(header, content),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header.sha256 has 5 bytes")));
  header = HeaderOf(assignment_, 1, content);
  header.set_size_bytes(0);
  EXPECT_THAT(Upload(header, content),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header.size_bytes is 0")));
  header = HeaderOf(assignment_, 9, content);
  EXPECT_THAT(Upload(header, content),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header.epoch is 9")));
  header = HeaderOf(assignment_, 1, content);
  header.set_lease_id("nonsense");
  EXPECT_THAT(Upload(header, content), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Upload(v1::CheckpointHeader(), content), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CheckpointServiceTest, AStreamWithoutAHeaderIsRefused) {
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto writer = f_.checkpoints->Upload(&context, &response);
  v1::UploadRequest request;
  request.set_chunk("bytes");
  writer->Write(request);
  writer->WritesDone();
  EXPECT_THAT(FromGrpc(writer->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no header")));
  grpc::ClientContext empty;
  const auto nothing = f_.checkpoints->Upload(&empty, &response);
  nothing->WritesDone();
  EXPECT_THAT(FromGrpc(nothing->Finish()), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CheckpointServiceTest, AChunkAboveAMegabyteIsRefused) {
  const std::string content(2 * kChunk, 'x');
  EXPECT_THAT(Upload(HeaderOf(assignment_, 1, content), content, kChunk + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 1048576")));
}

TEST_F(CheckpointServiceTest, CorruptedBytesAreRefusedAndNothingOfThemStays) {
  const std::string content(kChunk, 'x');
  std::string corrupted = content;
  corrupted[500'000] ^= 1;
  EXPECT_THAT(Upload(HeaderOf(assignment_, 1, content), corrupted),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SHA-256")));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CheckpointServiceTest, AWorkerThatLostItsLeaseMayNotUpload) {
  f_.Pass(absl::Seconds(60));
  const v1::Assignment again = f_.Take("w2", "r2");
  ASSERT_EQ(again.trial_id(), assignment_.trial_id());
  EXPECT_THAT(Upload(HeaderOf(assignment_, 1, "old"), "old"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("drop the work")));
  EXPECT_THAT(Upload(HeaderOf(again, 1, "new"), "new"), IsOk());
}

TEST_F(CheckpointServiceTest, PeopleFetchTheBestOneOrAnyTrials) {
  const auto id = Upload(HeaderOf(assignment_, 2, "the best model"), "the best model");
  v1::DownloadRequest request;
  request.set_study("s");
  EXPECT_THAT(Download(request), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no result yet")));
  v1::ReportRequest report;
  report.set_lease_id(assignment_.lease_id());
  report.mutable_completed()->set_error(0.1);
  report.mutable_completed()->set_checkpoint_id(*id);
  ASSERT_THAT(f_.Report(report), IsOk());
  EXPECT_EQ(Download(request)->content, "the best model");
  request.set_trial_id(assignment_.trial_id());
  EXPECT_EQ(Download(request)->content, "the best model");
  request.set_trial_id(77);
  EXPECT_THAT(Download(request), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no trial 77")));
  request.set_study("nope");
  EXPECT_THAT(Download(request), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no study")));
  EXPECT_THAT(Download(v1::DownloadRequest()), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CheckpointServiceTest, OneThatWasNotUploadedCannotBeFetched) {
  Name("a-file-of-the-worker", 1);
  EXPECT_THAT(Download(OfLease("a-file-of-the-worker")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("was not uploaded")));
  EXPECT_THAT(Download(OfLease("no-such")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no checkpoint \"no-such\"")));
}

TEST_F(CheckpointServiceTest, ALostFileIsForgotten) {
  const auto id = Upload(HeaderOf(assignment_, 1, "lost"), "lost");
  Name(*id, 1);
  std::filesystem::remove(f_.store->PathOf(*id));
  EXPECT_THAT(Download(OfLease(*id)), StatusIs(absl::StatusCode::kNotFound));
  f_.RunBatch();
  EXPECT_THAT(Download(OfLease(*id)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no checkpoint")));
}

TEST_F(CheckpointServiceTest, WhatIsSupersededIsRemovedFromTheDisk) {
  const auto first = Upload(HeaderOf(assignment_, 1, "first"), "first");
  Name(*first, 1);
  const auto last = Upload(HeaderOf(assignment_, 2, "last"), "last");
  v1::ReportRequest report;
  report.set_lease_id(assignment_.lease_id());
  report.mutable_completed()->set_error(0.1);
  report.mutable_completed()->set_checkpoint_id(*last);
  ASSERT_THAT(f_.Report(report), IsOk());
  f_.keeper->Stop();  // What was posted has been done then.
  EXPECT_THAT(Files(), ElementsAre(*last));
}

TEST_F(CheckpointServiceTest, AfterDeleteStudyNoFileIsLeft) {
  ASSERT_THAT(Upload(HeaderOf(assignment_, 1, "one"), "one"), IsOk());
  ASSERT_THAT((f_.Named<v1::StopStudyRequest, v1::Study>(&StudyStub::StopStudy, "s")), IsOk());
  ASSERT_THAT(
      (f_.Named<v1::DeleteStudyRequest, v1::DeleteStudyResponse>(&StudyStub::DeleteStudy, "s")),
      IsOk());
  f_.keeper->Stop();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CheckpointServiceTest, AWorkerLearnsWhichCopiesItMayRemove) {
  const auto id = Upload(HeaderOf(assignment_, 1, "one"), "one");
  v1::FindUnneededRequest request;
  request.add_checkpoint_ids(*id);
  request.add_checkpoint_ids("1.1.1.1.00000000000000000000000000000000");
  request.add_checkpoint_ids("not-ours");
  const auto unneeded =
      f_.CallOn<CheckpointStub>(f_.checkpoints.get(), &CheckpointStub::FindUnneeded, request);
  ASSERT_THAT(unneeded, IsOk());
  EXPECT_THAT(unneeded->checkpoint_ids(), ElementsAre("1.1.1.1.00000000000000000000000000000000"));
  for (int i = 0; i < 1000; ++i) request.add_checkpoint_ids("x");
  EXPECT_THAT(
      f_.CallOn<CheckpointStub>(f_.checkpoints.get(), &CheckpointStub::FindUnneeded, request),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 1000")));
}

TEST_F(CheckpointServiceTest, AFileInTheServersOwnFolderIsTakenOverWithoutItsBytes) {
  const std::string name = ".worker-0123456789abcdef.1.ready";
  WriteTestFile(f_.store->folder() + "/" + name, "shared");
  v1::CheckpointHeader header = HeaderOf(assignment_, 1, "shared");
  header.set_shared_file(name);
  const auto id = Upload(header, "");
  ASSERT_THAT(id, IsOk());
  Name(*id, 1);
  EXPECT_EQ(Download(OfLease(*id))->content, "shared");
  header.set_shared_file("../../etc/passwd");
  header.set_epoch(2);
  EXPECT_THAT(Upload(header, ""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CheckpointServiceTest, AFullJournalLeavesTheUploadToBeTriedAgain) {
  f_.journal.FillDisk();
  const v1::CheckpointHeader header = HeaderOf(assignment_, 1, "one");
  EXPECT_THAT(Upload(header, "one"), StatusIs(absl::StatusCode::kUnavailable));
  f_.journal.MakeRoom();
  f_.Pass(absl::Seconds(2));
  const auto id = Upload(header, "one");
  ASSERT_THAT(id, IsOk());
  Name(*id, 1);
  EXPECT_EQ(Download(OfLease(*id))->content, "one");
}

TEST_F(CheckpointServiceTest, MoreUploadsThanTurnsAreAllServed) {
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  std::vector<v1::Assignment> assignments;
  for (int i = 0; i < 100; ++i) {
    assignments.push_back(f_.Take(absl::StrCat("u", i), absl::StrCat("u", i)));
  }
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&, i] {
      const std::string content(kChunk + static_cast<size_t>(i), static_cast<char>(i));
      if (Upload(HeaderOf(assignments[static_cast<size_t>(i)], 1, content), content).ok()) {
        ++stored;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, 100);
}

class SmallQuotaTest : public CheckpointServiceTest {
 protected:
  SmallQuotaTest() : CheckpointServiceTest({.each_bytes = 100, .free_bytes = 0}) {}
};

TEST_F(SmallQuotaTest, AQuotaIsResourceExhaustedWithItsName) {
  const std::string content(101, 'x');
  EXPECT_THAT(Upload(HeaderOf(assignment_, 1, content), content),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--max-checkpoint-size")));
}

}  // namespace
}  // namespace halving
