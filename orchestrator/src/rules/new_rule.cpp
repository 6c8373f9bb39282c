#include <fmt/format.h>

#include <utility>

#include "secbeat/http/text.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {
namespace {

using agent::RuleJson;

constexpr std::size_t kLongestEvidence = 1024;
constexpr std::size_t kLongestOrigin = 128;

Error bad(const RuleJson& rule, std::string_view key, std::string_view what) {
  const std::string id = agent::id_of_rule(rule);
  return {ErrorCode::kBadRule, id.empty() ? fmt::format("key \"{}\": {}", key, what)
                                          : fmt::format("rule \"{}\", key \"{}\": {}", id, key, what)};
}

Result<void> check_note(const RuleJson& rule, const char* key, std::size_t limit) {
  const auto found = rule.find(key);
  if (found == rule.end()) return {};
  if (found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    if (text.size() <= limit && http::plain_text_length(text) == text.size()) return {};
  }
  return std::unexpected(
      bad(rule, key, fmt::format("is a text of at most {} bytes without control characters", limit)));
}

Result<void> check_confidence(const RuleJson& rule, const RuleLimits& limits) {
  const auto found = rule.find("confidence");
  if (found == rule.end()) return {};
  const double confidence = found->is_number() ? found->get<double>() : -1;
  if (!(confidence >= 0 && confidence <= 1)) {
    return std::unexpected(bad(rule, "confidence", "is a number from 0 to 1"));
  }
  if (confidence >= limits.min_confidence) return {};
  return fail(ErrorCode::kLowConfidence,
              fmt::format("rule \"{}\", key \"confidence\": is {}, and the least that this orchestrator takes is {} "
                          "([rules] min_confidence)",
                          agent::id_of_rule(rule), confidence, limits.min_confidence));
}

}  // namespace

Result<NewRule> read_new_rule(RuleJson json, const RuleLimits& limits) {
  NewRule made;
  if (json.is_object() && json.contains("deploy")) {
    if (!json["deploy"].is_boolean()) return std::unexpected(bad(json, "deploy", "is true or false"));
    made.deploys = json["deploy"].get<bool>();
    json.erase("deploy");
  }
  // What it says of its id and its end, as a node looks at it; only the copy is given its end.
  if (auto fine = agent::rule_on_receipt(json, SystemTime{}); !fine) return std::unexpected(fine.error());
  if (agent::id_of_rule(json) == "deploy") {
    return std::unexpected(bad(json, "id", "is taken: /api/v1/rules/deploy is no rule"));
  }
  for (const auto& fine : {check_confidence(json, limits), check_note(json, "evidence", kLongestEvidence),
                           check_note(json, "origin", kLongestOrigin)}) {
    if (!fine) return std::unexpected(fine.error());
  }
  const bool ends = json.contains("ttl_seconds") || json.contains("expires_at");
  if (json.contains("confidence") && !ends && limits.default_ttl.count() > 0) {
    json["ttl_seconds"] = static_cast<std::uint64_t>(limits.default_ttl.count());
  }
  made.rule = std::move(json);
  return made;
}

}  // namespace secbeat::orchestrator
