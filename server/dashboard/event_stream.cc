#include "server/dashboard/event_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "server/dashboard/json.h"

namespace halving {
namespace {

// Shows both sides, and what stands between them, that the connection lives.
constexpr absl::Duration kCommentEvery = absl::Seconds(15);
constexpr absl::Duration kOverviewEvery = absl::Seconds(1);
constexpr char kComment[] = ": still here\n\n";

// The data is one line of JSON.
std::string EventText(absl::string_view name, absl::string_view data) {
  return absl::StrCat("event: ", name, "\ndata: ", data, "\n\n");
}

class StatusStream : public EventStream {
 public:
  explicit StatusStream(std::shared_ptr<StudyFeed> feed) : feed_(std::move(feed)) {}

  bool over() const override { return over_; }

  std::string Next() override {
    using Kind = StudyFeed::News::Kind;
    const StudyFeed::News news = feed_->Next(seen_, kCommentEvery);
    seen_ = news.number;
    switch (news.kind) {
      case Kind::kNothing:
        return kComment;
      case Kind::kStatus:
        return EventText("status", *news.text);
      case Kind::kUnavailable:
        return EventText("unavailable", *news.text);
      case Kind::kEnded:
        return Last("end");
      case Kind::kDeleted:
        return Last("gone");
      case Kind::kClosing:
        break;
    }
    return Last("bye");
  }

 private:
  std::string Last(absl::string_view name) {
    over_ = true;
    return EventText(name, "{}");
  }

  const std::shared_ptr<StudyFeed> feed_;
  uint64_t seen_ = 0;
  bool over_ = false;
};

class OverviewStream : public EventStream {
 public:
  OverviewStream(std::function<absl::StatusOr<std::string>()> show, ClosingSignal* closing)
      : show_(std::move(show)), closing_(closing) {}

  bool over() const override { return over_; }

  std::string Next() override {
    const absl::Time comment_at = Clock::Real()->Now() + kCommentEvery;
    absl::Duration wait = first_ ? absl::ZeroDuration() : kOverviewEvery;
    first_ = false;
    while (!closing_->Await(wait)) {
      const absl::StatusOr<std::string> shown = show_();
      std::string event = shown.ok() ? EventText("overview", *shown)
                                     : EventText("unavailable", ErrorJson(shown.status()));
      if (event != sent_) return sent_ = std::move(event);
      if (Clock::Real()->Now() >= comment_at) return kComment;
      wait = kOverviewEvery;
    }
    over_ = true;
    return EventText("bye", "{}");
  }

 private:
  const std::function<absl::StatusOr<std::string>()> show_;
  ClosingSignal* const closing_;
  bool first_ = true;
  bool over_ = false;
  std::string sent_;
};

}  // namespace

std::unique_ptr<EventStream> StreamStatus(std::shared_ptr<StudyFeed> feed) {
  return std::make_unique<StatusStream>(std::move(feed));
}

bool ClosingSignal::Await(absl::Duration patience) {
  const absl::Time deadline = Clock::Real()->Now() + patience;
  MutexLock lock(&mu_);
  while (!set_) {
    const absl::Duration left = deadline - Clock::Real()->Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mu_, left);
  }
  return true;
}

std::unique_ptr<EventStream> StreamOverview(std::function<absl::StatusOr<std::string>()> show,
                                            ClosingSignal* closing) {
  return std::make_unique<OverviewStream>(std::move(show), closing);
}

}  // namespace halving
