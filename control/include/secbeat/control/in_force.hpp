// What should be in force on this node: the document that the agent writes and every worker loads.
//
// One file, `in_force.json`, replaced atomically, is the truth: a worker that starts while the agent is
// away serves what it says, and at its start the agent repairs its ledger from it. The same document
// travels in the stage message. docs/control_protocol.md is its specification.
//
// Value types; thread safety as for std::vector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/limits.hpp"

namespace secbeat::control {

enum class OnError : std::uint8_t { kPrevious, kOpen, kClosed };
std::string_view word_of(OnError policy) noexcept;  // "previous", "open", "closed"
std::optional<OnError> on_error_of(std::string_view word) noexcept;

std::string_view word_of(engine::Isolation isolation) noexcept;  // "instance", "request"
std::optional<engine::Isolation> isolation_of(std::string_view word) noexcept;

enum class BodyOverLimit : std::uint8_t { kInspect, kBlock };

// One compiled version of a module, as files under the data directory.
struct Version {
  std::uint64_t id = 0;          // the ledger's, unique for ever on this node; keys counters and events
  std::string label;             // "v2", "1.4.2"
  std::string sha256;            // of the module's bytes
  std::string config_sha256;     // empty: no configuration
  std::string artifact_sha256;   // of the artifact file; its name is artifacts/<artifact_sha256>.cwasm
  std::uint64_t size_bytes = 0;  // of the module
  std::string loaded_at;         // RFC 3339: when this version came into force last

  bool operator==(const Version&) const = default;
};

// One place in the chain. A module that was removed keeps its place without a current version: requests do not meet
// it, and its versions stay loaded for the way back.
struct Slot {
  std::string name;
  OnError on_error = OnError::kPrevious;
  engine::Isolation isolation = engine::Isolation::kInstance;
  engine::Limits limits;
  std::uint64_t current = 0;      // id of the version that decides; 0: none
  std::uint64_t previous = 0;     // id of the version that a failing request or a rollback goes back to; 0: none
  std::vector<Version> versions;  // every version that stays loaded, newest first

  [[nodiscard]] const Version* find(std::uint64_t id) const noexcept;
  [[nodiscard]] const Version* current_version() const noexcept { return find(current); }
  [[nodiscard]] const Version* previous_version() const noexcept { return find(previous); }
  [[nodiscard]] bool is_removed() const noexcept { return current == 0; }

  bool operator==(const Slot&) const = default;
};

struct InForce {
  std::uint64_t generation = 0;
  std::vector<Slot> slots;  // in the order in which requests meet them
  std::uint64_t max_body_bytes = 131072;
  BodyOverLimit body_over_limit = BodyOverLimit::kInspect;
  double rate_limit_per_second = 10;  // verdict 3, by source address
  std::uint32_t rate_limit_burst = 20;

  [[nodiscard]] const Slot* find(std::string_view name) const noexcept;

  bool operator==(const InForce&) const = default;
};

std::string to_json(const InForce& in_force);
// kProtocol, with the place of the fault, for anything that is not such a document: bad JSON, wrong types,
// unknown format number, names or hashes that could leave their folder, current or previous without version.
Result<InForce> in_force_from_json(std::string_view text);

// Where things are, from the one directory that `secbeat_state` names.
struct StatePaths {
  std::filesystem::path state_dir;

  [[nodiscard]] std::filesystem::path socket() const { return state_dir / "agent.sock"; }
  [[nodiscard]] std::filesystem::path scoreboard() const { return state_dir / "workers" / "scoreboard"; }
  [[nodiscard]] std::filesystem::path in_force() const { return state_dir / "data" / "in_force.json"; }
  [[nodiscard]] std::filesystem::path artifact(std::string_view sha256) const {
    return state_dir / "data" / "artifacts" / (std::string(sha256) + ".cwasm");
  }
  [[nodiscard]] std::filesystem::path config(std::string_view sha256) const {
    return state_dir / "data" / "configs" / std::string(sha256);
  }
};
// state_dir/data is a symbolic link to the agent's data_dir.

// A bound for reading in_force.json and for one message of the socket.
inline constexpr std::size_t kMaxDocumentBytes = 160 * 1024;

}  // namespace secbeat::control
