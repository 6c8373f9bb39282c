// What the fleet's parts tell each other, as JSON: docs/fleet_protocol.md.
//
// A reader ignores members that it does not know, and reads documents of its own format and of the next one; what comes
// from outside is bounded, and a fault is told with its place.
//
// Value types; thread safety as for std::string.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::fleet {

inline constexpr std::uint64_t kFormat = 1;
inline constexpr std::size_t kMaxDocumentBytes = std::size_t{512} * 1024;
inline constexpr std::size_t kMaxListed = 4096;  // of modules, nodes, versions in one document
inline constexpr std::size_t kMaxSignatureText = 1024;

// One version, wherever it serves.
struct VersionRef {
  std::string label = {};
  std::string sha256 = {};
  std::uint64_t size_bytes = 0;
  std::string config_sha256 = {};  // empty: no configuration
  std::uint64_t config_size_bytes = 0;
  std::string signature = {};  // of the module, the text of a file .sig; empty: none

  // Who vouches for a version is no part of what it is.
  bool operator==(const VersionRef& other) const {
    return label == other.label && sha256 == other.sha256 && size_bytes == other.size_bytes &&
           config_sha256 == other.config_sha256 && config_size_bytes == other.config_size_bytes;
  }
};

struct DesiredModule {
  std::string name;
  VersionRef version;
  std::uint64_t revision = 0;           // of the desired state, when this was last wanted anew
  std::vector<VersionRef> before = {};  // what was wanted before, newest first
  std::vector<VersionRef> after = {};   // what was rolled back from, newest first; reached by its label only

  bool operator==(const DesiredModule&) const = default;
};

// The key "desired". A node never goes to an older revision than the one that it has reached.
struct Desired {
  std::uint64_t revision = 0;
  std::vector<DesiredModule> modules = {};

  [[nodiscard]] const DesiredModule* find(std::string_view name) const;
  bool operator==(const Desired&) const = default;
};

// What a version has done on a node since it serves there.
struct Counts {
  std::uint64_t inspected = 0;
  std::uint64_t blocked = 0;
  std::uint64_t rate_limited = 0;
  std::uint64_t errors = 0;
  std::uint64_t p99_ns = 0;  // of inspection time, in the node's last window; 0: nothing was inspected in it

  bool operator==(const Counts&) const = default;
};

// What a node says of one module.
struct ModuleStatus {
  std::string name;
  VersionRef version;                 // that serves
  std::uint64_t reached = 0;          // the desired revision that the node has brought into force, or tried to
  std::uint64_t highest_label = 0;    // N of the highest label vN that was ever given there
  std::string drift = {};             // why something else serves than is wanted; empty: it does not
  std::optional<Counts> counts = {};  // nothing: the node does not count

  bool operator==(const ModuleStatus&) const = default;
};

// The key of a node's name; it expires.
struct NodeStatus {
  std::string node;
  std::map<std::string, std::string> labels = {};
  std::string build = {};
  std::string reported_at = {};  // RFC 3339, by the node's clock: to be shown, never to be compared
  bool ready = false;
  std::vector<ModuleStatus> modules = {};

  [[nodiscard]] const ModuleStatus* find(std::string_view name) const;
  bool operator==(const NodeStatus&) const = default;
};

// What a node is to stage, then to commit, and perhaps to revert. Each call may come again and again: the answer says
// how far it is.
struct Order {
  std::string rollout;
  std::string module;
  VersionRef version;
  std::uint64_t revision = 0;         // that the rollout will make the desired one, or that is desired already
  std::string expected_version = {};  // label; empty: any
  bool forced = false;
  bool rollback = false;  // is done whatever a freeze forbids
  std::string reason = {};
  std::string by = {};
  bool edits_rules = false;  // rule by rule: the guard against lost rules is not for it

  bool operator==(const Order&) const = default;
};

enum class Progress : std::uint8_t { kWorking, kDone, kFailed };
// "working", "done", "failed"
std::string_view word_of(Progress progress) noexcept;

struct OrderAnswer {
  std::string node;
  std::string rollout;
  Progress progress = Progress::kWorking;
  std::string error = {};  // of kFailed
  std::string code = {};   // the same
  std::uint64_t downtime_ms = 0;
  bool unchanged = false;  // of a revert: something else than the order's version serves, which stays

  bool operator==(const OrderAnswer&) const = default;
};

std::string to_json(const Desired& desired);
std::string to_json(const NodeStatus& status);
std::string to_json(const Order& order);
std::string to_json(const OrderAnswer& answer);

// kProtocol says what is wrong, and where.
Result<Desired> desired_from_json(std::string_view text);
Result<NodeStatus> node_status_from_json(std::string_view text);
Result<Order> order_from_json(std::string_view text);
Result<OrderAnswer> order_answer_from_json(std::string_view text);

}  // namespace secbeat::fleet
