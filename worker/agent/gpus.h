// The GPUs of this machine, as far as this process may use them, and the one a trainer gets.
#ifndef HALVING_WORKER_AGENT_GPUS_H_
#define HALVING_WORKER_AGENT_GPUS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace halving {

struct Gpu {
  std::string id;    // Fit for CUDA_VISIBLE_DEVICES: a UUID, or an index where no UUID is known.
  std::string name;  // As "NVIDIA H100 80GB HBM3"; empty when it is not known.
};

// What `nvidia-smi --query-gpu=index,uuid,name --format=csv,noheader` prints, by index. Indices
// must count up from 0, or CUDA_VISIBLE_DEVICES would mean others than we think: UNAVAILABLE.
absl::StatusOr<std::vector<Gpu>> ParseNvidiaSmi(absl::string_view output);

// Asks nvidia-smi, looked up on PATH. Errors as RunProgram() and ParseNvidiaSmi() have them.
absl::StatusOr<std::vector<Gpu>> AskNvidiaSmi(absl::Duration time_limit);

// What a program that is started now would see of the GPUs.
struct VisibleGpus {
  std::vector<Gpu> gpus;     // Its cuda:0, cuda:1, ...
  bool is_complete = false;  // There are no others.
  // OK: it vouches for `gpus`. Otherwise why not; NOT_FOUND when there is no nvidia-smi.
  absl::Status nvidia_smi;

  // Of this process's environment. Takes as long as nvidia-smi does: seconds, on a host that has
  // to wake its driver for it.
  static VisibleGpus Read();
};

// Applies CUDA_VISIBLE_DEVICES (none: not set) as CUDA does: indices, or beginnings of UUIDs that
// fit one GPU only; the order counts; the list ends before the first entry that is neither, or
// that comes twice. MIG devices, which nvidia-smi's query does not list, are taken at their word.
// Indices are nvidia-smi's, as CUDA's are with CUDA_DEVICE_ORDER=PCI_BUS_ID.
VisibleGpus ApplyVisibleDevices(const absl::StatusOr<std::vector<Gpu>>& all,
                                const std::optional<std::string>& visible_devices);

// Where a trainer trains.
struct TrainerDevice {
  std::string shown;                     // To people: "cuda:1 NVIDIA H100 80GB HBM3", "cpu".
  std::vector<std::string> environment;  // Of the trainer, as "NAME=value".
};

// For --device `device`, such as "cuda:1" or "cpu". A trainer on cuda:N sees that GPU only, as its
// cuda:0, so that a program which just says "cuda" is on the right one. INVALID_ARGUMENT when
// there is no such GPU. `visible` is looked at for cuda:N only.
absl::StatusOr<TrainerDevice> ChooseDevice(const std::string& device, const VisibleGpus& visible);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_GPUS_H_
