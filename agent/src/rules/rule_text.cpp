#include "secbeat/agent/rule_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "secbeat/http/text.hpp"

namespace secbeat::agent {
namespace {

// Conditions nest up to 8 deep, each with an object and a list; notes have room beside them.
constexpr int kDeepest = 40;
constexpr std::size_t kLongestRuleId = 100;
constexpr std::size_t kLongestParserReason = 200;

// Looks at each event of the parser: what is too deep is not kept, and what is said twice is remembered.
class RuleWatch {
 public:
  bool see(int depth, RuleJson::parse_event_t event, const RuleJson& parsed) {
    using Event = RuleJson::parse_event_t;
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Event::key && !keys_.empty() && !keys_.back().insert(parsed.get<std::string>()).second && !twice_) {
      twice_ = parsed.get<std::string>();
    }
    if (depth <= kDeepest) return true;
    is_too_deep_ = true;
    return false;
  }
  [[nodiscard]] Result<void> verdict() const {
    if (is_too_deep_) {
      return fail(ErrorCode::kBadJson, fmt::format("The JSON nests deeper than {}; no rule does", kDeepest));
    }
    if (twice_)
      return fail(ErrorCode::kBadJson, fmt::format("The JSON key \"{}\" is given twice", http::shown(*twice_)));
    return {};
  }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::optional<std::string> twice_;
  bool is_too_deep_ = false;
};

// "…: syntax error while parsing…" of the library's sentence.
std::string_view reason_of(const RuleJson::parse_error& error) {
  const std::string_view what = error.what();
  const std::size_t column = what.find("column");
  const std::size_t colon = column == std::string_view::npos ? column : what.find(": ", column);
  return colon == std::string_view::npos ? what : what.substr(colon + 2);
}

Error bad_rule(std::string_view id, std::string_view key, std::string_view what) {
  return {ErrorCode::kBadRule, id.empty() ? fmt::format("key \"{}\": {}", key, what)
                                          : fmt::format("rule \"{}\", key \"{}\": {}", id, key, what)};
}

std::optional<SystemTime> moment_of(const RuleJson& value) {
  if (value.is_string()) return parse_rfc3339(value.get_ref<const std::string&>());
  constexpr std::int64_t kFarthest = 253402300799;  // 9999-12-31T23:59:59Z
  if (!value.is_number_integer()) return std::nullopt;
  const auto seconds = value.get<std::int64_t>();
  if (seconds < 0 || seconds > kFarthest) return std::nullopt;
  return SystemTime{std::chrono::seconds(seconds)};
}

}  // namespace

Result<RuleJson> parse_rule_text(std::string_view text) {
  RuleWatch watch;
  RuleJson json;
  try {
    json = RuleJson::parse(text, [&](int depth, RuleJson::parse_event_t event, RuleJson& parsed) {
      return watch.see(depth, event, parsed);
    });
  } catch (const RuleJson::parse_error& error) {
    return fail(ErrorCode::kBadJson, fmt::format("Malformed JSON at byte {}: {}", error.byte > 0 ? error.byte - 1 : 0,
                                                 http::shown(reason_of(error), kLongestParserReason)));
  } catch (const RuleJson::exception&) {
    return fail(ErrorCode::kBadJson, "Malformed JSON: a number is out of range");
  }
  if (auto fine = watch.verdict(); !fine) return std::unexpected(fine.error());
  return json;
}

bool is_rule_id(std::string_view id) {
  return !id.empty() && id.size() <= kLongestRuleId && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

std::string id_of_rule(const RuleJson& rule) {
  if (!rule.is_object() || !rule.contains("id") || !rule["id"].is_string()) return {};
  const auto& id = rule["id"].get_ref<const std::string&>();
  return is_rule_id(id) ? id : std::string();
}

bool is_enabled(const RuleJson& rule) {
  const auto enabled = rule.find("enabled");
  return enabled == rule.end() || !enabled->is_boolean() || enabled->get<bool>();
}

std::optional<SystemTime> end_of_rule(const RuleJson& rule) {
  if (!rule.is_object() || !rule.contains("expires_at")) return std::nullopt;
  return moment_of(rule["expires_at"]);
}

Result<RuleJson> rule_on_receipt(RuleJson rule, SystemTime now) {
  if (!rule.is_object()) return fail(ErrorCode::kBadRule, "A rule is a JSON object, such as {\"id\": …, \"field\": …}");
  const std::string id = id_of_rule(rule);
  if (id.empty()) {
    return std::unexpected(
        bad_rule({}, "id", "is 1 to 100 letters, digits and characters of - _ . : , and has to be there"));
  }
  if (id == "active" || id == "stats") {
    return std::unexpected(bad_rule(id, "id", "is taken: /api/v1/rules/active and /stats are no rules"));
  }
  if (rule.contains("ttl_seconds")) {
    const RuleJson ttl = rule["ttl_seconds"];
    if (rule.contains("expires_at")) {
      return std::unexpected(bad_rule(id, "ttl_seconds", "stands beside expires_at; a rule ends once"));
    }
    if (!ttl.is_number_unsigned() || ttl.get<std::uint64_t>() == 0 ||
        ttl.get<std::uint64_t>() > static_cast<std::uint64_t>(kLongestTtlSeconds)) {
      return std::unexpected(
          bad_rule(id, "ttl_seconds", fmt::format("is a whole number of seconds, 1 to {}", kLongestTtlSeconds)));
    }
    rule.erase("ttl_seconds");
    rule["expires_at"] = rfc3339(now + std::chrono::seconds(ttl.get<std::int64_t>()));
  }
  if (!rule.contains("created_at")) rule["created_at"] = rfc3339(now);
  return rule;
}

std::optional<std::string> text_in_rule(const RuleJson& rule, const char* key) {
  const auto found = rule.find(key);
  if (found == rule.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> pattern_of_rule(const RuleJson& rule) {
  const auto found = rule.find("pattern");
  if (found == rule.end() || !found->is_array()) return text_in_rule(rule, "pattern");
  std::string all;
  for (const RuleJson& each : *found) {
    if (!each.is_string()) continue;
    if (!all.empty()) all += " | ";
    all += each.get<std::string>();
  }
  return all;
}

std::string text_of_rules(const RuleJson& json) {
  return json.dump(2, ' ', false, RuleJson::error_handler_t::replace) + "\n";
}

}  // namespace secbeat::agent
