#include "server/access/token_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/file_io.h"
#include "common/status.h"
#include "nlohmann/json.hpp"

namespace halving {
namespace {

constexpr int kVersion = 1;

std::string ShownTime(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> TimeIn(const nlohmann::json& json, const char* key,
                                  absl::Time otherwise) {
  if (!json.contains(key)) return otherwise;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, json.at(key).get<std::string>(), &time, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(key, ": ", error));
  }
  return time;
}

nlohmann::json ToJson(const TokenRecord& token) {
  nlohmann::json json = {{"name", token.name},
                         {"id", token.id},
                         {"role", RoleName(token.role)},
                         {"created", ShownTime(token.created)},
                         {"sha256", absl::BytesToHexString(token.hash)}};
  if (!token.owner.empty()) json["owner"] = token.owner;
  if (token.expires != absl::InfiniteFuture()) json["expires"] = ShownTime(token.expires);
  if (token.max_calls_per_second > 0) json["max_calls_per_second"] = token.max_calls_per_second;
  return json;
}

absl::StatusOr<TokenRecord> FromJson(const nlohmann::json& json) {
  TokenRecord token{.name = json.at("name").get<std::string>(),
                    .id = json.at("id").get<std::string>(),
                    .owner = json.value("owner", ""),
                    .max_calls_per_second = json.value("max_calls_per_second", 0.0),
                    .hash = absl::HexStringToBytes(json.at("sha256").get<std::string>())};
  HV_ASSIGN_OR_RETURN(token.role, ParseRole(json.at("role").get<std::string>()));
  HV_ASSIGN_OR_RETURN(token.created, TimeIn(json, "created", absl::UnixEpoch()));
  HV_ASSIGN_OR_RETURN(token.expires, TimeIn(json, "expires", absl::InfiniteFuture()));
  if (token.name.empty() || token.id.empty()) {
    return absl::InvalidArgumentError("a token has no name or no id");
  }
  if (token.hash.size() != kSha256Bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("sha256 of \"", token.name, "\" has no 32 bytes"));
  }
  return token;
}

absl::StatusOr<std::vector<TokenRecord>> Parse(const std::string& text) {
  std::vector<TokenRecord> tokens;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (json.at("version").get<int>() != kVersion) {
      return absl::InvalidArgumentError("it is of a newer version of halving-server");
    }
    for (const nlohmann::json& one : json.at("tokens")) {
      HV_ASSIGN_OR_RETURN(TokenRecord token, FromJson(one));
      for (const TokenRecord& other : tokens) {
        if (other.name != token.name && other.id != token.id) continue;
        return absl::InvalidArgumentError(absl::StrCat("\"", token.name, "\" is there twice"));
      }
      tokens.push_back(std::move(token));
    }
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return tokens;
}

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kReader:
      return "reader";
    case Role::kWorker:
      return "worker";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

absl::StatusOr<Role> ParseRole(const std::string& name) {
  for (const Role role : {Role::kReader, Role::kWorker, Role::kAdmin}) {
    if (name == RoleName(role)) return role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("role is \"", absl::CHexEscape(name), "\"; it is reader, worker or admin"));
}

absl::StatusOr<TokenStore> TokenStore::Open(const std::string& file) {
  TokenStore store(file);
  struct stat about = {};
  if (stat(file.c_str(), &about) != 0 && errno == ENOENT) return store;
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  absl::StatusOr<std::vector<TokenRecord>> tokens = Parse(text);
  if (!stream || !tokens.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot read the tokens in ", file, ": ",
        stream ? tokens.status().message() : absl::string_view("it cannot be opened"),
        ". Put it right, or remove it: then no token is valid, and a new admin.token is made"));
  }
  store.tokens_ = *std::move(tokens);
  return store;
}

const TokenRecord* TokenStore::Find(const std::string& name) const {
  const auto at = std::find_if(tokens_.begin(), tokens_.end(),
                               [&](const TokenRecord& token) { return token.name == name; });
  return at == tokens_.end() ? nullptr : &*at;
}

absl::Status TokenStore::Add(const TokenRecord& token) {
  if (Find(token.name) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat(
        "there is a token \"", token.name, "\"; choose another name, or revoke that one first"));
  }
  std::vector<TokenRecord> tokens = tokens_;
  tokens.push_back(token);
  return Write(std::move(tokens));
}

absl::Status TokenStore::Remove(const std::string& name) {
  std::vector<TokenRecord> tokens = tokens_;
  const auto removed = std::erase_if(tokens, [&](const auto& token) { return token.name == name; });
  if (removed == 0) {
    return absl::NotFoundError(absl::StrCat("there is no token \"", absl::CHexEscape(name),
                                            "\"; `halving token list` shows those there are"));
  }
  return Write(std::move(tokens));
}

absl::Status TokenStore::Write(std::vector<TokenRecord> tokens) {
  nlohmann::json json = {{"version", kVersion}, {"tokens", nlohmann::json::array()}};
  for (const TokenRecord& token : tokens) json["tokens"].push_back(ToJson(token));
  WholeFile file(file_);
  HV_RETURN_IF_ERROR(file.Open());
  HV_RETURN_IF_ERROR(file.Write(json.dump(2) + "\n"));
  HV_RETURN_IF_ERROR(file.Finish());
  tokens_ = std::move(tokens);
  return absl::OkStatus();
}

}  // namespace halving
