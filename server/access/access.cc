#include "server/access/access.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/api_token.h"
#include "common/crypto.h"
#include "common/file_io.h"
#include "common/status.h"
#include "server/access/method_rules.h"

namespace halving {
namespace {

constexpr char kTokensFile[] = "/tokens.json";
constexpr char kAdminTokenFile[] = "/admin.token";
constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMostTokens = 10'000;
// What may come at once after a pause.
constexpr absl::Duration kBurst = absl::Seconds(2);
constexpr double kMinRate = 0.001;
constexpr double kMaxRate = 1e6;
constexpr absl::Duration kMaxLifetime = absl::Hours(24 * 365 * 100);

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxNameBytes &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
                    });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is \"", absl::CHexEscape(name.substr(0, 2 * kMaxNameBytes)),
                   "\"; it has 1 to ", kMaxNameBytes, " letters, digits, '_', '-' or '.'"));
}

absl::Status Check(const Access::NewToken& token) {
  HV_RETURN_IF_ERROR(CheckName("name", token.name));
  if (!token.owner.empty()) HV_RETURN_IF_ERROR(CheckName("owner", token.owner));
  if (token.lifetime <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("lifetime is ", absl::FormatDuration(token.lifetime),
                     "; it must be more than 0, or not be given for a token without an end"));
  }
  const double rate = token.max_calls_per_second;
  if (rate != 0 && !(rate >= kMinRate && rate <= kMaxRate)) {
    return absl::InvalidArgumentError(absl::StrCat("max_calls_per_second is ", rate, "; it is ",
                                                   kMinRate, " to ", kMaxRate,
                                                   ", or 0 for what the server says"));
  }
  return absl::OkStatus();
}

// Whether it can make others, at any time to come.
bool IsMaster(const TokenRecord& token) {
  return token.role == Role::kAdmin && token.owner.empty() &&
         token.expires == absl::InfiniteFuture();
}

Access::CreatedToken Make(const Access::NewToken& from, absl::Time now) {
  const ApiToken token = MakeApiToken();
  return {.record = {.name = from.name,
                     .id = token.id,
                     .role = from.role,
                     .owner = from.owner,
                     .created = now,
                     .expires = from.lifetime > kMaxLifetime ? absl::InfiniteFuture()
                                                             : now + from.lifetime,
                     .max_calls_per_second = from.max_calls_per_second,
                     .hash = HashOf(token)},
          .text = token.Text()};
}

absl::Status AddAdmin(TokenStore* store, const std::string& data_dir, absl::Time now) {
  std::string name = "admin";
  for (int i = 2; store->Find(name) != nullptr; ++i) name = absl::StrCat("admin-", i);
  const Access::CreatedToken made = Make({.name = name, .role = Role::kAdmin}, now);
  // The text of the one before stays until this one is valid.
  WholeFile file(data_dir + kAdminTokenFile);
  HV_RETURN_IF_ERROR(file.Open());
  HV_RETURN_IF_ERROR(file.Write(made.text + "\n"));
  HV_RETURN_IF_ERROR(store->Add(made.record));
  const absl::Status named = file.Finish();
  if (!named.ok()) store->Remove(name).IgnoreError();
  return named;
}

absl::Status Unknown() {
  return absl::UnauthenticatedError(
      "the token is not valid: it was revoked or replaced, or is another server's; ask whoever "
      "runs the server for one, and give it by HALVING_TOKEN or --token-file");
}

absl::Status Expired(const TokenRecord& token) {
  return absl::UnauthenticatedError(
      absl::StrCat("the token \"", token.name, "\" expired on ",
                   absl::FormatTime(token.expires, absl::UTCTimeZone()),
                   "; ask whoever runs the server for a new one"));
}

// `rule` is that of `path`, nullptr when it has none.
absl::Status CheckRule(const Caller& caller, absl::string_view path, const MethodRule* rule) {
  if (rule == nullptr) {
    if (caller.token.empty()) return absl::OkStatus();
    return absl::PermissionDeniedError(absl::StrCat(
        "no role may call ", absl::CHexEscape(path.substr(0, 200)), "; there is no such method"));
  }
  const bool role_may = caller.role == Role::kAdmin ||
                        (caller.role == Role::kReader && rule->reader) ||
                        (caller.role == Role::kWorker && rule->worker);
  if (!role_may) {
    return absl::PermissionDeniedError(
        absl::StrCat("the token \"", caller.token, "\" is a ", RoleName(caller.role), "'s, and ",
                     path, " takes ", rule->reader ? "a reader's or " : "",
                     rule->worker ? "a worker's or " : "", "an admin's"));
  }
  if (rule->whole_server && !caller.owner.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the token \"", caller.token, "\" is for the studies of ", caller.owner,
                     " only, and ", path, " concerns the whole server"));
  }
  return absl::OkStatus();
}

Caller CallerWith(const TokenRecord& token) {
  return {.token = token.name, .id = token.id, .role = token.role, .owner = token.owner};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Access>> Access::Open(const std::string& data_dir, Clock* clock,
                                                     const Options& options) {
  HV_ASSIGN_OR_RETURN(TokenStore store, TokenStore::Open(data_dir + kTokensFile));
  const std::vector<TokenRecord>& tokens = store.tokens();
  if (options.needs_tokens && std::none_of(tokens.begin(), tokens.end(), IsMaster)) {
    HV_RETURN_IF_ERROR(AddAdmin(&store, data_dir, clock->Now()));
  }
  return std::unique_ptr<Access>(new Access(std::move(store), clock, options));
}

std::string Access::AdminTokenFile(const std::string& data_dir) {
  return data_dir + kAdminTokenFile;
}

absl::Status Access::MakeAdminToken(const std::string& data_dir, Clock* clock) {
  HV_ASSIGN_OR_RETURN(TokenStore store, TokenStore::Open(data_dir + kTokensFile));
  return AddAdmin(&store, data_dir, clock->Now());
}

Access::Access(TokenStore store, Clock* clock, const Options& options)
    : clock_(clock), options_(options), store_(std::move(store)) {
  MutexLock lock(&store_mu_);
  Index();
}

void Access::Index() {
  MutexLock lock(&mu_);
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> by_id;
  for (const TokenRecord& record : store_.tokens()) {
    std::shared_ptr<Entry>& entry = by_id[record.id];
    const auto known = by_id_.find(record.id);
    if (known != by_id_.end()) {
      entry = known->second;
    } else {
      entry = std::make_shared<Entry>();
      entry->record = record;
    }
  }
  by_id_ = std::move(by_id);
}

absl::StatusOr<std::shared_ptr<Access::Entry>> Access::Find(absl::string_view header) const {
  if (header.empty()) {
    return absl::UnauthenticatedError(
        "this server needs a token with each call, and there was none; give yours by HALVING_TOKEN "
        "or --token-file (grpcurl and curl: -H 'authorization: Bearer hv_...')");
  }
  const std::optional<ApiToken> token = ParseBearer(header);
  if (!token.has_value()) {
    return absl::UnauthenticatedError(
        "the header \"authorization\" is not \"Bearer hv_<12 digits>_<64 digits>\"; was the token "
        "cut off or quoted?");
  }
  std::shared_ptr<Entry> entry;
  {
    MutexLock lock(&mu_);
    const auto at = by_id_.find(token->id);
    if (at != by_id_.end()) entry = at->second;
  }
  if (entry == nullptr || !EqualInConstantTime(HashOf(*token), entry->record.hash)) {
    return Unknown();
  }
  const absl::Time now = clock_->Now();
  if (now >= entry->record.expires) return Expired(entry->record);
  entry->last_used_ns.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
  return entry;
}

absl::StatusOr<Caller> Access::Identify(absl::string_view header) const {
  if (!options_.needs_tokens) return Caller{};
  HV_ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, Find(header));
  return CallerWith(entry->record);
}

absl::Status Access::StillValid(const Caller& caller) const {
  if (caller.id.empty()) return absl::OkStatus();
  MutexLock lock(&mu_);
  const auto at = by_id_.find(caller.id);
  if (at == by_id_.end()) return Unknown();
  return clock_->Now() < at->second->record.expires ? absl::OkStatus()
                                                    : Expired(at->second->record);
}

absl::Status Access::MayCall(const Caller& caller, absl::string_view path) {
  return CheckRule(caller, path, FindRule(path));
}

absl::StatusOr<Caller> Access::Admit(absl::string_view header, absl::string_view path) {
  if (!options_.needs_tokens) return Caller{};
  HV_ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, Find(header));
  Caller caller = CallerWith(entry->record);
  const MethodRule* rule = FindRule(path);
  HV_RETURN_IF_ERROR(CheckRule(caller, path, rule));
  HV_RETURN_IF_ERROR(CountCall(entry.get(), rule->worker ? absl::StatusCode::kUnavailable
                                                         : absl::StatusCode::kResourceExhausted));
  return caller;
}

// Each call costs 1 / rate seconds; who is in debt by more than the burst has to wait.
absl::Status Access::CountCall(Entry* entry, absl::StatusCode refusal) const {
  const double rate = entry->record.max_calls_per_second > 0 ? entry->record.max_calls_per_second
                                                             : options_.max_calls_per_second;
  if (rate <= 0) return absl::OkStatus();
  const int64_t now = absl::ToUnixNanos(clock_->Now());
  const auto cost = static_cast<int64_t>(1e9 / std::clamp(rate, kMinRate, kMaxRate));
  const int64_t most = now + std::max(absl::ToInt64Nanoseconds(kBurst), cost);
  int64_t paid_until = entry->paid_until_ns.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t next = std::max(paid_until, now) + cost;
    if (next > most) {
      return absl::Status(
          refusal,
          absl::StrFormat(
              "the token \"%s\" has made more than %g calls a second; call less often, or have its "
              "rate raised (halving token create --max-rate, halving-server "
              "--max-calls-per-second)",
              entry->record.name, rate));
    }
    if (entry->paid_until_ns.compare_exchange_weak(paid_until, next, std::memory_order_relaxed)) {
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<Access::CreatedToken> Access::Create(const NewToken& token) {
  HV_RETURN_IF_ERROR(Check(token));
  CreatedToken made = Make(token, clock_->Now());
  MutexLock lock(&store_mu_);
  if (store_.tokens().size() >= kMostTokens) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", kMostTokens, " tokens, the most there can be; revoke some first"));
  }
  HV_RETURN_IF_ERROR(store_.Add(made.record));
  Index();
  return made;
}

absl::Status Access::Revoke(const std::string& name) {
  MutexLock lock(&store_mu_);
  const std::vector<TokenRecord>& tokens = store_.tokens();
  const TokenRecord* named = store_.Find(name);
  if (named != nullptr && IsMaster(*named) &&
      std::count_if(tokens.begin(), tokens.end(), IsMaster) == 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("\"", name,
                     "\" is the last admin token that reaches the whole server and has no end; "
                     "without it nobody could make others. Create another one first"));
  }
  HV_RETURN_IF_ERROR(store_.Remove(name));
  Index();
  return absl::OkStatus();
}

std::vector<Access::ListedToken> Access::List() const {
  MutexLock store_lock(&store_mu_);
  MutexLock lock(&mu_);
  std::vector<ListedToken> listed;
  for (const TokenRecord& record : store_.tokens()) {
    const int64_t used = by_id_.at(record.id)->last_used_ns.load(std::memory_order_relaxed);
    listed.push_back({record, used == 0 ? absl::InfinitePast() : absl::FromUnixNanos(used)});
  }
  return listed;
}

}  // namespace halving
