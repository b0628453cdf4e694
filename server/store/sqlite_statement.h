// Statements of a journal's database, and the hashes in its rows.
#ifndef HALVING_SERVER_STORE_SQLITE_STATEMENT_H_
#define HALVING_SERVER_STORE_SQLITE_STATEMENT_H_

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/crypto.h"
#include "server/store/journal_rows.h"

namespace halving {

// A statement for its scope. One that cannot be prepared fails at its first step.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* db, const char* sql) {
    if (sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) != SQLITE_OK) statement_ = nullptr;
  }
  ~SqliteStatement() { sqlite3_finalize(statement_); }
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  sqlite3_stmt* get() const { return statement_; }
  // Valid until the next step.
  absl::string_view Blob(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return {static_cast<const char*>(data), static_cast<size_t>(size)};
  }
  void BindBlob(int parameter, absl::string_view bytes) {
    sqlite3_bind_blob(statement_, parameter, bytes.data(), static_cast<int>(bytes.size()),
                      SQLITE_STATIC);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

inline constexpr size_t kChainBytes = 16;
inline constexpr size_t kGapChainBytes = 2 * kChainBytes;

// The hash of a row, which covers all before it.
inline std::string ChainHash(absl::string_view previous, int64_t seq, absl::string_view data) {
  std::string bytes;
  bytes.reserve(previous.size() + sizeof(seq) + data.size());
  bytes.append(previous.data(), previous.size());
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(seq) >> shift));
  }
  bytes.append(data.data(), data.size());
  return Sha256(bytes).substr(0, kChainBytes);
}

// Of a gap: the chain of the last row that is gone, where the next one follows on, and its own.
inline std::string GapChain(absl::string_view chain, int64_t seq, absl::string_view data) {
  const absl::string_view gone = chain.substr(0, kChainBytes);
  return absl::StrCat(gone, ChainHash(gone, seq, data));
}

// The chain of hashes from the first row on. Thread-compatible.
class ChainWalk {
 public:
  explicit ChainWalk(std::string secret) : chain_(std::move(secret)) {}

  // False: the row is not the one that was written behind the one before, which stays the last.
  bool Next(int64_t seq, absl::string_view data, absl::string_view chain) {
    if (chain.size() == kGapChainBytes) {
      const absl::StatusOr<int64_t> first = DecodeGap(data);
      if (!first.ok() || *first != last_ + 1 || seq <= last_ ||
          chain != GapChain(chain, seq, data)) {
        return false;
      }
      chain_ = std::string(chain.substr(0, kChainBytes));
    } else {
      std::string expected = ChainHash(chain_, seq, data);
      if (seq != last_ + 1 || chain != expected) return false;
      chain_ = std::move(expected);
    }
    last_ = seq;
    return true;
  }

  int64_t last() const { return last_; }

 private:
  std::string chain_;
  int64_t last_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_SQLITE_STATEMENT_H_
