// A rule, or a document of rules, as it comes from outside: JSON that says each thing once and nests no deeper than
// rules do. What the rules say is for the module to check.
//
// Thread safety: free functions without state.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

using RuleJson = nlohmann::ordered_json;

// The longest that ttl_seconds may say.
inline constexpr std::int64_t kLongestTtlSeconds = std::int64_t{10} * 366 * 86400;

// kBadJson with the place, or with the key that is given twice.
Result<RuleJson> parse_rule_text(std::string_view text);

// The rule as it enters the document at `now`: with expires_at for ttl_seconds, and with created_at. kBadRule where it
// is no object with an id, or names both ways of ending.
Result<RuleJson> rule_on_receipt(RuleJson rule, SystemTime now);

// What a path can name; empty where the rule has no id of that kind.
std::string id_of_rule(const RuleJson& rule);
bool is_rule_id(std::string_view id);

// Whether it is not switched off.
bool is_enabled(const RuleJson& rule);

// When the rule ends, as expires_at says; nothing: it does not, or nobody can read it.
std::optional<SystemTime> end_of_rule(const RuleJson& rule);

// The text of a key; nothing: there is none, or it is no text.
std::optional<std::string> text_in_rule(const RuleJson& rule, const char* key);
// What its condition looks for, several put together by " | "; nothing: it has none of its own.
std::optional<std::string> pattern_of_rule(const RuleJson& rule);

// Two spaces of indentation and a final line feed.
std::string text_of_rules(const RuleJson& json);

}  // namespace secbeat::agent
