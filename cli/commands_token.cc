// `halving token`.
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/text.h"
#include "common/file_io.h"
#include "common/status.h"

namespace halving {
namespace {

std::string RoleWord(v1::Role role) {
  const std::string name = v1::Role_Name(role);
  constexpr size_t kPrefix = sizeof("ROLE_") - 1;
  return absl::AsciiStrToLower(name.substr(std::min(kPrefix, name.size())));
}

std::string Shown(const google::protobuf::Timestamp& time, bool is_set, const std::string& unset) {
  return is_set ? HumanTime(FromProto(time), absl::LocalTimeZone()) : unset;
}

std::string RenderTokens(const std::vector<v1::Token>& tokens, const RenderOptions& options) {
  using Align = Table::Align;
  Table table({{.title = "TOKEN", .align = Align::kLeft},
               {.title = "ROLE", .align = Align::kLeft},
               {.title = "OWNER", .align = Align::kLeft},
               {.title = "CREATED", .align = Align::kLeft, .drop = 2},
               {.title = "EXPIRES", .align = Align::kLeft},
               {.title = "LAST USED", .align = Align::kLeft, .drop = 1},
               {.title = "CALLS/S", .drop = 3}});
  for (const v1::Token& token : tokens) {
    table.AddRow({{token.name()},
                  {RoleWord(token.role())},
                  {token.owner().empty() ? "-" : token.owner()},
                  {Shown(token.create_time(), token.has_create_time(), "-")},
                  {Shown(token.expire_time(), token.has_expire_time(), "never")},
                  {Shown(token.last_use_time(), token.has_last_use_time(), "-")},
                  {token.max_calls_per_second() > 0 ? FormatExact(token.max_calls_per_second())
                                                    : std::string("-")}});
  }
  return table.Render(0, options);
}

absl::Status WriteToken(const std::string& path, const std::string& text) {
  WholeFile file(path);
  HV_RETURN_IF_ERROR(file.Open());
  HV_RETURN_IF_ERROR(file.Write(text + "\n"));
  return file.Finish();
}

int Create(const TokenOptions& options, Client* client, Console* console) {
  v1::CreateTokenRequest request;
  request.set_name(options.name);
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::Role_Parse(absl::StrCat("ROLE_", absl::AsciiStrToUpper(options.role)), &role);
  request.set_role(role);
  request.set_owner(options.owner);
  request.set_max_calls_per_second(options.max_rate);
  if (!options.expires.empty()) {
    *request.mutable_lifetime() = ToProto(*ParseHumanDuration(options.expires));
  }
  const absl::StatusOr<v1::CreateTokenResponse> made = client->CreateToken(request);
  if (!made.ok()) return Fail(made.status(), client, console);
  if (options.format == Format::kJson) {
    WriteData(ToJson(*made), console);
    return kExitOk;
  }
  if (options.file.empty()) {
    WriteData(made->text() + "\n", console);
    return kExitOk;
  }
  const absl::Status written = WriteToken(options.file, made->text());
  if (written.ok()) {
    *console->out << "Wrote " << Printable(options.file) << ". Give it with --token-file.\n";
    return kExitOk;
  }
  // Nobody will ever know it.
  const absl::Status revoked = client->RevokeToken(options.name);
  *console->err << "error: " << Printable(written.message()) << "\nhint: the token was "
                << (revoked.ok() ? "revoked again" : "created all the same; revoke it") << "\n";
  return kExitFailed;
}

int List(const TokenOptions& options, Client* client, Console* console) {
  const absl::StatusOr<std::vector<v1::Token>> tokens = client->ListTokens();
  if (!tokens.ok()) return Fail(tokens.status(), client, console);
  if (options.format == Format::kJson) {
    v1::ListTokensResponse all;
    all.mutable_tokens()->Assign(tokens->begin(), tokens->end());
    WriteData(ToJson(all), console);
  } else if (tokens->empty()) {
    *console->out << "There are no tokens. Make one with `halving token create NAME --role "
                     "ROLE`.\n";
  } else {
    *console->out << RenderTokens(*tokens, console->options);
  }
  return kExitOk;
}

}  // namespace

int TokenCommand(const TokenOptions& options, Client* client, Console* console) {
  if (options.action == "create") return Create(options, client, console);
  if (options.action == "list") return List(options, client, console);
  const absl::Status revoked = client->RevokeToken(options.name);
  if (!revoked.ok()) return Fail(revoked, client, console);
  *console->out << "Revoked " << Printable(options.name) << ".\n";
  return kExitOk;
}

}  // namespace halving
