// The rules of a fleet: the configuration of universal-waf that is desired, edited rule by rule. Each edit is a rollout
// of the module with the same bytes, so that no node compiles anything.
//
// One rollout of rules is on its way at a time. Edits that come meanwhile wait, and then go together as one; where that
// is refused, each goes alone, so that nobody's fault is another's refusal. A rule whose end has come needs no rollout:
// it decides no more, leaves the listings, is told in the log once for the fleet, and leaves the document with the next
// edit.
//
// Thread safety: every method may be called from any thread. Edits are worked on by a thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/rule_document.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/rules.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

// What rules may come from a generator: rules that say how sure it is.
struct RuleLimits {
  double min_confidence = 0.8;
  std::size_t max_active = 1000;           // rules in force, whoever made them
  std::chrono::seconds default_ttl{3600};  // of a generated rule that names no end; 0: it has none
  std::size_t max_new_per_minute = 60;     // at this orchestrator, whoever sends them; 0: no limit
};

struct FleetRuleEdit {
  // kEnter: it waits beside the document. kDeploy: one that waits comes into force.
  enum class Kind : std::uint8_t { kAdd, kEnter, kDeploy, kRemove };

  Kind kind = Kind::kAdd;
  std::string id = {};                       // of kDeploy and kRemove
  agent::RuleJson rule = {};                 // of kAdd and kEnter, as read_new_rule() gives it
  std::optional<std::uint64_t> ttl_seconds;  // of kDeploy: instead of what the rule says
  std::optional<std::string> if_match;       // of the document; of kRemove of the rule
  std::string reason = {};
  std::string by = {};
  SteadyTime received = {};
  bool is_message = false;  // came over NATS: held against the limit per minute at once, and leaves the API its places
};

struct FleetRuleChange {
  std::string id;
  std::string message;
  std::optional<std::string> expires_at = {};
  std::string etag = {};                   // of the rule, or where it is gone of the document
  std::uint64_t rules = 0;                 // in the document
  std::uint64_t changes = 1;               // that came into force together
  std::vector<std::string> dropped = {};   // rules that had ended, and left the document
  std::optional<FleetResult> result = {};  // nothing: no node was meant
  std::chrono::milliseconds took{0};       // from receipt to in force
};

struct FleetRuleFailure {
  FleetFailure failure;
  std::uint32_t retry_after_seconds = 0;  // 0: when something has changed
};
using FleetRuleOutcome = std::expected<FleetRuleChange, FleetRuleFailure>;

struct FleetRulesNow {
  agent::RuleDocument document;  // without what has ended
  std::string etag;
  std::string version = {};  // label; empty: the fleet has no universal-waf
  std::size_t ended = 0;     // rules that have ended, and are in the bytes of the document still
  fleet::EnteredRules entered = {};
};

// What the nodes have counted, added up.
struct CountedRules {
  std::vector<fleet::RuleCount> rules = {};
  std::uint64_t blocks = 0;
  std::vector<std::string> nodes = {};   // that have answered
  std::vector<std::string> silent = {};  // that have not, or cannot say all of it

  [[nodiscard]] const fleet::RuleCount* find(std::string_view id) const;
};

struct NewRule {
  agent::RuleJson rule;
  bool deploys = true;  // "deploy" of the rule as it came
};
// A rule as it comes to an orchestrator: what it says of itself is looked at, and the rest left to check_rules().
// kBadRule, kLowConfidence.
Result<NewRule> read_new_rule(agent::RuleJson json, const RuleLimits& limits);

// Whether the module would take the document: what it would say. kConfigureFailed. The same code as in the module.
Result<void> check_rules(std::string_view document);

class FleetRules {
 public:
  struct Parts {
    fleet::Connection& connection;
    Rollouts& rollouts;
    const Clock& clock;
    RuleLimits limits = {};
    std::filesystem::path shipped = {};  // universal-waf.wasm, for a fleet that has none
  };
  using Done = std::function<void(const FleetRuleOutcome& outcome)>;

  explicit FleetRules(Parts parts);
  ~FleetRules();
  FleetRules(const FleetRules&) = delete;
  FleetRules& operator=(const FleetRules&) = delete;

  [[nodiscard]] const RuleLimits& limits() const;
  // Makes the bucket that it needs, where it is not there.
  [[nodiscard]] Result<void> prepare(int replicas) const;
  void start();
  // What waits is told that the orchestrator ends. A rollout that is under way goes on in JetStream.
  void stop();

  [[nodiscard]] Result<FleetRulesNow> in_force() const;
  // Asks every node that reports.
  [[nodiscard]] Result<CountedRules> counts() const;
  // Returns when every node that can be reached serves it.
  FleetRuleOutcome change(FleetRuleEdit edit);
  // `done` is called once, on another thread. False: too many wait already.
  bool submit(FleetRuleEdit edit, Done done);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace secbeat::orchestrator
