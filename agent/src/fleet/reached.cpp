#include "reached.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMaxFileBytes = 65536;
constexpr std::size_t kRevertsKept = 32;

Json json_of(const ReachedRevision& reached) {
  return {{"revision", reached.revision},
          {"ahead", reached.ahead},
          {"sha256", reached.sha256},
          {"config_sha256", reached.config_sha256},
          {"rollout", reached.rollout}};
}

// Throws where it is none.
ReachedRevision read_reached(const Json& json) {
  if (!json.at("revision").is_number_unsigned()) throw std::runtime_error("a revision is no number");
  return {.revision = json.at("revision").get<std::uint64_t>(),
          .ahead = json.value("ahead", false),
          .sha256 = json.value("sha256", std::string()),
          .config_sha256 = json.value("config_sha256", std::string()),
          .rollout = json.value("rollout", std::string())};
}

}  // namespace

std::string to_json(const ReachedNotes& notes) {
  Json modules = Json::object();
  for (const auto& [name, one] : notes.modules) modules[name] = json_of(one);
  const Json json{{"format", 1}, {"reached", std::move(modules)}, {"reverted", notes.reverted}};
  return json.dump() + "\n";
}

Result<ReachedNotes> reached_notes_from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.at("reached").is_object())
      throw std::runtime_error("it is not what an agent writes");
    ReachedNotes notes;
    for (const auto& [name, reached] : json.at("reached").items()) notes.modules.emplace(name, read_reached(reached));
    notes.reverted = json.value("reverted", std::deque<std::string>());
    while (notes.reverted.size() > kRevertsKept) notes.reverted.pop_front();
    return notes;
  } catch (const std::exception& error) {
    return fail(ErrorCode::kProtocol, error.what());
  }
}

Reached::Reached(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code ignored;
  if (!std::filesystem::exists(file_, ignored)) return;
  const auto text = read_file(file_, kMaxFileBytes);
  auto notes = text ? reached_notes_from_json(*text) : std::unexpected(text.error());
  if (notes) {
    notes_ = *std::move(notes);
  } else {
    spdlog::warn("fleet: {} cannot be read, the node follows the newest desired state: {}", file_.string(),
                 notes.error().message);
  }
}

ReachedRevision Reached::of(std::string_view module) const {
  const std::scoped_lock lock(mutex_);
  const auto found = notes_.modules.find(module);
  return found == notes_.modules.end() ? ReachedRevision{} : found->second;
}

Result<void> Reached::set(std::string_view module, ReachedRevision reached) {
  const std::scoped_lock lock(mutex_);
  ReachedRevision& kept = notes_.modules[std::string(module)];
  reached.revision = std::max(reached.revision, kept.revision);
  if (kept == reached) return {};
  kept = std::move(reached);
  return write();
}

Result<void> Reached::note_revert(std::string_view rollout) {
  const std::scoped_lock lock(mutex_);
  if (std::ranges::find(notes_.reverted, rollout) != notes_.reverted.end()) return {};
  notes_.reverted.emplace_back(rollout);
  if (notes_.reverted.size() > kRevertsKept) notes_.reverted.pop_front();
  return write();
}

bool Reached::was_reverted(std::string_view rollout) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::find(notes_.reverted, rollout) != notes_.reverted.end();
}

Result<void> Reached::write() const { return write_file_atomically(file_, to_json(notes_), 0600); }

}  // namespace secbeat::agent
