// A job line as a trainer reads it, and what the trainer then says.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/check.h"
#include "nlohmann/json.hpp"
#include "worker/trainer/image_settings.h"
#include "worker/trainer/protocol.h"

namespace halving {
namespace {

using nlohmann::json;

std::string Written(const Job& job) {
  json fields = {{"study", job.study},
                 {"trial_id", job.trial_id},
                 {"objective", job.objective},
                 {"options", job.options},
                 {"config", job.config},
                 {"from_epoch", job.from_epoch},
                 {"to_epoch", job.to_epoch},
                 {"seed", job.seed},
                 {"checkpoint_in", job.checkpoint_in},
                 {"checkpoint_out", job.checkpoint_out}};
  if (job.max_epochs.has_value()) fields["max_epochs"] = *job.max_epochs;
  return json{{"job", std::move(fields)}}.dump();
}

void CheckEvent(const std::string& line) {
  HV_CHECK(line.find('\n') == std::string::npos) << "an event of two lines: " << line;
  const json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
  HV_CHECK(event.is_object()) << "an event that is no JSON object: " << line;
}

void CheckRefusal(const absl::Status& status) {
  HV_CHECK(absl::IsInvalidArgument(status)) << status;
  CheckEvent(FailedLine(FailureOf(status)));
}

void CheckSettings(const Job& job) {
  FieldReader options("options", job.options);
  FieldReader config("config", job.config);
  const ImageOptions image = ReadImageOptions(&options);
  const SgdSettings sgd = ReadSgdSettings(&config, job.max_epochs);
  if (!options.Finish().ok()) CheckRefusal(options.Finish());
  if (!config.Finish().ok()) return CheckRefusal(config.Finish());
  HV_CHECK(sgd.batch_size >= 1 && sgd.learning_rate > 0 && std::isfinite(sgd.learning_rate))
      << "batch_size " << sgd.batch_size << ", learning_rate " << sgd.learning_rate;
  if (!options.status().ok()) return;
  constexpr int64_t kImages = 60'000;
  const absl::StatusOr<ImageSplit> split = SplitImages(image, sgd, kImages);
  if (!split.ok()) return CheckRefusal(split.status());
  HV_CHECK(split->train_examples >= sgd.batch_size && split->validation_examples >= 1 &&
           split->train_examples + split->validation_examples <= kImages)
      << split->train_examples << " and " << split->validation_examples << " images";
}

void CheckJob(const Job& job) {
  HV_CHECK(0 <= job.from_epoch && job.from_epoch < job.to_epoch)
      << job.from_epoch << " to " << job.to_epoch;
  HV_CHECK((job.from_epoch > 0) == !job.checkpoint_in.empty()) << job.from_epoch;
  HV_CHECK(job.checkpoint_interval >= absl::ZeroDuration()) << job.checkpoint_interval;
  HV_CHECK(!job.objective.empty() && job.options.is_object() && job.config.is_object());
  const std::string line = Written(job);
  const absl::StatusOr<Job> again = ParseJob(line);
  HV_CHECK(again.ok()) << again.status();
  HV_CHECK(Written(*again) == line) << line << " comes back as " << Written(*again);
  CheckSettings(job);
}

void CheckLine(absl::string_view line) {
  const absl::StatusOr<Job> job = ParseJob(line);
  job.ok() ? CheckJob(*job) : CheckRefusal(job.status());
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  halving::CheckLine({reinterpret_cast<const char*>(data), size});
  return 0;
}
