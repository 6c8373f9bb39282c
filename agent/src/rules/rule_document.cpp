#include "secbeat/agent/rule_document.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kEtagHexDigits = 32;

Error unknown_rule(std::string_view id) {
  return {ErrorCode::kUnknownRule, fmt::format("There is no rule \"{}\"; GET /api/v1/rules lists them", id)};
}

auto place_of(RuleJson& rules, std::string_view id) {
  return std::ranges::find_if(rules, [&](const RuleJson& rule) { return id_of_rule(rule) == id; });
}

}  // namespace

Result<RuleDocument> RuleDocument::read(std::string_view text) {
  RuleDocument document;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return document;
  auto json = parse_rule_text(text);
  if (!json) return std::unexpected(json.error());
  if (!json->is_object() || !json->contains("rules") || !(*json)["rules"].is_array()) {
    return fail(ErrorCode::kBadRule, "key \"rules\": is a list of rules, and has to be there");
  }
  document.json_ = *std::move(json);
  return document;
}

const RuleJson* RuleDocument::find(std::string_view id) const {
  const auto found = std::ranges::find_if(rules(), [&](const RuleJson& rule) { return id_of_rule(rule) == id; });
  return found == rules().end() ? nullptr : &*found;
}

Result<void> RuleDocument::add(RuleJson rule) {
  const std::string id = id_of_rule(rule);
  if (find(id) != nullptr) {
    return fail(ErrorCode::kRuleExists,
                fmt::format("There is a rule \"{0}\" already; PUT /api/v1/rules/{0} replaces it", id));
  }
  json_["rules"].push_back(std::move(rule));
  return {};
}

Result<void> RuleDocument::replace(std::string_view id, RuleJson rule) {
  if (id_of_rule(rule) != id) {
    return fail(ErrorCode::kBadRule, fmt::format("rule \"{}\", key \"id\": is \"{}\", and the path says \"{}\"",
                                                 id_of_rule(rule), id_of_rule(rule), id));
  }
  const auto place = place_of(json_["rules"], id);
  if (place == json_["rules"].end()) return std::unexpected(unknown_rule(id));
  *place = std::move(rule);
  return {};
}

Result<void> RuleDocument::remove(std::string_view id) {
  const auto place = place_of(json_["rules"], id);
  if (place == json_["rules"].end()) return std::unexpected(unknown_rule(id));
  json_["rules"].erase(place);
  return {};
}

std::vector<std::string> RuleDocument::drop_ended(SystemTime now) {
  std::vector<std::string> ids;
  RuleJson kept = RuleJson::array();
  for (RuleJson& rule : json_["rules"]) {
    if (const auto end = end_of_rule(rule); end && *end <= now) {
      ids.push_back(id_of_rule(rule));
    } else {
      kept.push_back(std::move(rule));
    }
  }
  json_["rules"] = std::move(kept);
  return ids;
}

std::string etag_of(std::string_view text) { return fmt::format("\"{}\"", sha256_hex(text).substr(0, kEtagHexDigits)); }

std::string etag_of_rule(const RuleJson& rule) {
  return etag_of(rule.dump(-1, ' ', false, RuleJson::error_handler_t::replace));
}

bool is_matched(std::string_view if_match, std::string_view etag) {
  for (std::size_t begin = 0; begin <= if_match.size();) {
    const std::size_t end = std::min(if_match.find(',', begin), if_match.size());
    std::string_view tag = if_match.substr(begin, end - begin);
    while (tag.starts_with(' ') || tag.starts_with('\t')) tag.remove_prefix(1);
    while (tag.ends_with(' ') || tag.ends_with('\t')) tag.remove_suffix(1);
    if (tag == "*" || tag == etag) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace secbeat::agent
