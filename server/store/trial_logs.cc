#include "server/store/trial_logs.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr absl::Duration kWriteEvery = absl::Seconds(1);
constexpr int64_t kWriteAtBytes = 1 << 20;
constexpr int64_t kMaxWaitingBytes = 8 << 20;
constexpr int64_t kMaxLine = int64_t{1} << 53;  // Far from where sums of numbers overflow.
constexpr int64_t kBytesBesideText = 32;

int64_t CostOf(const PrintedLines& printed) {
  auto bytes = static_cast<int64_t>(sizeof(printed) + printed.worker.size());
  for (const std::string& line : printed.lines) {
    bytes += kBytesBesideText + static_cast<int64_t>(line.size());
  }
  return bytes;
}

// Whether another file would do.
bool IsTheFilesFault(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsPermissionDenied(status);
}

}  // namespace

TrialLogs::TrialLogs(std::string file, Options options)
    : file_(std::move(file)), options_(std::move(options)) {
  {
    MutexLock lock(&db_mu_);
    Note(Open());
  }
  thread_ = std::thread([this] { Loop(); });
}

TrialLogs::~TrialLogs() { Stop(); }

void TrialLogs::Append(PrintedLines printed) {
  if (printed.lines.empty() || printed.first_line < 1 || printed.first_line > kMaxLine) return;
  const int64_t bytes = CostOf(printed);
  MutexLock lock(&mu_);
  if (stopping_ || waiting_.bytes + bytes > kMaxWaitingBytes) return;
  const bool is_first = waiting_.empty();
  const bool was_much = waiting_.bytes >= kWriteAtBytes;
  waiting_.bytes += bytes;
  waiting_.printed.push_back(std::move(printed));
  if (is_first || (!was_much && waiting_.bytes >= kWriteAtBytes)) changed_.NotifyOne();
}

void TrialLogs::Forget(StudyUid study) {
  MutexLock lock(&mu_);
  waiting_.forget.push_back(study);
  changed_.NotifyOne();
}

void TrialLogs::ForgetAllBut(const absl::btree_set<StudyUid>& studies) {
  MutexLock lock(&db_mu_);
  if (table_ == nullptr) return;
  const absl::StatusOr<std::vector<StudyUid>> kept = table_->Studies();
  if (!kept.ok()) return Note(kept.status());
  Waiting deleted;
  for (const StudyUid study : *kept) {
    if (!studies.contains(study)) deleted.forget.push_back(study);
  }
  Note(Write(deleted));
}

std::vector<KeptLines> TrialLogs::Read(StudyUid study, TrialId trial) {
  MutexLock lock(&db_mu_);
  WriteWaiting();
  if (table_ == nullptr) return {};
  absl::StatusOr<std::vector<KeptLines>> kept = table_->Read(study, trial);
  if (kept.ok()) return *std::move(kept);
  Note(IsTheFilesFault(kept.status()) ? BeginAnew(kept.status()) : kept.status());
  return {};
}

void TrialLogs::Flush() {
  MutexLock lock(&db_mu_);
  WriteWaiting();
}

void TrialLogs::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void TrialLogs::Loop() {
  while (AwaitWork()) Flush();
  Flush();
}

bool TrialLogs::AwaitWork() {
  MutexLock lock(&mu_);
  while (!stopping_ && waiting_.empty()) changed_.Wait(&mu_);
  const absl::Time due = Clock::Real()->Now() + kWriteEvery;
  for (;;) {
    const absl::Duration left = due - Clock::Real()->Now();
    if (stopping_ || waiting_.bytes >= kWriteAtBytes || left <= absl::ZeroDuration()) break;
    changed_.WaitFor(&mu_, left);
  }
  return !stopping_;
}

void TrialLogs::WriteWaiting() {
  Waiting waiting;
  {
    MutexLock lock(&mu_);
    std::swap(waiting, waiting_);
  }
  if (waiting.empty()) return;
  const absl::Status status = Write(waiting);
  Note(status);
  if (status.ok()) return;
  // The lines are dropped. What is to be forgotten is not.
  MutexLock lock(&mu_);
  waiting_.forget.insert(waiting_.forget.end(), waiting.forget.begin(), waiting.forget.end());
}

absl::Status TrialLogs::Write(const Waiting& waiting) {
  if (table_ == nullptr) HV_RETURN_IF_ERROR(Open());
  absl::Status status = table_->Write(waiting.printed, waiting.forget);
  if (status.ok() || !IsTheFilesFault(status)) return status;
  HV_RETURN_IF_ERROR(BeginAnew(status));
  return table_->Write(waiting.printed, waiting.forget);
}

absl::Status TrialLogs::Open() {
  absl::StatusOr<std::unique_ptr<TrialLogTable>> opened =
      TrialLogTable::Open(file_, options_.table);
  if (!opened.ok()) {
    return IsTheFilesFault(opened.status()) ? BeginAnew(opened.status()) : opened.status();
  }
  table_ = *std::move(opened);
  return absl::OkStatus();
}

absl::Status TrialLogs::BeginAnew(const absl::Status& why) {
  table_.reset();
  const std::string aside = file_ + ".aside";
  std::error_code error;
  std::filesystem::rename(file_, aside, error);
  if (error) {
    return absl::Status(why.code(), absl::StrCat(why.message(), "; it cannot be renamed to ", aside,
                                                 ": ", error.message()));
  }
  // What belongs to the old one would be read into the new one.
  std::filesystem::remove(file_ + "-wal", error);
  HV_ASSIGN_OR_RETURN(table_, TrialLogTable::Open(file_, options_.table));
  Warn(absl::StrCat("the logs of trials begin anew; what was there is now ", aside, ": ",
                    why.message()));
  return absl::OkStatus();
}

void TrialLogs::Note(const absl::Status& status) {
  if (!status.ok() && !warned_) {
    Warn(absl::StrCat("lines that trainers printed are dropped until they can be written again: ",
                      status.message()));
  }
  warned_ = !status.ok();
}

void TrialLogs::Warn(const std::string& what) const {
  if (options_.warn != nullptr) options_.warn(what);
}

}  // namespace halving
