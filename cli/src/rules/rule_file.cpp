#include "rules/rule_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <set>

#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

// As deep as the node reads: conditions nest up to 8 deep, each with an object and a list.
constexpr int kDeepest = 40;

Result<void> check_ids(const Json& document) {
  std::set<std::string_view> ids;
  std::size_t number = 0;
  for (const Json& rule : document.at("rules")) {
    ++number;
    if (!rule.is_object() || !rule.contains("id") || !rule.at("id").is_string()) {
      return fail(ErrorCode::kBadRule,
                  fmt::format("rule number {}, key \"id\": is a text, and has to be there", number));
    }
    const auto& id = rule.at("id").get_ref<const std::string&>();
    if (!ids.insert(id).second) {
      return fail(ErrorCode::kBadRule, fmt::format("rule \"{}\", key \"id\": another rule has it as well", id));
    }
  }
  return {};
}

}  // namespace

Result<std::string> read_rules_text(const std::string& file) {
  if (file != "-") return read_file(file, kMaxRulesBytes);
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.size() > kMaxRulesBytes) return fail(ErrorCode::kTooLarge, "standard input is longer than rules can be");
  return text;
}

Result<Json> parse_rules(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return Json{{"rules", Json::array()}};
  bool too_deep = false;
  Json document;
  try {
    document = Json::parse(text, [&too_deep](int depth, Json::parse_event_t, Json&) {
      too_deep = too_deep || depth > kDeepest;
      return !too_deep;
    });
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kBadJson, fmt::format("Malformed JSON at byte {}", error.byte > 0 ? error.byte - 1 : 0));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kBadJson, "Malformed JSON: a number is out of range");
  }
  if (too_deep) return fail(ErrorCode::kBadJson, fmt::format("The JSON nests deeper than {}; no rule does", kDeepest));
  if (!document.is_object() || !document.contains("rules") || !document.at("rules").is_array()) {
    return fail(ErrorCode::kBadRule, "key \"rules\": is a list of rules, and has to be there");
  }
  if (auto fine = check_ids(document); !fine) return std::unexpected(fine.error());
  return document;
}

std::string rules_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

const std::string& id_of(const Json& rule) { return rule.at("id").get_ref<const std::string&>(); }

const Json* find_rule(const Json& document, const std::string& id) {
  const Json& rules = document.at("rules");
  const auto found = std::ranges::find_if(rules, [&](const Json& rule) { return id_of(rule) == id; });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace secbeat::cli
