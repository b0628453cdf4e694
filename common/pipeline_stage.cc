#include "common/pipeline_stage.h"

#include <utility>

namespace halving {
namespace {

constexpr size_t kMostWaiting = 2;

}  // namespace

PipelineStage::PipelineStage(std::function<absl::Status(absl::string_view)> work)
    : work_(std::move(work)), thread_([this] { Loop(); }) {}

PipelineStage::~PipelineStage() {
  {
    MutexLock lock(&mu_);
    closed_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

absl::Status PipelineStage::Add(std::string chunk) {
  MutexLock lock(&mu_);
  while (status_.ok() && waiting_.size() >= kMostWaiting) changed_.Wait(&mu_);
  if (!status_.ok()) return status_;
  waiting_.push_back(std::move(chunk));
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status PipelineStage::Flush() {
  MutexLock lock(&mu_);
  while (working_ || !waiting_.empty()) changed_.Wait(&mu_);
  return status_;
}

void PipelineStage::Loop() {
  for (;;) {
    std::string chunk;
    {
      MutexLock lock(&mu_);
      working_ = false;
      changed_.NotifyAll();
      while (waiting_.empty() && !closed_) changed_.Wait(&mu_);
      if (waiting_.empty()) return;
      chunk = std::move(waiting_.front());
      waiting_.pop_front();
      working_ = true;
      changed_.NotifyAll();
    }
    const absl::Status status = work_(chunk);
    if (status.ok()) continue;
    MutexLock lock(&mu_);
    status_ = status;
    waiting_.clear();
    working_ = false;
    changed_.NotifyAll();
    return;
  }
}

}  // namespace halving
