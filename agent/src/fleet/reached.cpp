#include "reached.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMaxFileBytes = 65536;

}  // namespace

Reached::Reached(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code ignored;
  if (!std::filesystem::exists(file_, ignored)) return;
  const auto text = read_file(file_, kMaxFileBytes);
  const Json json = text ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json();
  const auto found = json.is_object() ? json.find("reached") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_object()) {
    spdlog::warn("fleet: {} cannot be read; the node follows the newest desired state", file_.string());
    return;
  }
  for (const auto& [name, revision] : found->items()) {
    if (revision.is_number_unsigned()) revisions_.emplace(name, revision.get<std::uint64_t>());
  }
}

std::uint64_t Reached::of(std::string_view module) const {
  const std::scoped_lock lock(mutex_);
  const auto found = revisions_.find(module);
  return found == revisions_.end() ? 0 : found->second;
}

Result<void> Reached::set(std::string_view module, std::uint64_t revision) {
  const std::scoped_lock lock(mutex_);
  std::uint64_t& reached = revisions_[std::string(module)];
  if (reached >= revision) return {};
  reached = revision;
  const Json json{{"format", 1}, {"reached", Json(revisions_)}};
  return write_file_atomically(file_, json.dump() + "\n", 0600);
}

}  // namespace secbeat::agent
