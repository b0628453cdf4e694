#include "server/dashboard/http_connections.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/socket_peer.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";
constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr size_t kReadBytes = 16 << 10;
// Of one client in one turn, so that the others have theirs.
constexpr int kReadsInATurn = 64;

short EventsOf(HttpWire::Outcome outcome) {
  return outcome == HttpWire::Outcome::kWantsWrite ? POLLOUT : POLLIN;
}

int Milliseconds(absl::Duration left) {
  return static_cast<int>(std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))), 0, 60'000));
}

}  // namespace

bool HttpExchange::Write(absl::string_view bytes) {
  if (streams_) return WriteNow(bytes);
  out_.append(bytes.data(), bytes.size());
  return true;
}

bool HttpExchange::WriteNow(absl::string_view bytes) {
  const absl::Time deadline = Clock::Real()->Now() + limits_.send;
  while (!bytes.empty()) {
    size_t size = bytes.size();
    const HttpWire::Outcome outcome = wire_->Write(bytes.data(), &size);
    if (outcome == HttpWire::Outcome::kDone) {
      bytes.remove_prefix(size);
      continue;
    }
    const absl::Duration left = deadline - Clock::Real()->Now();
    if (outcome == HttpWire::Outcome::kOver || left <= absl::ZeroDuration()) return false;
    pollfd waiting = {.fd = wire_->fd(), .events = EventsOf(outcome)};
    poll(&waiting, 1, Milliseconds(left));
  }
  return true;
}

HttpConnections::HttpConnections(const HttpLimits& limits, int threads, Admit admit, Answer answer)
    : limits_(limits),
      admit_(std::move(admit)),
      answer_(std::move(answer)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      workers_(threads) {
  HV_CHECK(wake_.get() >= 0) << "no eventfd: " << std::strerror(errno);
}

HttpConnections::~HttpConnections() { Stop(absl::ZeroDuration()); }

void HttpConnections::Start(std::unique_ptr<HttpTls> tls) {
  tls_ = std::move(tls);
  thread_ = std::thread([this] { Loop(); });
}

void HttpConnections::Add(UniqueFd fd) {
  SocketPeer peer = PeerOf(fd.get()).value_or(SocketPeer());
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  Exchange exchange(new HttpExchange(limits_, peer.host));
  {
    MutexLock lock(&mu_);
    int& same = open_by_network_[peer.network];
    if (stopping_ || open_ >= limits_.connections || same >= limits_.connections_of_an_address) {
      if (same == 0) open_by_network_.erase(peer.network);
      return;
    }
    ++open_;
    ++same;
    exchange->network_ = std::move(peer.network);
    exchange->arrived_ = std::move(fd);
    arrived_.push_back(std::move(exchange));
  }
  Wake();
}

void HttpConnections::Stop(absl::Duration patience) {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    end_ = Clock::Real()->Now() + patience;
  }
  Wake();
  thread_.join();
  workers_.Stop();
}

void HttpConnections::Wake() { eventfd_write(wake_.get(), 1); }

void HttpConnections::Loop() {
  std::vector<Exchange> polled;
  std::vector<bool> ready;
  while (TakeIn(&polled)) {
    Await(polled, &ready);
    for (size_t i = 0; i < polled.size(); ++i) Step(polled[i], ready[i]);
    Shed(polled);
    for (const Exchange& exchange : polled) {
      if (exchange->is_polled_ && exchange->state_ == State::kOver) Forget(exchange);
    }
    std::erase_if(polled, [](const Exchange& exchange) { return !exchange->is_polled_; });
  }
  for (const Exchange& exchange : polled) Forget(exchange);
}

bool HttpConnections::TakeIn(std::vector<Exchange>* polled) {
  std::vector<Exchange> arrived;
  bool stopping = false;
  bool serving = false;
  bool late = false;
  {
    MutexLock lock(&mu_);
    arrived.swap(arrived_);
    stopping = stopping_;
    late = stopping && Clock::Real()->Now() >= end_;
    serving = !serving_.empty();
    // Who writes to one of them is told that it is gone.
    if (late) {
      for (const Exchange& exchange : serving_) shutdown(exchange->wire_->fd(), SHUT_RDWR);
    }
  }
  const absl::Time now = Clock::Real()->Now();
  for (const Exchange& exchange : arrived) {
    if (exchange->wire_ == nullptr) {
      exchange->wire_ = tls_ == nullptr ? HttpWire::Plain(std::move(exchange->arrived_))
                                        : tls_->Wrap(std::move(exchange->arrived_));
      exchange->deadline_ = now + limits_.receive;
      exchange->events_ = POLLIN;
    }
    exchange->is_polled_ = true;
    polled->push_back(exchange);
  }
  if (!stopping) return true;
  for (const Exchange& exchange : *polled) {
    if (late || exchange->state_ != State::kSending) exchange->state_ = State::kOver;
  }
  return serving || std::any_of(polled->begin(), polled->end(), [](const Exchange& exchange) {
           return exchange->state_ != State::kOver;
         });
}

void HttpConnections::Await(const std::vector<Exchange>& polled, std::vector<bool>* ready) {
  std::vector<pollfd> fds = {{.fd = wake_.get(), .events = POLLIN}};
  absl::Time next = absl::InfiniteFuture();
  {
    MutexLock lock(&mu_);
    // Once the end has come, what is served still is waited for as it is.
    if (Clock::Real()->Now() < end_) next = end_;
  }
  for (const Exchange& exchange : polled) {
    const bool over = exchange->state_ == State::kOver;
    fds.push_back({.fd = over ? -1 : exchange->wire_->fd(), .events = exchange->events_});
    next = std::min(next, over ? absl::InfinitePast() : exchange->deadline_);
  }
  poll(fds.data(), fds.size(), Milliseconds(next - Clock::Real()->Now()));
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  ready->clear();
  for (size_t i = 1; i < fds.size(); ++i) ready->push_back(fds[i].revents != 0);
}

void HttpConnections::Step(const Exchange& exchange, bool ready) {
  if (exchange->state_ == State::kOver) return;
  if (Clock::Real()->Now() >= exchange->deadline_) return Overdue(exchange);
  // An answer that has just come need not be waited for.
  if (!ready && !(exchange->state_ == State::kSending && exchange->sent_ == 0)) return;
  switch (exchange->state_) {
    case State::kGreeting:
      return Greet(exchange);
    case State::kReceiving:
      return Receive(exchange);
    case State::kSending:
      return Send(exchange);
    case State::kLingering:
      return Linger(exchange);
    default:
      return;
  }
}

void HttpConnections::Overdue(const Exchange& exchange) {
  const bool speaks = exchange->state_ == State::kReceiving && !exchange->in_.empty();
  if (!speaks || exchange->refusal_.has_value()) {
    exchange->state_ = State::kOver;
    return;
  }
  Refuse(exchange,
         {408, absl::DeadlineExceededError(absl::StrCat("the request was not there whole within ",
                                                        absl::FormatDuration(limits_.receive)))});
}

bool HttpConnections::IsHeldUp(const Exchange& exchange, Outcome outcome) {
  if (outcome == Outcome::kDone) return false;
  if (outcome == Outcome::kOver) exchange->state_ = State::kOver;
  exchange->events_ = EventsOf(outcome);
  return true;
}

void HttpConnections::Greet(const Exchange& exchange) {
  if (IsHeldUp(exchange, exchange->wire_->Greet())) return;
  exchange->state_ = State::kReceiving;
  Receive(exchange);
}

void HttpConnections::Receive(const Exchange& exchange) {
  std::array<char, kReadBytes> bytes;
  HttpExchange& e = *exchange;
  while (e.is_polled_) {
    const size_t most =
        e.head_bytes_ == 0 ? limits_.head.bytes : e.head_bytes_ + e.head_.body_bytes();
    size_t size = std::min(bytes.size(), most - e.in_.size());
    if (IsHeldUp(exchange, e.wire_->Read(bytes.data(), &size))) return;
    const size_t searched = e.in_.size();
    e.in_.append(bytes.data(), size);
    received_bytes_ += size;
    e.counted_ += size;
    if (received_bytes_ > limits_.received_bytes) {
      return Refuse(exchange,
                    {503, absl::UnavailableError("too many large requests come in at once; "
                                                 "try again in a moment")});
    }
    if (e.head_bytes_ == 0) TakeHead(exchange, searched);
    if (e.is_polled_ && e.head_bytes_ > 0 && e.in_.size() == e.head_bytes_ + e.head_.body_bytes())
      Serve(exchange);
  }
}

void HttpConnections::TakeHead(const Exchange& exchange, size_t searched) {
  HttpExchange& e = *exchange;
  const size_t found = e.in_.find(kHeadEnd, searched < 3 ? 0 : searched - 3);
  if (found == std::string::npos) {
    if (e.in_.size() < limits_.head.bytes) return;
    return Refuse(exchange, {431, absl::InvalidArgumentError(absl::StrCat(
                                      "the request's head is longer than ", limits_.head.bytes,
                                      " bytes, the most that is taken"))});
  }
  const size_t end = found + sizeof(kHeadEnd) - 1;
  std::optional<HttpRefusal> refusal =
      HttpHead::Parse(absl::string_view(e.in_).substr(0, end), limits_.head, &e.head_);
  if (!refusal.has_value()) refusal = admit_(e.head_, e.peer_, &e.caller_);
  if (refusal.has_value()) return Refuse(exchange, *std::move(refusal));
  e.head_bytes_ = end;
  // What comes behind the request is not looked at: each connection has one.
  const size_t whole = end + e.head_.body_bytes();
  if (e.in_.size() > whole) {
    Discount(&e, e.in_.size() - whole);
    e.in_.resize(whole);
  }
  if (e.head_.awaits_continue() && e.in_.size() < whole) {
    size_t size = sizeof(kContinue) - 1;
    e.wire_->Write(kContinue, &size);
  }
}

void HttpConnections::Refuse(const Exchange& exchange, HttpRefusal refusal) {
  exchange->refusal_ = std::move(refusal);
  Serve(exchange);
}

void HttpConnections::Serve(const Exchange& exchange) {
  Discount(exchange.get(), exchange->counted_);
  exchange->is_polled_ = false;
  {
    MutexLock lock(&mu_);
    serving_.insert(exchange);
  }
  workers_.Post([this, exchange] {
    try {
      answer_(exchange.get());
    } catch (const std::exception& error) {
      spdlog::error("an HTTP request could not be answered: {}", error.what());
    }
    Return(exchange);
  });
}

void HttpConnections::Return(const Exchange& exchange) {
  exchange->in_ = {};
  exchange->state_ = State::kSending;
  exchange->deadline_ = Clock::Real()->Now() + limits_.send;
  exchange->events_ = POLLOUT;
  {
    MutexLock lock(&mu_);
    serving_.erase(exchange);
    arrived_.push_back(exchange);
  }
  Wake();
}

void HttpConnections::Send(const Exchange& exchange) {
  HttpExchange& e = *exchange;
  while (e.sent_ < e.out_.size()) {
    size_t size = e.out_.size() - e.sent_;
    if (IsHeldUp(exchange, e.wire_->Write(e.out_.data() + e.sent_, &size))) return;
    e.sent_ += size;
  }
  // To close with something unread would take from the client what it has not read yet.
  e.out_ = {};
  e.wire_->Finish();
  e.state_ = State::kLingering;
  e.events_ = POLLIN;
  e.deadline_ = Clock::Real()->Now() + limits_.linger;
}

void HttpConnections::Linger(const Exchange& exchange) {
  std::array<char, kReadBytes> ignored;
  for (int i = 0; i < kReadsInATurn; ++i) {
    const ssize_t size = recv(exchange->wire_->fd(), ignored.data(), ignored.size(), MSG_DONTWAIT);
    if (size > 0) continue;
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) exchange->state_ = State::kOver;
    return;
  }
}

// Whose answer has waited longest must go when there are too many.
void HttpConnections::Shed(const std::vector<Exchange>& polled) {
  size_t waiting = 0;
  for (const Exchange& exchange : polled) {
    if (exchange->is_polled_ && exchange->state_ == State::kSending)
      waiting += exchange->out_.size();
  }
  while (waiting > limits_.waiting_bytes) {
    HttpExchange* oldest = nullptr;
    for (const Exchange& exchange : polled) {
      if (!exchange->is_polled_ || exchange->state_ != State::kSending) continue;
      if (oldest == nullptr || exchange->deadline_ < oldest->deadline_) oldest = exchange.get();
    }
    waiting -= oldest->out_.size();
    oldest->state_ = State::kOver;
  }
}

void HttpConnections::Discount(HttpExchange* exchange, size_t bytes) {
  received_bytes_ -= bytes;
  exchange->counted_ -= bytes;
}

void HttpConnections::Forget(const Exchange& exchange) {
  Discount(exchange.get(), exchange->counted_);
  exchange->wire_.reset();
  exchange->is_polled_ = false;
  MutexLock lock(&mu_);
  --open_;
  const auto found = open_by_network_.find(exchange->network_);
  if (--found->second == 0) open_by_network_.erase(found);
}

}  // namespace halving
