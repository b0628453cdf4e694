#include "tests/store/fault_vfs.h"

#include <sqlite3.h>

#include <cerrno>
#include <map>

#include "common/check.h"

namespace halving {
namespace {

// SQLite calls plain functions, so what they need lies here.
struct State {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs;
  const sqlite3_io_methods* real_methods = nullptr;
  // By what the file came with: those of databases lock, those of journals do not.
  std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods;
  int write_error = 0;
  int writes_before_error = 0;
  int sync_error = 0;
  int syncs_before_error = 0;
  int last_error = 0;
};
State state;

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  if (state.write_error != 0 && --state.writes_before_error < 0) {
    errno = state.last_error = state.write_error;
    return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;  // As its own layer does.
  }
  return state.real_methods->xWrite(file, data, size, at);
}

int Sync(sqlite3_file* file, int flags) {
  if (state.sync_error != 0 && --state.syncs_before_error < 0) {
    errno = state.last_error = state.sync_error;
    return SQLITE_IOERR_FSYNC;
  }
  return state.real_methods->xSync(file, flags);
}

int Control(sqlite3_file* file, int what, void* argument) {
  if (what == SQLITE_FCNTL_LAST_ERRNO && state.last_error != 0) {
    *static_cast<int*>(argument) = state.last_error;
    return SQLITE_OK;
  }
  return state.real_methods->xFileControl(file, what, argument);
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int result = state.real->xOpen(state.real, name, file, flags, out_flags);
  if (file->pMethods == nullptr) return result;
  const sqlite3_io_methods* real = file->pMethods;
  HV_CHECK(state.real_methods == nullptr || state.real_methods->xWrite == real->xWrite)
      << "files that are written in two ways";
  state.real_methods = real;
  sqlite3_io_methods& methods = state.methods[real];
  methods = *real;
  methods.xWrite = Write;
  methods.xSync = Sync;
  methods.xFileControl = Control;
  file->pMethods = &methods;
  return result;
}

}  // namespace

FaultVfs::FaultVfs() {
  HV_CHECK(state.real == nullptr) << "one at a time";
  sqlite3_initialize();
  state = {};
  state.real = sqlite3_vfs_find(nullptr);
  state.vfs = *state.real;
  state.vfs.zName = "fault";
  state.vfs.xOpen = Open;
  sqlite3_vfs_register(&state.vfs, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&state.vfs);
  sqlite3_vfs_register(state.real, /*makeDflt=*/1);
  state.real = nullptr;
}

void FaultVfs::FailWrites(int error, int after_writes) {
  state.write_error = error;
  state.writes_before_error = after_writes;
}

void FaultVfs::FailSyncs(int error, int after_syncs) {
  state.sync_error = error;
  state.syncs_before_error = after_syncs;
}

void FaultVfs::Repair() {
  state.write_error = 0;
  state.sync_error = 0;
}

}  // namespace halving
