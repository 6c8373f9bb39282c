// A rollout as it lies in JetStream: all that another orchestrator needs to go on with it, and what people are shown of
// it.
//
// It is written by compare-and-set only, before each step and after it. Who works on it is its holder; a holder that
// has ended no longer changes `beat`, and others notice by their own clock.
//
// Value types; thread safety as for std::string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::fleet {

inline constexpr std::size_t kMostGiven = 64;
inline constexpr std::size_t kMaxWavesText = 128;                         // of the options
inline constexpr std::size_t kMaxRolloutBytes = std::size_t{960} * 1024;  // a message of NATS holds 1 MiB

enum class RolloutState : std::uint8_t {
  kStaging,
  kCommitting,  // the wave `wave`; past the last one: the version becomes the desired one
  kObserving,   // the wave `wave`
  kPaused,      // goes on with `resumes`
  kReverting,   // `code` says why
  kDone,
  kFailed,  // nothing was swapped, or what was could not be taken back everywhere
  kReverted,
  kAborted,
};
// "staging", "committing", …
std::string_view word_of(RolloutState state) noexcept;
bool has_ended(RolloutState state) noexcept;

enum class NodeState : std::uint8_t { kWaiting, kStaged, kCommitted, kReverted, kFailed, kUnreachable };
std::string_view word_of(NodeState state) noexcept;

enum class RolloutKind : std::uint8_t { kReload, kRollback };  // a rollback asks nobody to stage
enum class Asked : std::uint8_t { kNothing, kPause, kAbort };  // of the holder, by anybody

struct RolloutNode {
  std::string node;
  NodeState state = NodeState::kWaiting;
  std::string error = {};
  std::string code = {};
  std::uint64_t downtime_ms = 0;
  bool unchanged = false;               // it served the version already
  std::optional<Counts> baseline = {};  // of what served before

  bool operator==(const RolloutNode&) const = default;
};

struct Wave {
  std::vector<RolloutNode> nodes;
  std::string begun_at = {};  // RFC 3339, by the holder's clock: to be shown, never to be compared
  std::string ended_at = {};

  bool operator==(const Wave&) const = default;
};

struct RolloutOptions {
  std::string target = "all";  // or names of nodes with commas between them, or label=value
  std::string canary = {};     // "1" or "5%": the first wave, the second is the rest
  std::string waves = {};      // "1,25%,100%": how many have been reached after each
  std::optional<std::uint64_t> max_unavailable = {};
  std::uint64_t observe_seconds = 0;  // after each wave but the last
  bool observes_last = false;

  bool operator==(const RolloutOptions&) const = default;
};

struct Rollout {
  Order order;  // its `rollout` is the rollout's id and key
  RolloutKind kind = RolloutKind::kReload;
  std::string from_version = {};  // label that was desired before; empty: none
  RolloutOptions options = {};
  RolloutState state = RolloutState::kStaging;
  RolloutState resumes = RolloutState::kCommitting;
  Asked asked = Asked::kNothing;
  std::uint64_t wave = 0;                  // 0: the first
  std::vector<Wave> waves = {};            // while it stages: one of all nodes
  std::vector<RolloutNode> left_out = {};  // could not be reached before the first wave
  std::string error = {};
  std::string code = {};
  std::string begun_at = {};
  std::string ended_at = {};
  std::string holder = {};
  std::uint64_t beat = 0;  // counts up as long as the holder lives

  bool operator==(const Rollout&) const = default;
};

// The key running_key(module).
struct Running {
  std::string rollout;
  std::uint64_t revision = 0;  // the highest that any rollout of the module was given
  // Every version that a rollout brought, newest first, kMostGiven of them: a label means one version for ever.
  std::vector<VersionRef> given = {};

  bool operator==(const Running&) const = default;
};

// Without errors and baselines of nodes where it would be larger than kMaxRolloutBytes.
std::string to_json(const Rollout& rollout);
std::string to_json(const Running& running);
// kProtocol says what is wrong, and where.
Result<Rollout> rollout_from_json(std::string_view text);
Result<Running> running_from_json(std::string_view text);

}  // namespace secbeat::fleet
