#include "server/core/workers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

// Zombies older than that many restarts of one worker id are not told apart from new processes.
constexpr size_t kMaxSuperseded = 64;
constexpr absl::Duration kForgetAfter = absl::Hours(24);
constexpr absl::Duration kConnectedWithin = absl::Seconds(60);

}  // namespace

std::string WorkerName(const Scope& owner, const std::string& name) {
  return owner.empty() ? name : absl::StrCat(owner, "/", name);
}

absl::string_view OwnerOfWorker(absl::string_view worker) {
  const size_t slash = worker.find('/');
  return slash == absl::string_view::npos ? "" : worker.substr(0, slash);
}

void WorkerTable::Start(const WorkerStarted& event) {
  WorkerInfo& info = workers_[event.worker];
  // It may be one that was here before: a worker that was forgotten starts again as itself.
  std::erase(info.superseded, event.incarnation);
  if (!info.incarnation.empty() && info.incarnation != event.incarnation) {
    info.superseded.push_back(info.incarnation);
  }
  if (info.superseded.size() > kMaxSuperseded) info.superseded.erase(info.superseded.begin());
  info.incarnation = event.incarnation;
  BeIdleSince(info, event.time);
  Touch(info, event.time);
}

void WorkerTable::See(const WorkerSeen& event) {
  const bool fresh = !workers_.contains(event.worker);
  WorkerInfo& info = workers_[event.worker];
  if (fresh) info.idle_since = event.time;
  info.host = event.host;
  info.device = event.device;
  info.objectives = event.objectives;
  ComeBack(info, event.time);
  Touch(info, event.time);
}

void WorkerTable::SeeAt(const std::string& worker, absl::Time now) {
  const auto at = workers_.find(worker);
  if (at != workers_.end()) Touch(at->second, now);
}

void WorkerTable::CountFinished(const std::string& worker, absl::Time now) {
  ++workers_[worker].trials_finished;
  MarkIdle(worker, now);
}

void WorkerTable::CountLost(const std::string& worker, absl::Time now) {
  WorkerInfo& info = workers_[worker];
  ++info.leases_lost;
  BeIdleSince(info, now);  // No sign of life: last_seen stays.
}

void WorkerTable::CountBusy(const std::string& worker, absl::Time start, absl::Time now) {
  workers_[worker].busy.AddBusy(start, now);
}

void WorkerTable::CloseLease(const std::string& worker, absl::Time now) {
  BeIdleSince(workers_[worker], now);
}

void WorkerTable::MarkIdle(const std::string& worker, absl::Time now) {
  WorkerInfo& info = workers_[worker];
  BeIdleSince(info, now);
  Touch(info, now);
}

void WorkerTable::ForgetUnseen(absl::Time now, const LeaseTable& leases) {
  for (auto at = workers_.begin(); at != workers_.end();) {
    const bool unseen = at->second.last_seen + kForgetAfter < now && !leases.IsHolder(at->first);
    at = unseen ? workers_.erase(at) : std::next(at);
  }
}

const WorkerInfo* WorkerTable::Find(const std::string& worker) const {
  const auto at = workers_.find(worker);
  return at == workers_.end() ? nullptr : &at->second;
}

bool WorkerTable::IsSuperseded(const std::string& worker, const std::string& incarnation) const {
  const WorkerInfo* info = Find(worker);
  return info != nullptr && std::find(info->superseded.begin(), info->superseded.end(),
                                      incarnation) != info->superseded.end();
}

bool WorkerTable::IsConnected(const std::string& worker, const WorkerInfo& info, absl::Time now,
                              const LeaseTable& leases) {
  return info.last_seen + kConnectedWithin >= now || leases.IsHolder(worker);
}

int64_t WorkerTable::Connected(absl::Time now, const LeaseTable& leases) const {
  return std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return IsConnected(entry.first, entry.second, now, leases);
  });
}

// A compacted journal gives the events of an ended study behind younger ones.
void WorkerTable::BeIdleSince(WorkerInfo& info, absl::Time now) {
  info.idle_since = std::max(info.idle_since, now);
}

void WorkerTable::ComeBack(WorkerInfo& info, absl::Time now) {
  if (info.last_seen + kConnectedWithin < now) info.busy.SkipTo(now);
}

void WorkerTable::Touch(WorkerInfo& info, absl::Time now) {
  info.last_seen = std::max(info.last_seen, now);
}

}  // namespace halving
