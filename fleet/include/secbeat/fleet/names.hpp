// Names of buckets, keys and subjects: docs/fleet_protocol.md.
//
// Thread safety: constants and free functions without state.
#pragma once

#include <string>
#include <string_view>

namespace secbeat::fleet {

inline constexpr std::string_view kDesiredBucket = "secbeat_desired";
inline constexpr std::string_view kDesiredKey = "desired";
inline constexpr std::string_view kNodesBucket = "secbeat_nodes";
inline constexpr std::string_view kRolloutsBucket = "secbeat_rollouts";
inline constexpr std::string_view kModulesBucket = "secbeat_modules";  // of objects, named by their SHA-256
inline constexpr std::string_view kRulesBucket = "secbeat_rules";
inline constexpr std::string_view kEnteredKey = "entered";
inline constexpr std::string_view kEndedKey = "ended";
inline constexpr std::string_view kReloadEvent = "secbeat.wasm.reload";
inline constexpr std::string_view kNewRule = "secbeat.rules.new";    // a rule, for an orchestrator
inline constexpr std::string_view kOrchestrators = "orchestrators";  // the group of which one is given it

// REQUIRES: is_key(node).
inline std::string stage_subject(std::string_view node) { return "secbeat.node." + std::string(node) + ".stage"; }
inline std::string commit_subject(std::string_view node) { return "secbeat.node." + std::string(node) + ".commit"; }
inline std::string revert_subject(std::string_view node) { return "secbeat.node." + std::string(node) + ".revert"; }
inline std::string rules_subject(std::string_view node) { return "secbeat.node." + std::string(node) + ".rules"; }
// In the bucket of desired state: the rollout that is under way, or was the last, of a module.
inline std::string running_key(std::string_view module) { return "running." + std::string(module); }

// Whether the text can be a key of a bucket and a part of a subject: [A-Za-z0-9_-] in words with single dots between
// them, at most 128 bytes.
bool is_key(std::string_view text) noexcept;

// Whether a call that names it as its reply is answered: an inbox as clients make them, "_INBOX." and words. The reply
// is the sender's text, and NATS holds it against nobody's rights: anywhere else an answer would be published by the
// rights of who answers, into a bucket, say.
bool is_inbox(std::string_view reply) noexcept;

}  // namespace secbeat::fleet
