#include "worker/trainer/torch_runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <new>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status.h"

namespace halving {
namespace {

// OpenBLAS splits each matrix product over threads of its own, beside LibTorch's OpenMP threads. On
// matrices as small as a LeNet's the two fight for the cores: an epoch on two threads took more
// than twice as long. Found at run time, since which BLAS is loaded is the machine's choice.
void KeepOpenBlasOnOneThread() {
  using SetThreads = void (*)(int);
  void* const symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  if (symbol != nullptr) reinterpret_cast<SetThreads>(symbol)(1);
}

// By itself the C library maps large tensors anew in each step, and then the kernel clears every
// page of them, or keeps their memory, depending on what was freed before. Kept here is as much as
// it allows: with batches of 1,000 images an epoch of LeNet takes a sixth less time.
void KeepMemoryOfTensors() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

// -1 means whichever CUDA device is current.
absl::StatusOr<int> CudaIndex(const std::string& device) {
  if (device == "cuda") return -1;
  absl::string_view number = device;
  uint32_t index = 0;
  // c10 keeps a device's index in eight bits.
  if (absl::ConsumePrefix(&number, "cuda:") && absl::SimpleAtoi(number, &index) &&
      index <= std::numeric_limits<int8_t>::max()) {
    return static_cast<int>(index);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device is \"", device, "\"; it must be cpu, cuda or cuda:N, as in cuda:0"));
}

absl::Status SetUpCuda(const std::string& device) {
  HV_ASSIGN_OR_RETURN(const int index, CudaIndex(device));
  // cuBLAS gives equal bits only with a workspace of fixed size, which it reads when it starts.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  if (!torch::cuda::is_available()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device is ", device, ", but ", TorchVersion(), " sees no CUDA device here: either it was ",
        "built without CUDA (then build halving-trainer against one that was), or the driver or ",
        "the device is missing (see nvidia-smi). --device cpu always works"));
  }
  const int devices = static_cast<int>(torch::cuda::device_count());
  if (index >= devices) {
    return absl::FailedPreconditionError(absl::StrCat("device is ", device, ", but there are only ",
                                                      devices, " CUDA devices, from cuda:0 on"));
  }
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  return absl::OkStatus();
}

absl::Status StatusOfMessage(absl::string_view message) {
  // As c10's allocators, the CUDA runtime, cuBLAS and cuDNN say it.
  for (const char* part : {"out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED"}) {
    if (!absl::StrContains(message, part)) continue;
    return absl::ResourceExhaustedError(
        absl::StrCat("the memory is too small for this trial: ", message));
  }
  return absl::InternalError(absl::StrCat("LibTorch failed: ", message));
}

}  // namespace

std::string TorchVersion() { return absl::StrCat("LibTorch ", TORCH_VERSION); }

absl::Status SetUpTorch(const std::string& device, int threads) {
  try {
    if (device != "cpu") HV_RETURN_IF_ERROR(SetUpCuda(device));
    at::set_num_threads(threads);
    at::set_num_interop_threads(1);
    KeepOpenBlasOnOneThread();
    KeepMemoryOfTensors();
    return absl::OkStatus();
  } catch (...) {
    return StatusOfTorchException();
  }
}

absl::Status StatusOfTorchException() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return StatusOfMessage(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return StatusOfMessage("out of memory");
  } catch (const std::exception& error) {
    return StatusOfMessage(error.what());
  }
}

}  // namespace halving
