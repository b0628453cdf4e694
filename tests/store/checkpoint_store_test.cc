#include "server/store/checkpoint_store.h"

#include <sys/statvfs.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/checkpoint_id.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr LeaseKey kLease = {.study = 1, .trial = 2, .attempt = 3};

CheckpointUpload UploadOf(const std::string& content, int64_t epoch = 4,
                          const LeaseKey& lease = kLease) {
  const std::string sha256 = Sha256(content);
  return {.lease = lease,
          .checkpoint_id = StoredCheckpointId(lease, epoch, sha256),
          .bytes = static_cast<int64_t>(content.size()),
          .sha256 = sha256};
}

class CheckpointStoreTest : public testing::Test {
 protected:
  CheckpointStoreTest() { Reopen(); }

  void Reopen(const CheckpointStore::Quotas& quotas = {.free_bytes = 0}) {
    store_.reset();
    absl::StatusOr<std::unique_ptr<CheckpointStore>> opened =
        CheckpointStore::Open(dir_.path(), "me", quotas);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  // A whole upload in two chunks.
  absl::Status Put(const std::string& content, const CheckpointUpload& upload) {
    auto incoming = store_->Begin(upload, 0);
    if (!incoming.ok()) return incoming.status();
    const size_t half = content.size() / 2;
    for (const std::string& chunk : {content.substr(0, half), content.substr(half)}) {
      if (absl::Status s = (*incoming)->Append(chunk); !s.ok()) return s;
    }
    return (*incoming)->Finish();
  }
  std::string ContentOf(const std::string& id) {
    absl::StatusOr<UniqueFd> fd = store_->OpenToRead(id);
    if (!fd.ok()) return std::string(fd.status().message());
    std::string content(1000, '\0');
    content.resize(*ReadAt(fd->get(), content.data(), content.size(), 0, id));
    return content;
  }
  // The names in the folder, but for the mark of its owner.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      const std::string name = entry.path().filename().string();
      if (name != ".halving-server") names.push_back(name);
    }
    return names;
  }
  static bool NoneIsOpen(LeaseKey) { return false; }

  const TempDir dir_;
  std::unique_ptr<CheckpointStore> store_;
};

TEST_F(CheckpointStoreTest, AWholeUploadIsAFileUnderItsId) {
  const CheckpointUpload upload = UploadOf("the weights");
  ASSERT_THAT(Put("the weights", upload), IsOk());
  EXPECT_EQ(ContentOf(upload.checkpoint_id), "the weights");
  EXPECT_THAT(Names(), ElementsAre(upload.checkpoint_id));
  EXPECT_EQ(store_->total_bytes(), 11);
}

TEST_F(CheckpointStoreTest, AnUploadThatWasCutOffGoesOnWhereItStopped) {
  const CheckpointUpload upload = UploadOf("0123456789");
  {
    auto first = store_->Begin(upload, 0);
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT((*first)->Append("01234"), IsOk());
    EXPECT_THAT((*first)->Finish(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("5 of the 10 bytes")));
  }
  EXPECT_EQ(store_->OffsetOf(kLease, upload.sha256), 5);
  Reopen();  // The server, too, may have died.
  ASSERT_THAT(store_->Sweep({}, [](LeaseKey lease) { return lease == kLease; }),
              IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(store_->OffsetOf(kLease, upload.sha256), 5);
  auto second = store_->Begin(upload, 5);
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT((*second)->Append("56789"), IsOk());
  ASSERT_THAT((*second)->Finish(), IsOk());
  EXPECT_EQ(ContentOf(upload.checkpoint_id), "0123456789");
  EXPECT_EQ(store_->total_bytes(), 10);
}

TEST_F(CheckpointStoreTest, AnOffsetBehindWhatHasComeIsRefused) {
  const CheckpointUpload upload = UploadOf("0123456789");
  EXPECT_THAT(store_->Begin(upload, 1),
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("header.offset is 1, but 0 of 10 bytes have come")));
  EXPECT_EQ(store_->total_bytes(), 0);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(CheckpointStoreTest, APartThatWasDamagedIsDroppedAndMayBeSentAnew) {
  const CheckpointUpload upload = UploadOf("0123456789");
  {
    auto first = store_->Begin(upload, 0);
    ASSERT_THAT((*first)->Append("torn!"), IsOk());
  }
  auto second = store_->Begin(upload, 5);
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT((*second)->Append("56789"), IsOk());
  EXPECT_THAT((*second)->Finish(), StatusIs(absl::StatusCode::kAborted, HasSubstr("SHA-256")));
  EXPECT_EQ(store_->OffsetOf(kLease, upload.sha256), 0);
  EXPECT_THAT(Put("0123456789", upload), IsOk());
}

TEST_F(CheckpointStoreTest, WhatOthersHaveDeclaredIsSpokenFor) {
  struct statvfs disk = {};
  ASSERT_EQ(statvfs(dir_.path().c_str(), &disk), 0);
  const auto free = static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
  Reopen({.each_bytes = int64_t{1} << 60, .total_bytes = int64_t{1} << 60, .free_bytes = free / 2});
  // Each would fit, and not both.
  CheckpointUpload first = UploadOf("first");
  CheckpointUpload second = UploadOf("second");
  first.bytes = second.bytes = free / 3;
  const auto on_its_way = store_->Begin(first, 0);
  ASSERT_THAT(on_its_way, IsOk());
  EXPECT_THAT(store_->Begin(second, 0),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("on their way")));
}

TEST_F(CheckpointStoreTest, AnUploadThatFindsTheDiskFullIsDropped) {
  // The disk has less than shall stay free once the upload has begun, as when others fill it.
  const std::string content(20 << 20, 'x');
  const CheckpointUpload upload = UploadOf(content);
  { auto begun = store_->Begin(upload, 0); }
  Reopen({.free_bytes = int64_t{1} << 60});
  EXPECT_THAT(Put(content, upload), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(CheckpointStoreTest, BytesOfAnotherHashAreDroppedAndSaidSo) {
  CheckpointUpload upload = UploadOf("what was declared");
  EXPECT_THAT(Put("what really came.", upload),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SHA-256")));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(store_->total_bytes(), 0);
}

TEST_F(CheckpointStoreTest, MoreBytesThanDeclaredAreRefused) {
  CheckpointUpload upload = UploadOf("0123456789");
  upload.bytes = 7;
  EXPECT_THAT(Put("0123456789", upload),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more bytes")));
}

TEST_F(CheckpointStoreTest, ANewerUploadOfTheSameBytesTakesOver) {
  const CheckpointUpload upload = UploadOf("0123456789");
  auto first = store_->Begin(upload, 0);
  ASSERT_THAT((*first)->Append("01234"), IsOk());
  auto second = store_->Begin(upload, 5);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT((*first)->Append("xxxxx"), StatusIs(absl::StatusCode::kAborted));
  ASSERT_THAT((*second)->Append("56789"), IsOk());
  ASSERT_THAT((*second)->Finish(), IsOk());
  EXPECT_THAT((*first)->Finish(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ContentOf(upload.checkpoint_id), "0123456789");
}

TEST_F(CheckpointStoreTest, TheQuotaPerCheckpointIsNamed) {
  Reopen({.each_bytes = 10, .free_bytes = 0});
  EXPECT_THAT(Put("01234567890", UploadOf("01234567890")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--max-checkpoint-size")));
  EXPECT_THAT(Put("0123456789", UploadOf("0123456789")), IsOk());
}

TEST_F(CheckpointStoreTest, TheQuotaInAllCountsWhatIsDeclaredBeforeItComes) {
  Reopen({.total_bytes = 15, .free_bytes = 0});
  auto on_its_way = store_->Begin(UploadOf("0123456789"), 0);
  ASSERT_THAT(on_its_way, IsOk());
  EXPECT_THAT(Put("abcdef", UploadOf("abcdef")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--max-checkpoint-total")));
  on_its_way->reset();
  store_->RemoveParts(kLease);
  EXPECT_THAT(Put("abcdef", UploadOf("abcdef")), IsOk()) << "the other one was given up";
}

TEST_F(CheckpointStoreTest, WhatIsRemovedGivesItsPlaceBack) {
  Reopen({.total_bytes = 10, .free_bytes = 0});
  const CheckpointUpload upload = UploadOf("0123456789");
  ASSERT_THAT(Put("0123456789", upload), IsOk());
  store_->Doom({upload.checkpoint_id, "1.1.1.1.00000000000000000000000000000000"});
  store_->RemoveDoomed();
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(store_->total_bytes(), 0);
  EXPECT_THAT(Put("abcdefghij", UploadOf("abcdefghij")), IsOk());
}

TEST_F(CheckpointStoreTest, SoMuchOfTheDiskStaysFree) {
  Reopen({.free_bytes = int64_t{1} << 60});
  EXPECT_THAT(Put("x", UploadOf("x")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("stay free")));
}

TEST_F(CheckpointStoreTest, OneThatIsBeingRemovedIsNotReplacedMeanwhile) {
  const CheckpointUpload upload = UploadOf("0123456789");
  store_->Doom({upload.checkpoint_id});
  EXPECT_THAT(Put("0123456789", upload), StatusIs(absl::StatusCode::kAborted));
  store_->RemoveDoomed();
  auto again = store_->Begin(upload, 10);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT((*again)->Finish(), IsOk());
}

TEST_F(CheckpointStoreTest, AStartSweepsOrphansAndNothingElse) {
  const CheckpointUpload needed = UploadOf("needed", 1);
  const CheckpointUpload orphan = UploadOf("orphan", 2);
  ASSERT_THAT(Put("needed", needed), IsOk());
  ASSERT_THAT(Put("orphan", orphan), IsOk());
  { auto part = store_->Begin(UploadOf("part"), 0); }
  WriteTestFile(dir_.File("README"), "of the operator");
  WriteTestFile(dir_.File(".worker-0123456789abcdef.1.tmp"), "of a worker");
  Reopen();
  const std::string gone = "1.1.1.1.00000000000000000000000000000000";
  EXPECT_THAT(store_->Sweep({needed.checkpoint_id, gone}, NoneIsOpen),
              IsOkAndHolds(ElementsAre(gone)));
  EXPECT_THAT(Names(), UnorderedElementsAre(needed.checkpoint_id, "README",
                                            ".worker-0123456789abcdef.1.tmp"));
  EXPECT_EQ(store_->total_bytes(), 6);
}

TEST_F(CheckpointStoreTest, AFileThatAWorkerPutThereIsTakenOver) {
  const CheckpointUpload upload = UploadOf("by the worker");
  const std::string name = ".worker-0123456789abcdef.1.ready";
  WriteTestFile(dir_.File(name), "by the worker");
  ASSERT_THAT(store_->Adopt(upload, name), IsOk());
  EXPECT_EQ(ContentOf(upload.checkpoint_id), "by the worker");
  EXPECT_EQ(store_->total_bytes(), 13);
  ASSERT_THAT(store_->Adopt(upload, name), IsOk()) << "the answer was lost, and it asks again";
  EXPECT_EQ(store_->total_bytes(), 13);
}

TEST_F(CheckpointStoreTest, OnlyAWorkersFileOfTheDeclaredSizeIsTakenOver) {
  const CheckpointUpload upload = UploadOf("0123456789");
  for (const std::string& name :
       {std::string("../journal.db"), std::string("/etc/passwd"), std::string(".halving-server"),
        std::string(".worker-a/../../x"), std::string("README"), std::string(".worker-\0x", 10)}) {
    EXPECT_THAT(store_->Adopt(upload, name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header.shared_file")))
        << name;
  }
  EXPECT_THAT(store_->Adopt(upload, ".worker-a"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("is it the same file system")));
  std::filesystem::create_symlink("/etc/hostname", dir_.File(".worker-link"));
  EXPECT_THAT(store_->Adopt(upload, ".worker-link"), StatusIs(absl::StatusCode::kNotFound));
  WriteTestFile(dir_.File(".worker-a"), "short");
  EXPECT_THAT(store_->Adopt(upload, ".worker-a"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 5 bytes")));
}

TEST_F(CheckpointStoreTest, ATakenOverFileIsNotMissedWhenTheWorkersOwnNameIsGone) {
  const CheckpointUpload upload = UploadOf("by the worker");
  const std::string name = ".worker-0123456789abcdef.1.ready";
  WriteTestFile(dir_.File(name), "by the worker");
  ASSERT_THAT(store_->Adopt(upload, name), IsOk());
  std::filesystem::remove(dir_.File(name));
  EXPECT_THAT(store_->Adopt(upload, name), IsOk());
  EXPECT_EQ(ContentOf(upload.checkpoint_id), "by the worker");
  EXPECT_THAT(Names(), ElementsAre(upload.checkpoint_id)) << "no name is left over";
}

TEST_F(CheckpointStoreTest, TheDirectoryOfAnotherServerIsRefused) {
  EXPECT_THAT(CheckpointStore::Open(dir_.path(), "me", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is in use")));
  store_.reset();
  EXPECT_THAT(CheckpointStore::Open(dir_.path(), "somebody else", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("belongs to the journal of another data directory")));
}

}  // namespace
}  // namespace halving
