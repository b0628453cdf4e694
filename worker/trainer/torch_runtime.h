// LibTorch as a whole: its threads, its device, its exceptions.
#ifndef HALVING_WORKER_TRAINER_TORCH_RUNTIME_H_
#define HALVING_WORKER_TRAINER_TORCH_RUNTIME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace halving {

// E.g. "LibTorch 1.13.0".
std::string TorchVersion();

// Prepares the process to train on `device` ("cpu", "cuda" or "cuda:N") with `threads` threads,
// such that equal jobs give equal bits. Call once, before anything else of LibTorch.
// INVALID_ARGUMENT for another name; FAILED_PRECONDITION when this LibTorch or this machine does
// not have it.
absl::Status SetUpTorch(const std::string& device, int threads);

// What the exception in flight means; call it in a catch block only. RESOURCE_EXHAUSTED: out of
// memory, on the device or off it. INTERNAL: anything else.
absl::Status StatusOfTorchException();

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_TORCH_RUNTIME_H_
