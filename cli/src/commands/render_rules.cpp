// Answers about rules as text.
#include <fmt/format.h>

#include <map>

#include "commands/render.hpp"

namespace secbeat::cli {
namespace {

std::string condition_of(const Json& rule) {
  if (rule.contains("field")) {
    const Json pattern = rule.value("pattern", Json());
    const std::string text = pattern.is_string() ? pattern.get<std::string>() : pattern.is_null() ? "" : pattern.dump();
    return text_of(rule, "field") + (text.empty() ? "" : " " + text);
  }
  for (const char* key : {"all", "any", "not"}) {
    if (rule.contains(key)) return fmt::format("{} …", key);
  }
  return "-";
}

bool is_off(const Json& rule) {
  const auto enabled = rule.find("enabled");
  return enabled != rule.end() && enabled->is_boolean() && !enabled->get<bool>();
}

// A moment is a text, or seconds since 1970.
std::string end_of(const Json& rule) {
  const auto end = rule.find("expires_at");
  if (end == rule.end()) return "-";
  return end->is_string() ? end->get<std::string>() : end->dump();
}

}  // namespace

std::string render_rules(const Json& answer, const Json& active) {
  std::map<std::string, std::string> counts;
  if (active.is_object() && active.contains("rules")) {
    for (const Json& rule : active.at("rules")) {
      std::uint64_t sum = 0;
      bool is_known = false;
      for (const char* key : {"blocks", "logs", "rate_limits"}) {
        const auto number = rule.find(key);
        if (number == rule.end() || !number->is_number_unsigned()) continue;  // nobody has measured it
        sum += number->get<std::uint64_t>();
        is_known = true;
      }
      if (is_known) counts[text_of(rule, "id")] = fmt::format("{}", sum);
    }
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& rule : answer.at("rules")) {
    rows.push_back({text_of(rule, "id"), text_of(rule, "action") + (is_off(rule) ? " (off)" : ""), condition_of(rule),
                    end_of(rule), counts.contains(text_of(rule, "id")) ? counts[text_of(rule, "id")] : "-"});
  }
  if (rows.empty()) return "There are no rules. Add one: secbeat rules add FILE.json\n";
  return table({"RULE", "ACTION", "WHEN", "ENDS", "DECIDED"}, rows);
}

std::string render_rule_stats(const Json& answer) {
  const Json& rate = answer.at("false_positive_rate");
  return table({"RULES", "ACTIVE", "BLOCKS", "FALSE POSITIVES"},
               {{answer.at("total_dynamic_rules").dump(), answer.at("active_rules").dump(),
                 answer.at("total_blocks").dump(), rate.is_null() ? "not measured" : rate.dump()}});
}

std::string render_rule_change(const Json& answer) {
  std::string out = fmt::format("{}: {} {}\n", paint(Tone::kGood, clean(text_of(answer, "message"))),
                                clean(text_of(answer, "name")), clean(text_of(answer, "version")));
  if (!answer.at("expires_at").is_null()) out += fmt::format("  ends {}\n", clean(text_of(answer, "expires_at")));
  for (const Json& id : answer.at("dropped")) {
    out += fmt::format("  left out, because it had ended: {}\n", clean(id.get<std::string>()));
  }
  for (const Json& warning : answer.at("warnings")) {
    out += fmt::format("{} {}\n", paint(Tone::kWarning, "warning:"), clean(warning.get<std::string>()));
  }
  return out;
}

}  // namespace secbeat::cli
