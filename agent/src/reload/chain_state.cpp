#include "chain_state.hpp"

#include <algorithm>
#include <set>

namespace secbeat::agent {
namespace {

// The first `keep` after the current version, and the newest of each of `keep` other modules' bytes.
std::vector<control::Version> window(const std::vector<control::Version>& by_recency, std::uint32_t keep) {
  std::vector<control::Version> kept{by_recency.front()};
  std::set<std::string_view> modules{by_recency.front().sha256};
  std::set<std::string_view> configurations{by_recency.front().config_sha256};
  for (std::size_t i = 1; i < by_recency.size(); ++i) {
    const control::Version& version = by_recency[i];
    const bool newest_of_its_bytes = modules.insert(version.sha256).second;
    const bool among_modules = newest_of_its_bytes && modules.size() <= std::size_t{keep} + 1;
    const bool newest_of_its_configuration = configurations.insert(version.config_sha256).second;
    const bool among_configurations = newest_of_its_configuration && configurations.size() <= std::size_t{keep} + 1;
    if (i <= keep || among_modules || among_configurations) kept.push_back(version);
  }
  return kept;
}

std::uint64_t previous_of(const control::Slot& slot, const Line& line) {
  std::uint64_t id = line(slot.current);
  for (int steps = 0; id != 0 && steps < kMaxLine; ++steps) {
    if (id != slot.current && slot.find(id) != nullptr) return id;
    id = line(id);
  }
  return 0;
}

void set(control::Slot& slot, control::OnError on_error, engine::Isolation isolation, const engine::Limits& limits) {
  slot.on_error = on_error;
  slot.isolation = isolation;
  slot.limits = limits;
}

}  // namespace

control::Slot with_current(control::Slot slot, control::Version version, const Line& line, std::uint32_t keep) {
  slot.current = version.id;
  std::erase_if(slot.versions, [&](const control::Version& other) { return other.id == slot.current; });
  slot.versions.insert(slot.versions.begin(), std::move(version));
  slot.versions = window(slot.versions, keep);
  slot.previous = previous_of(slot, line);
  return slot;
}

control::Slot without_current(control::Slot slot, std::uint32_t keep) {
  if (slot.current != 0) slot.previous = slot.current;
  slot.current = 0;
  slot.versions =
      keep == 0 || slot.versions.empty() ? std::vector<control::Version>() : window(slot.versions, keep - 1);
  if (slot.find(slot.previous) == nullptr) slot.previous = 0;
  return slot;
}

bool has_room_for(std::string_view name, const control::InForce& document) {
  return document.find(name) != nullptr || document.slots.size() < kMaxModules;
}

control::InForce with_room_for(std::string_view name, control::InForce document,
                               const std::vector<std::string>& config_names) {
  if (has_room_for(name, document)) return document;
  const auto newest_id = [](const control::Slot& slot) { return slot.versions.empty() ? 0 : slot.versions.front().id; };
  auto oldest = document.slots.end();
  for (auto slot = document.slots.begin(); slot != document.slots.end(); ++slot) {
    if (!slot->is_removed() || std::ranges::find(config_names, slot->name) != config_names.end()) continue;
    if (oldest == document.slots.end() || newest_id(*slot) < newest_id(*oldest)) oldest = slot;
  }
  if (oldest != document.slots.end()) document.slots.erase(oldest);
  return document;
}

control::Slot with_settings(control::Slot slot, const Config& config, const std::vector<std::string>& config_names) {
  for (std::size_t i = 0; i < config_names.size() && i < config.modules.size(); ++i) {
    if (config_names[i] != slot.name) continue;
    set(slot, config.modules[i].on_error, config.modules[i].isolation, config.limits);
    return slot;
  }
  set(slot, config.on_error, config.isolation, config.limits);  // a module that came over the API
  return slot;
}

std::filesystem::path rule_tests_of(std::string_view name, const Config& config,
                                    const std::vector<std::string>& config_names) {
  for (std::size_t i = 0; i < config_names.size() && i < config.modules.size(); ++i) {
    if (config_names[i] == name) return config.modules[i].rule_tests;
  }
  return {};
}

control::InForce with_slot(control::InForce document, control::Slot slot) {
  const auto place = std::ranges::find(document.slots, slot.name, &control::Slot::name);
  if (place != document.slots.end()) {
    *place = std::move(slot);
  } else {
    document.slots.push_back(std::move(slot));
  }
  return document;
}

control::InForce with_settings(control::InForce document, const Config& config,
                               const std::vector<std::string>& config_names) {
  document.max_body_bytes = config.max_body_bytes;
  document.body_over_limit = config.body_over_limit;
  document.rate_limit_per_second = config.rate_limit_per_second;
  document.rate_limit_burst = config.rate_limit_burst;
  for (control::Slot& slot : document.slots) slot = with_settings(std::move(slot), config, config_names);
  return document;
}

control::Slot empty_slot(std::string name, const Config& config, const std::vector<std::string>& config_names) {
  control::Slot slot;
  slot.name = std::move(name);
  return with_settings(std::move(slot), config, config_names);
}

std::optional<std::string> current_label(const control::InForce& document, std::string_view name) {
  const control::Slot* slot = document.find(name);
  const control::Version* current = slot == nullptr ? nullptr : slot->current_version();
  return current == nullptr ? std::nullopt : std::optional(current->label);
}

const control::Version* find_label(const control::Slot& slot, std::string_view label) {
  const auto found = std::ranges::find(slot.versions, label, &control::Version::label);
  return found == slot.versions.end() ? nullptr : &*found;
}

}  // namespace secbeat::agent
