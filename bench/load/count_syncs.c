// Counts fsync and fdatasync of the program that it is loaded into by LD_PRELOAD: a 64-bit number,
// of this machine's byte order, in the file named by COUNT_SYNCS, which must be there.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint64_t* count;

__attribute__((constructor)) static void map_count(void) {
  const char* const path = getenv("COUNT_SYNCS");
  const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const page = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page != MAP_FAILED) count = page;
}

int fsync(int fd) {
  if (count != NULL) atomic_fetch_add(count, 1);
  return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  if (count != NULL) atomic_fetch_add(count, 1);
  return (int)syscall(SYS_fdatasync, fd);
}
