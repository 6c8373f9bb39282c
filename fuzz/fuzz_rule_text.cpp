// One rule, as the API of a node and of an orchestrator and the subject secbeat.rules.new take it, or a whole document
// of rules. What is taken names an id that a path can name, and survives being written and read again; what is refused
// is refused in a few words.
#include <string>

#include "fuzz_support.hpp"
#include "secbeat/agent/rule_document.hpp"
#include "secbeat/agent/rule_text.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace {

using namespace secbeat;
using agent::RuleJson;
using fuzz::require;

// 200 bytes of the parser's reason, each of which may be shown as four, and what stands around them.
constexpr std::size_t kLongestFault = 1024;
constexpr SystemTime kNow{std::chrono::seconds(1764216000)};  // 2025-11-27

void is_refused_for(const Error& error, ErrorCode one, ErrorCode other) {
  require(error.code == one || error.code == other);
  require(!error.message.empty() && error.message.size() <= kLongestFault);
}

RuleJson read_again(const RuleJson& json) {
  auto again = agent::parse_rule_text(agent::text_of_rules(json));
  require(again && *again == json);
  return *std::move(again);
}

// At a node.
void check_receipt(const RuleJson& json) {
  const auto rule = agent::rule_on_receipt(json, kNow);
  if (!rule) return is_refused_for(rule.error(), ErrorCode::kBadRule, ErrorCode::kBadRule);
  require(agent::is_rule_id(agent::id_of_rule(*rule)) && rule->contains("created_at"));
  if (json.contains("ttl_seconds")) {
    require(!rule->contains("ttl_seconds") && agent::end_of_rule(*rule) > kNow);
  }
  // Nothing of it depends on when it is read again.
  const auto again = agent::rule_on_receipt(read_again(*rule), SystemTime{});
  require(again && *again == *rule);
}

// At an orchestrator.
void check_new_rule(const RuleJson& json) {
  const orchestrator::RuleLimits limits;
  const auto made = orchestrator::read_new_rule(json, limits);
  if (!made) return is_refused_for(made.error(), ErrorCode::kBadRule, ErrorCode::kLowConfidence);
  const RuleJson& rule = made->rule;
  require(agent::is_rule_id(agent::id_of_rule(rule)) && !rule.contains("deploy"));
  if (const auto found = rule.find("confidence"); found != rule.end()) {
    require(found->get<double>() >= limits.min_confidence && found->get<double>() <= 1);
    require(rule.contains("ttl_seconds") || rule.contains("expires_at"));
  }
  const auto again = orchestrator::read_new_rule(read_again(rule), limits);
  require(again && again->rule == rule && again->deploys);
  require(agent::rule_on_receipt(rule, kNow).has_value());
}

void check_document(std::string_view text) {
  auto document = agent::RuleDocument::read(text);
  if (!document) return is_refused_for(document.error(), ErrorCode::kBadJson, ErrorCode::kBadRule);
  const auto again = agent::RuleDocument::read(document->text());
  require(again && again->json() == document->json());
  const std::size_t before = document->size();
  const std::size_t ended = document->drop_ended(kNow).size();
  require(document->size() + ended == before && document->drop_ended(kNow).empty());
  const RuleJson added = {{"id", "added"}};
  const bool was_there = document->find("added") != nullptr;
  require(document->add(added).has_value() != was_there && document->find("added") != nullptr);
  require(document->replace("added", added).has_value() && document->remove("added").has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_document(text);
  const auto json = agent::parse_rule_text(text);
  if (!json) {
    is_refused_for(json.error(), ErrorCode::kBadJson, ErrorCode::kBadJson);
    return 0;
  }
  read_again(*json);
  check_receipt(*json);
  check_new_rule(*json);
  return 0;
}
