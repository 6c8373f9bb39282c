#include "rules/rule_lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>

#include "rules/rule_cover.hpp"
#include "rules/rule_file.hpp"

namespace secbeat::cli {
namespace {

LintNote warning(const Json& rule, std::string key, std::string message) {
  return {.is_fault = false,
          .rule = id_of(rule),
          .key = std::move(key),
          .line = 0,
          .column = 0,
          .message = std::move(message)};
}

std::string text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_off(const Json& rule) { return rule.contains("enabled") && rule.at("enabled") == false; }

// The moment at which a rule ends; nothing: it does not.
std::optional<SystemTime> end_of(const Json& rule) {
  if (!rule.contains("expires_at")) return std::nullopt;
  const Json& end = rule.at("expires_at");
  if (end.is_string()) return parse_rfc3339(end.get<std::string>());
  if (!end.is_number_integer()) return std::nullopt;
  return SystemTime{std::chrono::seconds(end.get<std::int64_t>())};
}

// The order in which rules are asked.
std::size_t rank_of(const Json& rule) {
  static constexpr std::array kOrder = {"Allow", "Block", "RateLimit", "Log"};
  return static_cast<std::size_t>(std::ranges::find(kOrder, text_in(rule, "action")) - kOrder.begin());
}

bool looks_like_regex(std::string_view pattern) {
  if (pattern.starts_with('^') || (pattern.size() > 1 && pattern.ends_with('$'))) return true;
  return std::ranges::any_of(std::array<std::string_view, 7>{".*", ".+", "\\.", "\\d", "\\s", "\\w", "(?i)"},
                             [&](std::string_view sign) { return pattern.find(sign) != std::string_view::npos; });
}

// What a URI or a path never begins with.
bool begins_wrong(const std::string& field, std::string_view match, std::string_view pattern) {
  if ((field != "URI" && field != "Path") || (match != "glob" && match != "prefix" && match != "equals")) return false;
  if (match == "glob" && (pattern == "." || pattern.starts_with('*'))) return false;
  const bool absolute = pattern.size() > 3 && (pattern[0] == 'h' || pattern[0] == 'H');  // http://…
  return !pattern.starts_with('/') && !pattern.starts_with('%') && !pattern.starts_with('*') && !absolute;
}

void look_at_pattern(const Json& rule, const std::string& field, const std::string& match, const std::string& key,
                     const std::string& pattern, std::vector<LintNote>& notes) {
  if (match == "glob" && looks_like_regex(pattern)) {
    notes.push_back(
        warning(rule, key,
                fmt::format("\"{}\" looks like a regular expression and is read as a glob, in which only * is "
                            "special; say \"match\": \"regex\" where one is meant",
                            pattern)));
  }
  if (begins_wrong(field, match, pattern)) {
    notes.push_back(
        warning(rule, key,
                fmt::format("\"{0}\" never matches, because a {1} begins with /; say \"*{0}*\" for one that "
                            "contains it",
                            pattern, field)));
  }
}

void look_at_condition(const Json& rule, const Json& condition, std::vector<LintNote>& notes) {
  for (const char* key : {"all", "any"}) {
    if (!condition.contains(key)) continue;
    for (const Json& part : condition.at(key)) look_at_condition(rule, part, notes);
  }
  if (condition.contains("not")) look_at_condition(rule, condition.at("not"), notes);
  const std::string field = text_in(condition, "field");
  if (condition.contains("pattern")) {
    const std::string match = condition.contains("match") ? text_in(condition, "match") : "glob";
    const Json& pattern = condition.at("pattern");
    const auto patterns =
        pattern.is_array() ? pattern.get<std::vector<std::string>>() : std::vector{pattern.get<std::string>()};
    for (const std::string& one : patterns) look_at_pattern(rule, field, match, "pattern", one, notes);
  }
  if (!condition.contains("requires")) return;
  for (const auto& [name, pattern] : condition.at("requires").items()) {
    look_at_pattern(rule, name, "glob", "requires", pattern.get<std::string>(), notes);
  }
}

struct Asked {
  const Json* rule;
  Conjunction condition;
  std::size_t rank;
  std::optional<SystemTime> end;
};

// For as long as the later one.
bool lasts_as_long(const Asked& first, const Asked& later) {
  return !first.end || (later.end && *first.end >= *later.end);
}

// Of each rule the first that takes everything from it. `asked` is in the order in which rules are asked.
void look_for_shadows(const std::vector<Asked>& asked, std::vector<LintNote>& notes) {
  Cover cover;
  for (std::size_t later = 1; later < asked.size() && !cover.is_exhausted(); ++later) {
    for (std::size_t first = 0; first < later; ++first) {
      const Asked& above = asked[first];
      const Asked& below = asked[later];
      if (!lasts_as_long(above, below) || !cover.covers(above.condition, below.condition)) continue;
      const bool twice = above.rank == below.rank && cover.covers(below.condition, above.condition);
      const std::string id = id_of(*above.rule);
      notes.push_back(warning(*below.rule, "",
                              twice ? fmt::format("says the same as rule \"{}\", which is asked first", id)
                                    : fmt::format("never decides: rule \"{}\" ({}) is asked first, and holds "
                                                  "whenever this one does",
                                                  id, text_in(*above.rule, "action"))));
      break;
    }
  }
  if (!cover.is_exhausted()) return;
  notes.push_back({.is_fault = false,
                   .rule = {},
                   .key = {},
                   .line = 0,
                   .column = 0,
                   .message = "there are so many rules alike that not all were held against each other"});
}

}  // namespace

std::vector<LintNote> read_faults(std::string_view reason) {
  static const std::regex kStart(
      R"re((?:; )?(?:rule "([^"]*)", |rule number ([0-9]+), )?(?:key "([^"]*)", )?line ([0-9]{1,9}) column ([0-9]{1,9}): )re");
  const std::string text(reason);
  std::vector<LintNote> faults;
  std::size_t end_of_last = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), kStart), none; at != none; ++at) {
    const auto begin = static_cast<std::size_t>(at->position());
    if (!faults.empty()) faults.back().message = text.substr(end_of_last, begin - end_of_last);
    end_of_last = begin + static_cast<std::size_t>(at->length());
    const auto number = [&](std::size_t group) { return static_cast<std::uint32_t>(std::stoul((*at)[group].str())); };
    faults.push_back({.is_fault = true,
                      .rule = (*at)[2].matched ? "number " + (*at)[2].str() : (*at)[1].str(),
                      .key = (*at)[3].str(),
                      .line = number(4),
                      .column = number(5),
                      .message = {}});
  }
  if (faults.empty()) return {{.is_fault = true, .rule = {}, .key = {}, .line = 0, .column = 0, .message = text}};
  faults.back().message = text.substr(end_of_last);
  return faults;
}

std::vector<LintNote> find_doubtful(const Json& document, SystemTime now) {
  std::vector<LintNote> notes;
  std::vector<Asked> asked;
  for (const Json& rule : document.at("rules")) {
    look_at_condition(rule, rule, notes);
    const auto end = end_of(rule);
    if (end && *end <= now) {
      notes.push_back(
          warning(rule, "expires_at", fmt::format("has ended at {}, and does not hold any more", rfc3339(*end))));
      continue;
    }
    if (is_off(rule)) continue;
    Asked one{.rule = &rule, .condition = Conjunction(rule), .rank = rank_of(rule), .end = end};
    if (holds_for_every_request(one.condition)) {
      notes.push_back(
          warning(rule, "", fmt::format("holds for every request; its action is {}", text_in(rule, "action"))));
    }
    asked.push_back(std::move(one));
  }
  std::ranges::stable_sort(asked, {}, &Asked::rank);
  look_for_shadows(asked, notes);
  return notes;
}

Json to_json(const LintNote& note) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"severity", note.is_fault ? "error" : "warning"},
          {"rule", or_null(note.rule)},
          {"key", or_null(note.key)},
          {"line", note.line == 0 ? Json() : Json(note.line)},
          {"column", note.line == 0 ? Json() : Json(note.column)},
          {"message", note.message}};
}

std::string render(const LintNote& note) {
  std::string place;
  if (!note.rule.empty()) place += fmt::format("rule \"{}\", ", clean(note.rule));
  if (!note.key.empty()) place += fmt::format("key \"{}\", ", clean(note.key));
  if (note.line > 0) place += fmt::format("line {} column {}, ", note.line, note.column);
  if (!place.empty()) place.replace(place.size() - 2, 2, ": ");
  return (note.is_fault ? paint(Tone::kBad, "error:") : paint(Tone::kWarning, "warning:")) + " " + place +
         clean(note.message) + "\n";
}

}  // namespace secbeat::cli
