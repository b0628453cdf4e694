#include "worker/agent/gpus.h"

#include <algorithm>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status.h"
#include "worker/agent/run_program.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

// A host with eight GPUs whose driver sleeps has been seen to take 20 s.
constexpr absl::Duration kNvidiaSmiTime = absl::Minutes(1);
constexpr char kVariable[] = "CUDA_VISIBLE_DEVICES";
constexpr size_t kMaxNameBytes = 128;

// The one of `all` that an entry of CUDA_VISIBLE_DEVICES means.
std::optional<Gpu> Find(const std::vector<Gpu>& all, absl::string_view entry) {
  if (absl::StartsWith(entry, "MIG-")) return Gpu{.id = std::string(entry), .name = "MIG device"};
  size_t index = 0;
  if (absl::SimpleAtoi(entry, &index)) {
    return index < all.size() ? std::optional<Gpu>(all[index]) : std::nullopt;
  }
  std::optional<Gpu> found;
  if (!absl::StartsWith(entry, "GPU-")) return found;
  for (const Gpu& gpu : all) {
    if (!absl::StartsWith(gpu.id, entry)) continue;
    if (found.has_value()) return std::nullopt;
    found = gpu;
  }
  return found;
}

// An entry that nobody can check.
std::optional<Gpu> Believe(absl::string_view entry) {
  size_t index = 0;
  const bool is_one = absl::StartsWith(entry, "GPU-") || absl::StartsWith(entry, "MIG-") ||
                      absl::SimpleAtoi(entry, &index);
  return is_one ? std::optional<Gpu>({.id = std::string(entry)}) : std::nullopt;
}

absl::Status NoSuchGpu(const std::string& device, const VisibleGpus& visible) {
  std::string seen = absl::StrCat("this process sees ", visible.gpus.size(), " GPUs");
  for (size_t i = 0; i < visible.gpus.size(); ++i) {
    const Gpu& gpu = visible.gpus[i];
    absl::StrAppend(&seen, i == 0 ? ": " : ", ", "cuda:", i, " ",
                    gpu.name.empty() ? gpu.id : gpu.name);
  }
  const char* variable = std::getenv(kVariable);
  if (variable != nullptr) absl::StrAppend(&seen, "; ", kVariable, " is ", Quoted(variable));
  return absl::InvalidArgumentError(absl::StrCat("--device is \"", device, "\", but ", seen,
                                                 "; give one of these, or --device auto"));
}

}  // namespace

absl::StatusOr<std::vector<Gpu>> ParseNvidiaSmi(absl::string_view output) {
  std::vector<Gpu> gpus;
  for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(',', 2));
    size_t index = 0;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &index) || index != gpus.size() ||
        !absl::StartsWith(absl::StripAsciiWhitespace(fields[1]), "GPU-")) {
      return absl::UnavailableError(absl::StrCat("nvidia-smi printed ", Quoted(line), " where `",
                                                 gpus.size(), ", GPU-..., name` was expected"));
    }
    gpus.push_back({.id = std::string(absl::StripAsciiWhitespace(fields[1])),
                    .name = FirstOf(absl::StripAsciiWhitespace(fields[2]), kMaxNameBytes)});
  }
  return gpus;
}

absl::StatusOr<std::vector<Gpu>> AskNvidiaSmi(absl::Duration time_limit) {
  HV_ASSIGN_OR_RETURN(
      const std::string output,
      RunProgram({"nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"},
                 time_limit));
  return ParseNvidiaSmi(output);
}

VisibleGpus VisibleGpus::Read() {
  const char* variable = std::getenv(kVariable);
  return ApplyVisibleDevices(
      AskNvidiaSmi(kNvidiaSmiTime),
      variable == nullptr ? std::nullopt : std::optional<std::string>(variable));
}

VisibleGpus ApplyVisibleDevices(const absl::StatusOr<std::vector<Gpu>>& all,
                                const std::optional<std::string>& visible_devices) {
  VisibleGpus visible;
  visible.nvidia_smi = all.status();
  visible.is_complete = all.ok() || visible_devices.has_value();
  if (!visible_devices.has_value()) {
    if (all.ok()) visible.gpus = *all;
    return visible;
  }
  for (absl::string_view entry : absl::StrSplit(*visible_devices, ',')) {
    entry = absl::StripAsciiWhitespace(entry);
    const std::optional<Gpu> gpu = all.ok() ? Find(*all, entry) : Believe(entry);
    if (!gpu.has_value()) break;
    const bool is_known = std::any_of(visible.gpus.begin(), visible.gpus.end(),
                                      [&](const Gpu& other) { return other.id == gpu->id; });
    if (is_known) break;
    visible.gpus.push_back(*gpu);
  }
  return visible;
}

absl::StatusOr<TrainerDevice> ChooseDevice(const std::string& device, const VisibleGpus& visible) {
  absl::string_view number = device;
  size_t index = 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index)) {
    return TrainerDevice{.shown = device, .environment = {absl::StrCat("HALVING_DEVICE=", device)}};
  }
  Gpu gpu = {.id = absl::StrCat(index)};
  if (index < visible.gpus.size()) {
    gpu = visible.gpus[index];
  } else if (visible.is_complete) {
    return NoSuchGpu(device, visible);
  }
  return TrainerDevice{
      .shown = gpu.name.empty() ? device : absl::StrCat(device, " ", gpu.name),
      // By index, GPUs are the ones that nvidia-smi shows only in the order of the bus.
      .environment = {"HALVING_DEVICE=cuda:0", absl::StrCat(kVariable, "=", gpu.id),
                      "CUDA_DEVICE_ORDER=PCI_BUS_ID"}};
}

}  // namespace halving
