// The arithmetic of the chain: which versions a module keeps loaded, and which one comes before which.
//
// Versions form a line: each one remembers the version that it replaced when it was new, and a rollback goes
// back along that line. Loaded versions form a window, in the order in which they were last in force.
//
// Thread safety: free functions over values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {

// Places in the chain, those of removed modules included: each module costs every request a call.
inline constexpr std::size_t kMaxModules = 16;

// The version that `id` replaced when it was new; 0: none, or not known.
using Line = std::function<std::uint64_t(std::uint64_t id)>;
inline constexpr int kMaxLine = 20000;  // versions; a longer one is a loop in a damaged ledger

// `slot` with `version` as the current one (new, or one that it has loaded already).
//
// Loaded afterwards: the current version, the `keep` versions that were in force last, and, counted apart, the
// newest version of each of the `keep` other modules' bytes that were in force last: a series of changed
// configurations does not push out the module to go back to. `previous` is the nearest loaded version
// along the line.
control::Slot with_current(control::Slot slot, control::Version version, const Line& line, std::uint32_t keep);

// `slot` out of the chain. What was current becomes the newest of its `keep` previous versions, and a rollback brings
// it back to the same place.
control::Slot without_current(control::Slot slot, std::uint32_t keep);

// `document` with a free place for `name` where that can be had: it has one already, or there are fewer than
// kMaxModules, or a module that was removed gives up its place for good. That is the oldest that the configuration file
// does not name: the next start would load one that it names.
control::InForce with_room_for(std::string_view name, control::InForce document,
                               const std::vector<std::string>& config_names);
[[nodiscard]] bool has_room_for(std::string_view name, const control::InForce& document);

// `document` with `slot` in the place of the slot of that name, or at the end of the chain.
control::InForce with_slot(control::InForce document, control::Slot slot);

// `slot` with the settings of the configuration file: on_error, isolation, limits. One that the file does not name has
// those of [waf.wasm].
control::Slot with_settings(control::Slot slot, const Config& config, const std::vector<std::string>& config_names);

// `document` with them in every slot, and body limits and rate limit.
control::InForce with_settings(control::InForce document, const Config& config,
                               const std::vector<std::string>& config_names);

// The file of tests that versions of the module have to pass; empty: there is none.
std::filesystem::path rule_tests_of(std::string_view name, const Config& config,
                                    const std::vector<std::string>& config_names);

// A slot without a version, with the settings of the configuration file.
control::Slot empty_slot(std::string name, const Config& config, const std::vector<std::string>& config_names);

// What `name` serves; empty: nothing, or there is no such module.
std::optional<std::string> current_label(const control::InForce& document, std::string_view name);

const control::Version* find_label(const control::Slot& slot, std::string_view label);

}  // namespace secbeat::agent
