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

Reached::Reached(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code ignored;
  if (!std::filesystem::exists(file_, ignored)) return;
  try {
    const auto text = read_file(file_, kMaxFileBytes);
    if (!text) throw std::runtime_error(text.error().message);
    const Json json = Json::parse(*text);
    for (const auto& [name, reached] : json.at("reached").items()) modules_.emplace(name, read_reached(reached));
    reverted_ = json.value("reverted", std::deque<std::string>());
  } catch (const std::exception& error) {
    modules_.clear();
    reverted_.clear();
    spdlog::warn("fleet: {} cannot be read, the node follows the newest desired state: {}", file_.string(),
                 error.what());
  }
}

ReachedRevision Reached::of(std::string_view module) const {
  const std::scoped_lock lock(mutex_);
  const auto found = modules_.find(module);
  return found == modules_.end() ? ReachedRevision{} : found->second;
}

Result<void> Reached::set(std::string_view module, ReachedRevision reached) {
  const std::scoped_lock lock(mutex_);
  ReachedRevision& kept = modules_[std::string(module)];
  reached.revision = std::max(reached.revision, kept.revision);
  if (kept == reached) return {};
  kept = std::move(reached);
  return write();
}

Result<void> Reached::note_revert(std::string_view rollout) {
  const std::scoped_lock lock(mutex_);
  if (std::ranges::find(reverted_, rollout) != reverted_.end()) return {};
  reverted_.emplace_back(rollout);
  if (reverted_.size() > kRevertsKept) reverted_.pop_front();
  return write();
}

bool Reached::was_reverted(std::string_view rollout) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::find(reverted_, rollout) != reverted_.end();
}

Result<void> Reached::write() const {
  Json modules = Json::object();
  for (const auto& [name, one] : modules_) modules[name] = json_of(one);
  const Json json{{"format", 1}, {"reached", std::move(modules)}, {"reverted", reverted_}};
  return write_file_atomically(file_, json.dump() + "\n", 0600);
}

}  // namespace secbeat::agent
