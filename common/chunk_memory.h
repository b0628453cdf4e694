// What a process that moves megabytes asks of the C library.
#ifndef HALVING_COMMON_CHUNK_MEMORY_H_
#define HALVING_COMMON_CHUNK_MEMORY_H_

#include <malloc.h>

namespace halving {

// Chunks of a MiB come and go by the thousand. The C library would map and unmap memory for each,
// and every page of it is cleared anew; a few MiB are kept instead. Call it before other threads
// start.
inline void KeepMemoryOfChunks() {
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

}  // namespace halving

#endif  // HALVING_COMMON_CHUNK_MEMORY_H_
