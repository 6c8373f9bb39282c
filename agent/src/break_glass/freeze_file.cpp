#include "freeze_file.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024;

}  // namespace

std::string freeze_to_json(const control::Statement& freeze) {
  const Json json{{"format", kFormat},
                  {"since_unix_ms", freeze.since_unix_ms},
                  {"until_unix_ms", freeze.until_unix_ms},
                  {"by", freeze.by},
                  {"reason", freeze.reason}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<control::Statement> freeze_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat) return std::nullopt;
  for (const char* key : {"since_unix_ms", "until_unix_ms"}) {
    if (!json.contains(key) || !json[key].is_number_unsigned()) return std::nullopt;
  }
  for (const char* key : {"by", "reason"}) {
    if (!json.contains(key) || !json[key].is_string()) return std::nullopt;
  }
  if (json["since_unix_ms"] == 0) return std::nullopt;
  return control::Statement{.since_unix_ms = json["since_unix_ms"].get<std::uint64_t>(),
                            .until_unix_ms = json["until_unix_ms"].get<std::uint64_t>(),
                            .by = json["by"].get<std::string>(),
                            .reason = json["reason"].get<std::string>()};
}

std::filesystem::path freeze_file(const std::filesystem::path& data_dir) { return data_dir / "freeze.json"; }

std::optional<control::Statement> read_freeze_file(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  const auto text = read_file(file, kMaxFileBytes);
  if (auto freeze = text ? freeze_from_json(*text) : std::nullopt) return freeze;
  spdlog::error("{} cannot be used ({}): changes are frozen until somebody says secbeat unfreeze", file.string(),
                text ? "it is damaged" : text.error().message);
  return control::Statement{.since_unix_ms = 1,
                            .until_unix_ms = 0,
                            .by = "a file that is damaged",
                            .reason = "freeze.json says that changes are frozen, and not why"};
}

Result<void> write_freeze_file(const std::filesystem::path& file, const std::optional<control::Statement>& freeze) {
  if (freeze) return write_file_atomically(file, freeze_to_json(*freeze), 0600);
  std::error_code error;
  std::filesystem::remove(file, error);
  if (error) return fail(ErrorCode::kIo, "cannot remove " + file.string() + ": " + error.message());
  return {};
}

}  // namespace secbeat::agent
