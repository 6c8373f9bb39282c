// What the orchestrator's API answers about rules.
//
// Thread safety: constants and free functions without state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "secbeat/http/message.hpp"
#include "secbeat/http/schema.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {

struct FleetActiveRule {
  std::string id;
  std::optional<std::string> pattern;
  std::optional<std::string> created_at;
  std::optional<std::string> expires_at;
  std::optional<fleet::RuleCount> count;  // nothing: no node has said
  std::string action;
  std::optional<double> confidence;
  std::optional<std::string> origin;
};
struct FleetActiveRules {
  std::vector<FleetActiveRule> rules;
  std::vector<std::string> counted;  // nodes that have said what they counted
  std::vector<std::string> silent;
};
struct FleetRuleStats {
  std::uint64_t total = 0;
  std::uint64_t active = 0;
  std::uint64_t entered = 0;
  std::optional<std::uint64_t> blocks;
  std::vector<std::string> counted;
  std::vector<std::string> silent;
};
struct RuleDeployment {
  FleetRuleChange change;
};

http::Json to_document(const FleetRuleChange& change);
http::Json to_document(const RuleDeployment& deployment);
http::Json to_document(const FleetActiveRules& rules);
http::Json to_document(const FleetRuleStats& stats);

// Of what came of an edit, with ETag; or why nothing did, with Retry-After where that helps.
http::HttpResponse rule_response(const FleetRuleOutcome& outcome);
http::HttpResponse rule_failure_response(const FleetRuleFailure& failure);

namespace documents {
extern const http::DocumentType kFleetRuleChange;
extern const http::DocumentType kRuleDeployment;
extern const http::DocumentType kFleetActiveRules;
extern const http::DocumentType kFleetRuleStats;
}  // namespace documents

}  // namespace secbeat::orchestrator
