#include "worker/agent/server_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "spdlog/spdlog.h"
#include "worker/agent/backoff.h"
#include "worker/agent/grpc_channel.h"
#include "worker/agent/wake_event.h"

namespace halving {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(200);
constexpr absl::Duration kMaxBackoff = absl::Seconds(10);
constexpr absl::Duration kMaxBackoffWhenLeaving = absl::Seconds(1);
constexpr absl::Duration kReportTimeout = absl::Seconds(10);

// False when `patience` was over before `done`.
bool AwaitDone(const WakeEvent& done, const Patience& patience) {
  for (;;) {
    const bool may_quit = patience.quit != nullptr && !patience.quit->IsSet();
    pollfd fds[] = {{done.fd(), POLLIN, 0}, {may_quit ? patience.quit->fd() : -1, POLLIN, 0}};
    PollFor(absl::MakeSpan(fds), patience.Left());
    if (fds[0].revents != 0) return true;
    if (patience.Over()) return false;
  }
}

// One call through the callback API, so that this thread can wait for two things.
template <typename Response, typename Start>
absl::StatusOr<Response> CallOnce(absl::Duration timeout, const Patience& patience, Start start) {
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  Response response;
  grpc::Status status;
  WakeEvent done;
  start(&context, &response, [&status, &done](grpc::Status result) {
    status = std::move(result);
    done.Set();
  });
  if (!AwaitDone(done, patience)) {
    context.TryCancel();
    done.WaitFor(absl::InfiniteDuration());
  }
  if (!status.ok()) return FromGrpc(status);
  return response;
}

// Who was let in before waits for the token to be put right: a night without one must not take GPU
// after GPU away.
bool IsAnswerToSuggest(const absl::Status& status, bool was_let_in) {
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) return !was_let_in;
  return IsAnswerToReport(status) || absl::IsUnimplemented(status);
}

// Calls `once` until it is answered, as `is_answer` says, or patience is over.
template <typename Once, typename IsAnswer>
auto UntilAnswered(const Patience& patience, IsAnswer is_answer, Once once) -> decltype(once()) {
  Backoff backoff(kFirstBackoff, kMaxBackoff);
  Backoff leaving(kFirstBackoff, kMaxBackoffWhenLeaving);
  for (;;) {
    auto result = once();
    if (is_answer(result.status())) return result;
    if (patience.Over()) {
      return absl::CancelledError(
          absl::StrCat("no time left; the last try said: ", result.status().ToString()));
    }
    const bool is_leaving = patience.Left() != absl::InfiniteDuration();
    patience.Wait(is_leaving ? leaving.Next() : backoff.Next());
  }
}

}  // namespace

bool IsAnswerToReport(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

ServerClient::ServerClient(const ServerLink& link)
    : address_(link.address()), stub_(v1::WorkerService::NewStub(MakeChannel(link))) {}

absl::StatusOr<v1::SuggestResponse> ServerClient::SuggestOnce(const v1::SuggestRequest& request,
                                                              absl::Duration timeout,
                                                              const Patience& patience) {
  auto result = CallOnce<v1::SuggestResponse>(
      timeout, patience, [&](auto* context, auto* response, auto done) {
        stub_->async()->Suggest(context, &request, response, std::move(done));
      });
  if (result.ok()) was_let_in_ = true;
  if (!patience.Over()) {
    NoteResult(result.status(), IsAnswerToSuggest(result.status(), was_let_in_));
  }
  return result;
}

absl::StatusOr<v1::ReportResponse> ServerClient::ReportOnce(const v1::ReportRequest& request,
                                                            absl::Duration timeout,
                                                            const Patience& patience) {
  auto result = CallOnce<v1::ReportResponse>(
      timeout, patience, [&](auto* context, auto* response, auto done) {
        stub_->async()->Report(context, &request, response, std::move(done));
      });
  if (!patience.Over()) NoteResult(result.status(), IsAnswerToReport(result.status()));
  return result;
}

absl::StatusOr<v1::SuggestResponse> ServerClient::SuggestUntilAnswered(
    const v1::SuggestRequest& request, const Patience& patience) {
  const absl::Duration wait =
      absl::Seconds(request.wait().seconds()) + absl::Nanoseconds(request.wait().nanos());
  const auto is_answer = [this](const absl::Status& status) {
    return IsAnswerToSuggest(status, was_let_in_);
  };
  return UntilAnswered(patience, is_answer,
                       [&] { return SuggestOnce(request, wait + kReportTimeout, patience); });
}

absl::StatusOr<v1::ReportResponse> ServerClient::ReportUntilAnswered(
    const v1::ReportRequest& request, const Patience& patience) {
  return UntilAnswered(patience, IsAnswerToReport,
                       [&] { return ReportOnce(request, kReportTimeout, patience); });
}

void ServerClient::NoteResult(const absl::Status& status, bool is_answer) {
  MutexLock lock(&mu_);
  const absl::Time now = Clock::Real()->Now();
  if (is_answer && is_lost_) {
    spdlog::info("the server at {} is back after {}", address_,
                 absl::FormatDuration(absl::Trunc(now - lost_since_, absl::Milliseconds(100))));
  } else if (!is_answer && !is_lost_) {
    lost_since_ = now;
    spdlog::warn("no answer from the server at {}, trying again until there is one: {}", address_,
                 status.ToString());
  } else if (!is_answer) {
    spdlog::debug("still no answer from the server at {}: {}", address_, status.ToString());
  }
  is_lost_ = !is_answer;
}

}  // namespace halving
