#include "server/service/watch_reactor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr absl::Duration kDefaultInterval = absl::Seconds(1);
constexpr absl::Duration kLeastInterval = absl::Milliseconds(100);

}  // namespace

WatchReactor* WatchReactor::Start(Engine* engine, const Access* access,
                                  const absl::StatusOr<Caller>& caller,
                                  const v1::WatchStatusRequest& request) {
  const absl::StatusOr<absl::Duration> interval = FromProto(request.min_interval(), "min_interval");
  const bool set = request.has_min_interval() && interval.ok();
  auto* reactor = new WatchReactor(engine, access, caller.ok() ? *caller : Caller{}, request.name(),
                                   set ? std::max(*interval, kLeastInterval) : kDefaultInterval);
  if (caller.ok() && interval.ok()) {
    reactor->Wait();
  } else {
    reactor->Finish(ToGrpc(caller.ok() ? interval.status() : caller.status()));
  }
  return reactor;
}

void WatchReactor::Wait() {
  engine_->PostWatch(
      study_, version_, earliest_, gone_,
      [this](const absl::Status& status, const Engine::View& view) { Show(status, view); });
}

void WatchReactor::Show(const absl::Status& status, const Engine::View& view) {
  // One text, so that nobody learns which names others have taken.
  if (absl::IsNotFound(status)) return Finish(ToGrpc(NoStudy(study_)));
  if (!status.ok()) return Finish(ToGrpc(status));
  const absl::Status valid = access_->StillValid(caller_);
  if (!valid.ok()) return Finish(ToGrpc(valid));
  const Study* found = view.scheduler.FindStudy(study_, caller_.owner);
  if (found == nullptr) return Finish(ToGrpc(NoStudy(study_)));
  const Study& study = *found;
  if (uid_ != 0 && study.uid() != uid_) {
    return Finish(ToGrpc(absl::NotFoundError(
        absl::StrCat("study \"", study_, "\" was deleted, and another one made of that name"))));
  }
  uid_ = study.uid();
  version_ = study.version();
  earliest_ = view.now + min_interval_;
  ended_ = study.ended();
  status_.Clear();
  ShowStatus(view.scheduler, study, view.now, &status_);
  StartWrite(&status_);
}

void WatchReactor::OnWriteDone(bool ok) {
  if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
  if (ended_) return Finish(grpc::Status::OK);
  Wait();
}

void WatchReactor::OnCancel() {
  gone_->store(true);
  engine_->Sweep();
}

void WatchReactor::OnDone() { delete this; }

}  // namespace halving
