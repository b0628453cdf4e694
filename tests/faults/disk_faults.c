// A disk that fails on demand: to be loaded into halving-server by LD_PRELOAD.
//
// It watches write, pwrite, fsync and fdatasync on files by the end of their path, and does what
// the first line of the file named by DISK_FAULTS says, which is read anew at each watched call:
//
//   ACTION CALL SUFFIX FIRST [ARGUMENT]      as in: kill-before sync -wal 1
//
// CALL is write or sync. Matching calls are counted from when the line last changed; the action
// is taken at number FIRST and at all after it. Without the file, or with a line that is none of
// these, nothing is changed.
//
//   kill-before   SIGKILL to this process, before the call
//   kill-after    SIGKILL, after the call
//   tear          writes half of the bytes, then SIGKILL
//   fail          the call fails with errno ARGUMENT, and does nothing
//   short         writes half of the bytes and says so
//   delay         waits ARGUMENT milliseconds before the call
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct rule {
  char action[16];
  char call[8];
  char suffix[16];
  long first;
  long argument;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char current[128];  // The line that is counted for.
static long count;

static ssize_t read_text(const char* path, char* text, size_t size) {
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t got = syscall(SYS_read, fd, text, size - 1);
  syscall(SYS_close, fd);
  text[got > 0 ? got : 0] = '\0';
  return got;
}

static bool ends_with(const char* text, const char* end) {
  const size_t size = strlen(text);
  const size_t end_size = strlen(end);
  return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool is_file(int fd, const char* suffix) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return ends_with(path, suffix);
}

// Whether the rule of now is to be carried out on this call.
static bool applies(const char* call, int fd, struct rule* rule) {
  const char* const control = getenv("DISK_FAULTS");
  char text[sizeof(current)];
  if (control == NULL || read_text(control, text, sizeof(text)) <= 0) return false;
  memset(rule, 0, sizeof(*rule));
  if (sscanf(text, "%15s %7s %15s %ld %ld", rule->action, rule->call, rule->suffix, &rule->first,
             &rule->argument) < 4) {
    return false;
  }
  if (strcmp(rule->call, call) != 0 || !is_file(fd, rule->suffix)) return false;
  pthread_mutex_lock(&mutex);
  if (strcmp(text, current) != 0) {
    memcpy(current, text, sizeof(current));
    count = 0;
  }
  const bool due = ++count >= rule->first;
  pthread_mutex_unlock(&mutex);
  return due;
}

static void die(void) {
  syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
  for (;;) pause();
}

static void wait_ms(long ms) {
  const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

// What comes before the call. False: it fails, with errno set. May make the call shorter.
static bool before(const struct rule* rule, size_t* size) {
  if (strcmp(rule->action, "kill-before") == 0) die();
  if (strcmp(rule->action, "delay") == 0) wait_ms(rule->argument);
  if (strcmp(rule->action, "fail") == 0) {
    errno = (int)rule->argument;
    return false;
  }
  const bool cut = strcmp(rule->action, "short") == 0 || strcmp(rule->action, "tear") == 0;
  if (cut && *size > 1) *size /= 2;
  return true;
}

static void after(const struct rule* rule) {
  if (strcmp(rule->action, "kill-after") == 0 || strcmp(rule->action, "tear") == 0) die();
}

static ssize_t faulty_pwrite(int fd, const void* bytes, size_t size, off64_t at) {
  struct rule rule;
  const bool due = applies("write", fd, &rule);
  if (due && !before(&rule, &size)) return -1;
  const ssize_t wrote = syscall(SYS_pwrite64, fd, bytes, size, at);
  if (due) after(&rule);
  return wrote;
}

static int faulty_sync(int fd, long number) {
  struct rule rule;
  size_t size = 0;
  const bool due = applies("sync", fd, &rule);
  if (due && !before(&rule, &size)) return -1;
  const int result = (int)syscall(number, fd);
  if (due) after(&rule);
  return result;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  struct rule rule;
  const bool due = applies("write", fd, &rule);
  if (due && !before(&rule, &size)) return -1;
  const ssize_t wrote = syscall(SYS_write, fd, bytes, size);
  if (due) after(&rule);
  return wrote;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return faulty_pwrite(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  return faulty_pwrite(fd, bytes, size, at);
}

int fsync(int fd) { return faulty_sync(fd, SYS_fsync); }

int fdatasync(int fd) { return faulty_sync(fd, SYS_fdatasync); }
