#include "server/dashboard/study_feed.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status.h"
#include "server/core/study_of.h"
#include "server/dashboard/ask_engine.h"
#include "server/dashboard/figure.h"
#include "server/dashboard/json.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr absl::Duration kStatusEvery = absl::Seconds(1);
constexpr absl::Duration kPictureEvery = absl::Seconds(1);
constexpr int kTimesDrawing = 100;
constexpr absl::Duration kKeptFor = absl::Minutes(1);
// Each takes some hundred bytes a trial.
constexpr size_t kMostKept = 16;

// The curves of the figure's best trials, which lie in the engine only.
absl::Status AddCurves(Engine* engine, StudyUid uid, v1::Figure* figure) {
  const std::vector<TrialId> ids = CurvesFor(*figure);
  using Curves = absl::btree_map<TrialId, v1::FigureTrial>;
  HV_ASSIGN_OR_RETURN(
      const Curves curves,
      AskEngine<Curves>(engine, [uid, ids](const Engine::View& view) -> absl::StatusOr<Curves> {
        Curves found;
        const Study* study = view.scheduler.FindStudy(uid);
        if (study == nullptr) return absl::NotFoundError("the study was deleted");
        for (const TrialId id : ids) ShowCurve(*study->FindTrial(id), &found[id]);
        return found;
      }));
  for (v1::FigureTrial& trial : *figure->mutable_drawn()) {
    const auto found = curves.find(static_cast<TrialId>(trial.id()));
    if (found != curves.end()) *trial.mutable_curve() = found->second.curve();
  }
  return absl::OkStatus();
}

}  // namespace

StudyFeed::StudyFeed(Engine* engine, LowPriority* drawing, StudyFacts facts)
    : engine_(engine), drawing_(drawing), mirror_(engine, std::move(facts)) {}

StudyFeed::~StudyFeed() {
  gone_->store(true);
  engine_->Sweep();
}

absl::StatusOr<StudyFeed::Picture> StudyFeed::Figure() {
  HV_RETURN_IF_ERROR(mirror_.Refresh());
  MutexLock lock(&picture_mu_);
  const std::string etag =
      absl::StrCat("\"", absl::Hex(mirror_.nonce()), "-", mirror_.version(), "\"");
  const absl::Time begin = Clock::Real()->Now();
  if (picture_.json != nullptr && (picture_.etag == etag || begin < draw_after_)) return picture_;
  v1::Figure figure;
  drawing_->Run([&] { ShowFigure(mirror_, &figure); });
  HV_RETURN_IF_ERROR(AddCurves(engine_, mirror_.facts().uid, &figure));
  SharedText json;
  drawing_->Run([&] { json = std::make_shared<const std::string>(ToJson(figure)); });
  picture_ = {.json = std::move(json), .etag = etag};
  const absl::Time end = Clock::Real()->Now();
  draw_after_ = end + std::max(kPictureEvery, kTimesDrawing * (end - begin));
  return picture_;
}

void StudyFeed::Take(const absl::Status& status, const Engine::View& view) {
  const Study* study = status.ok() ? view.scheduler.FindStudy(mirror_.facts().uid) : nullptr;
  if (study != nullptr) {
    auto shown = std::make_shared<v1::StudyStatus>();
    ShowStatus(view.scheduler, *study, view.now, shown.get());
    TakeStatus(std::move(shown), *study, view.now);
  } else if (status.ok() || absl::IsNotFound(status)) {
    MutexLock lock(&mu_);
    watching_ = false;
    deleted_ = true;
    changed_.NotifyAll();
  } else {
    // A full disk, or the end: Close() tells which.
    TakeTrouble(std::make_shared<const std::string>(ErrorJson(status)));
  }
}

void StudyFeed::TakeStatus(std::shared_ptr<const v1::StudyStatus> status, const Study& study,
                           absl::Time now) {
  MutexLock lock(&mu_);
  std::swap(status_, status);
  watching_ = false;
  trouble_ = nullptr;
  stale_ = false;
  ++number_;
  version_ = study.version();
  ended_ = study.ended();
  earliest_ = now + kStatusEvery;
  changed_.NotifyAll();
}

void StudyFeed::TakeTrouble(SharedText why) {
  MutexLock lock(&mu_);
  watching_ = false;
  // The engine refuses at once, however often it is asked.
  retry_at_ = Clock::Real()->Now() + kStatusEvery;
  if (trouble_ != nullptr && *trouble_ == *why) return;
  trouble_ = std::move(why);
  ++number_;
  changed_.NotifyAll();
}

void StudyFeed::Reopen() {
  MutexLock lock(&mu_);
  if (!ended_) return;
  ended_ = false;
  stale_ = true;
  version_ = 0;
  earliest_ = absl::InfinitePast();
}

void StudyFeed::Watch() {
  uint64_t version = 0;
  absl::Time earliest;
  {
    MutexLock lock(&mu_);
    if (watching_ || ended_ || deleted_ || closing_) return;
    if (trouble_ != nullptr && Clock::Real()->Now() < retry_at_) return;
    // After trouble there is no change to wait for, only time.
    version = trouble_ == nullptr ? version_ : 0;
    earliest = trouble_ == nullptr ? earliest_ : absl::InfinitePast();
    watching_ = true;
  }
  engine_->PostWatch(
      mirror_.facts().name, version, earliest, gone_,
      [feed = weak_from_this()](const absl::Status& status, const Engine::View& view) {
        const std::shared_ptr<StudyFeed> kept = feed.lock();
        if (kept != nullptr) kept->Take(status, view);
      });
}

StudyFeed::News StudyFeed::Tell(uint64_t seen) const {
  if (closing_) return {.kind = News::Kind::kClosing};
  if (number_ != seen && !stale_) {
    if (trouble_ != nullptr) {
      return {.kind = News::Kind::kUnavailable, .number = number_, .text = trouble_};
    }
    return {.kind = News::Kind::kStatus, .number = number_};
  }
  if (deleted_) return {.kind = News::Kind::kDeleted};
  if (ended_) return {.kind = News::Kind::kEnded};
  return {.kind = News::Kind::kNothing, .number = seen};
}

StudyFeed::News StudyFeed::Await(uint64_t seen, absl::Duration patience) {
  const absl::Time deadline = Clock::Real()->Now() + patience;
  while (true) {
    Watch();
    MutexLock lock(&mu_);
    News news = Tell(seen);
    const absl::Duration left = deadline - Clock::Real()->Now();
    if (news.kind != News::Kind::kNothing || left <= absl::ZeroDuration()) return news;
    changed_.WaitFor(&mu_, trouble_ == nullptr ? left : std::min(left, kStatusEvery));
  }
}

void StudyFeed::AddText(News* news) {
  MutexLock json_lock(&json_mu_);
  std::shared_ptr<const v1::StudyStatus> status;
  {
    MutexLock lock(&mu_);
    status = status_;
    // Trouble that has come since is told next.
    if (trouble_ == nullptr) news->number = number_;
  }
  if (json_of_ != status) {
    json_ = std::make_shared<const std::string>(ToJson(*status));
    json_of_ = status;
  }
  news->text = json_;
}

StudyFeed::News StudyFeed::Next(uint64_t seen, absl::Duration patience) {
  News news = Await(seen, patience);
  if (news.kind == News::Kind::kStatus) AddText(&news);
  return news;
}

void StudyFeed::Close() {
  MutexLock lock(&mu_);
  closing_ = true;
  changed_.NotifyAll();
}

std::shared_ptr<StudyFeed> StudyFeeds::Known(const std::string& name) {
  MutexLock lock(&mu_);
  for (auto& [uid, entry] : feeds_) {  // A few at most.
    if (entry.feed->mirror().facts().name != name) continue;
    entry.used = Clock::Real()->Now();
    return entry.feed;
  }
  return nullptr;
}

void StudyFeeds::Tidy() {
  // Ends outside the lock, which who has the engine's turn takes: that is a lot of memory.
  std::vector<std::shared_ptr<StudyFeed>> unused;
  MutexLock lock(&mu_);
  std::swap(unused, deleted_);
  const absl::Time now = Clock::Real()->Now();
  absl::erase_if(feeds_, [&](auto& entry) {
    const bool idle = entry.second.used + kKeptFor < now && entry.second.feed.use_count() == 1;
    if (idle) unused.push_back(std::move(entry.second.feed));
    return idle;
  });
}

bool StudyFeeds::MakeRoom(std::shared_ptr<StudyFeed>* unused) {
  if (feeds_.size() < kMostKept) return true;
  auto oldest = feeds_.end();
  for (auto at = feeds_.begin(); at != feeds_.end(); ++at) {
    if (at->second.feed.use_count() > 1) continue;
    if (oldest == feeds_.end() || at->second.used < oldest->second.used) oldest = at;
  }
  if (oldest == feeds_.end()) return false;
  *unused = std::move(oldest->second.feed);
  feeds_.erase(oldest);
  return true;
}

absl::StatusOr<StudyFacts> StudyFeeds::Ask(const std::string& name) const {
  return AskEngine<StudyFacts>(engine_,
                               [name](const Engine::View& view) -> absl::StatusOr<StudyFacts> {
                                 const Study* study = view.scheduler.FindStudy(name);
                                 if (study == nullptr) return NoStudy(name);
                                 return FactsOf(*study);
                               });
}

absl::StatusOr<std::shared_ptr<StudyFeed>> StudyFeeds::Add(StudyFacts facts) {
  std::shared_ptr<StudyFeed> unused;  // Ends outside the lock.
  MutexLock lock(&mu_);
  if (closing_) return absl::UnavailableError("the server is going down");
  const auto known = feeds_.find(facts.uid);
  if (known != feeds_.end()) return known->second.feed;
  if (!MakeRoom(&unused)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(feeds_.size(),
                     " studies are looked at already, the most that this server shows at a time; "
                     "close some pages"));
  }
  const StudyUid uid = facts.uid;
  auto feed = std::make_shared<StudyFeed>(engine_, &drawing_, std::move(facts));
  feeds_[uid] = {.feed = feed, .used = Clock::Real()->Now()};
  any_ = true;
  return feed;
}

absl::StatusOr<std::shared_ptr<StudyFeed>> StudyFeeds::Find(const std::string& name,
                                                            const Scope& scope) {
  // Without asking the engine, which would hold up workers for each thing that a page fetches.
  std::shared_ptr<StudyFeed> known = Known(name);
  if (known != nullptr && IsWithin(scope, known->mirror().facts().owner)) return known;
  HV_ASSIGN_OR_RETURN(StudyFacts facts, Ask(name));
  if (!IsWithin(scope, facts.owner)) return NoStudy(name);
  const StudyUid uid = facts.uid;
  HV_ASSIGN_OR_RETURN(std::shared_ptr<StudyFeed> feed, Add(std::move(facts)));
  // From now on its deletion is noticed; it may have come just before.
  const absl::StatusOr<StudyFacts> still = Ask(name);
  const bool is_gone = still.ok() ? still->uid != uid : absl::IsNotFound(still.status());
  if (!is_gone) return feed;
  feed->Close();
  MutexLock lock(&mu_);
  feeds_.erase(uid);
  return NoStudy(name);
}

void StudyFeeds::OnCommitted(absl::Span<const Event> events, absl::Duration /*took*/) {
  if (!any_) return;
  MutexLock lock(&mu_);
  for (const Event& event : events) {
    const auto at = feeds_.find(StudyOf(event));
    if (at == feeds_.end()) continue;
    at->second.feed->mirror().Note(event);
    if (!std::holds_alternative<StudyDeleted>(event)) continue;
    deleted_.push_back(std::move(at->second.feed));  // To end it takes the engine.
    feeds_.erase(at);
  }
  any_ = !feeds_.empty();
}

void StudyFeeds::Close() {
  MutexLock lock(&mu_);
  closing_ = true;
  for (auto& [uid, entry] : feeds_) entry.feed->Close();
  feeds_.clear();
  deleted_.clear();
}

}  // namespace halving
