// FaultVfs: SQLite on a disk that fails as it is told.
#ifndef HALVING_TESTS_STORE_FAULT_VFS_H_
#define HALVING_TESTS_STORE_FAULT_VFS_H_

namespace halving {

// While it lives, what SQLite opens goes to the real disk except for the faults set here. One at a
// time. Thread-compatible.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // From now on writes fail with the system's `error`, once `writes` of them have gone well.
  void FailWrites(int error, int after_writes = 0);
  // The same of syncs.
  void FailSyncs(int error, int after_syncs = 0);
  void Repair();
};

}  // namespace halving

#endif  // HALVING_TESTS_STORE_FAULT_VFS_H_
