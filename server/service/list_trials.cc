// ListTrials: pages of a study's trials, by id or best first.
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status.h"
#include "server/service/paging.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr int64_t kMaxScanned = 100'000;

class Page {
 public:
  Page(const Study& study, const v1::ListTrialsRequest& request, int size,
       v1::ListTrialsResponse* to)
      : study_(study), request_(request), size_(size), to_(to) {}

  // Shows the trial if it is wanted; false when the page was full before, which the first trial
  // never finds.
  bool Take(const Trial& trial) {
    if (to_->trials_size() == size_ || scanned_ == kMaxScanned || bytes_ >= kMaxPageBytes) {
      return false;
    }
    ++scanned_;
    if (IsWanted(static_cast<v1::TrialState>(study_.ShownState(trial)))) {
      v1::Trial* shown = to_->add_trials();
      ShowTrial(study_, trial, /*with_curve=*/false, shown);
      bytes_ += shown->ByteSizeLong();
    }
    return true;
  }

 private:
  bool IsWanted(v1::TrialState state) const {
    if (request_.states().empty()) return true;
    for (const int wanted : request_.states()) {
      if (wanted == state) return true;
    }
    return false;
  }

  const Study& study_;
  const v1::ListTrialsRequest& request_;
  const int size_;
  v1::ListTrialsResponse* const to_;
  int64_t scanned_ = 0;
  size_t bytes_ = 0;
};

// The error travels as its bits: a decimal might not come back as the same double.
std::string TokenOf(const Study::RankKey& key) {
  return absl::StrCat("e.", std::get<0>(key), ".", std::bit_cast<uint64_t>(std::get<1>(key)), ".",
                      std::get<2>(key));
}

absl::StatusOr<Study::RankKey> RankFrom(const std::string& token) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  int rung = 0;
  uint64_t bits = 0;
  TrialId id = 0;
  if (parts.size() != 4 || parts[0] != "e" || !absl::SimpleAtoi(parts[1], &rung) ||
      !absl::SimpleAtoi(parts[2], &bits) || !absl::SimpleAtoi(parts[3], &id) ||
      std::isnan(std::bit_cast<double>(bits))) {
    return BadPageToken();
  }
  return Study::RankKey{rung, std::bit_cast<double>(bits), id};
}

absl::Status ListByError(const Study& study, const std::string& token, Page& page,
                         v1::ListTrialsResponse* to) {
  auto at = study.ranking().begin();
  if (!token.empty()) {
    HV_ASSIGN_OR_RETURN(const Study::RankKey after, RankFrom(token));
    at = study.ranking().upper_bound(after);
  }
  for (auto last = at; at != study.ranking().end(); last = at++) {
    if (page.Take(*study.FindTrial(std::get<2>(*at)))) continue;
    to->set_next_page_token(TokenOf(*last));
    break;
  }
  return absl::OkStatus();
}

absl::Status ListById(const Study& study, const std::string& token, Page& page,
                      v1::ListTrialsResponse* to) {
  TrialId after = 0;
  if (!token.empty() && (!absl::SimpleAtoi(token, &after) || after < 0 || after > study.trials())) {
    return BadPageToken();
  }
  for (TrialId id = after + 1; id <= study.trials(); ++id) {
    if (page.Take(*study.FindTrial(id))) continue;
    to->set_next_page_token(absl::StrCat(id - 1));
    break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ListTrials(const Study& study, const v1::ListTrialsRequest& request,
                        v1::ListTrialsResponse* to) {
  HV_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  Page page(study, request, page_size, to);
  return request.by_error() ? ListByError(study, request.page_token(), page, to)
                            : ListById(study, request.page_token(), page, to);
}

}  // namespace halving
