// The part of ConditionReader that reads fields and patterns.
#include "condition_reader.hpp"
#include "network.hpp"
#include "regex.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kMostPatterns = 1000;  // of a condition

constexpr StringView kMatches[] = {"glob", "contains", "prefix", "equals", "regex", "cidr"};  // in the order of Match

}  // namespace

bool ConditionReader::read_target(const JsonValue& field, const JsonValue* transformations, Test& test) {
  if (!field.is(JsonType::kString)) return faults_.add(field.place, field.key, "expected a field's name"), false;
  Target target;
  StringView name;
  if (const StringView wrong = parse_field(field.text, target.kind, name); !wrong.empty()) {
    return faults_.add(field.place, field.key, "\"", field.text.first(80), "\": ", wrong), false;
  }
  if (transformations != nullptr && !read_transformations(*transformations, target)) return false;
  test.target = targets_.number_of(target, name);
  if (test.target != kNoLimit) return true;
  return faults_.add(field.place, field.key,
                     "the rules use too many different fields, at most 16,384, of which 64 JSON pointers"),
         false;
}

bool ConditionReader::read_transformations(const JsonValue& list, Target& target) {
  if (!list.is(JsonType::kArray) || list.count > kMostTransformations) {
    return faults_.add(list.place, list.key, "expected a list of at most 8 names"), false;
  }
  target.transformed = true;
  for (const JsonValue* name = list.first; name != nullptr; name = name->next) {
    if (!name->is(JsonType::kString) || !parse_transformation(name->text, target.step[target.steps++])) {
      faults_.add(
          name->place, list.key,
          "no such transformation; expected urlDecodeUni, lowercase, htmlEntityDecode, removeNulls, normalizePath "
          "or compressWhitespace");
      return false;
    }
  }
  return true;
}

bool ConditionReader::read_match(const JsonValue* match, FieldKind kind, Match& found) {
  found = Match::kDefault;
  if (match == nullptr) return true;
  uint8_t number = 1;
  for (const StringView name : kMatches) {
    if (match->is(JsonType::kString) && match->text == name) found = static_cast<Match>(number);
    ++number;
  }
  if (found == Match::kDefault) {
    return faults_.add(match->place, "match", "expected glob, contains, prefix, equals, regex or cidr"), false;
  }
  if (found == Match::kCidr && kind != FieldKind::kSourceIp) {
    return faults_.add(match->place, "match", "cidr is for the field SourceIP"), false;
  }
  return true;
}

bool ConditionReader::read_patterns(const JsonValue& pattern, Match match, Test& test) {
  Array<Pattern> patterns;
  networks_.clear();
  if (pattern.is(JsonType::kString)) {
    if (!read_pattern(pattern, match, test, patterns)) return false;
  } else if (pattern.is(JsonType::kArray) && pattern.count > 0 && pattern.count <= kMostPatterns) {
    bool fine = true;
    for (const JsonValue* one = pattern.first; one != nullptr; one = one->next) {
      fine = read_pattern(*one, match, test, patterns) && fine;
    }
    if (!fine) return false;
  } else {
    return faults_.add(pattern.place, pattern.key,
                       "expected a text, or a list of 1 to 1,000 texts of which one has to match"),
           false;
  }
  test.patterns = patterns.begin();
  test.pattern_count = patterns.size();
  test.has_networks = !networks_.empty();
  return true;
}

bool ConditionReader::read_pattern(const JsonValue& text, Match match, Test& test, Array<Pattern>& patterns) {
  if (!text.is(JsonType::kString)) return faults_.add(text.place, "pattern", "expected a text"), false;
  if (text.text.empty()) {
    return faults_.add(text.place, "pattern",
                       "is empty; \".\" stands for anything, \"max_length\": 0 for an empty value"),
           false;
  }
  if (text.text.size() > kLongestPattern) {
    return faults_.add(text.place, "pattern", "is longer than 2,048 bytes"), false;
  }
  const bool is_address = rules_.targets[test.target].kind == FieldKind::kSourceIp;
  const bool has_star = text.text.find('*') != StringView::kNotFound;
  if (match == Match::kCidr || (match == Match::kDefault && is_address && !has_star && !(text.text == "."))) {
    return read_network(text, match, networks_);
  }
  Pattern pattern;
  if (match == Match::kRegex) {
    if (!read_regex(text, pattern)) return false;
  } else {
    pattern.glob = glob_of(text.text, match);
  }
  patterns.push(kept_, pattern);
  return true;
}

bool ConditionReader::read_network(const JsonValue& text, Match match, Array<Network>& networks) {
  Network network;
  if (!parse_network(text.text, network)) {
    faults_.add(text.place, "pattern", "\"", text.text.first(60),
                "\" is no address and no network such as 192.0.2.0/24",
                match == Match::kCidr ? StringView("") : StringView("; a pattern of an address's text has a '*'"));
    return false;
  }
  networks.push(temporary_, network);
  return true;
}

bool ConditionReader::read_regex(const JsonValue& text, Pattern& pattern) {
  pattern.kind = Pattern::Kind::kRegex;
  RegexFault fault;
  pattern.regex = compile_regex(text.text, budget_, kept_, temporary_, fault);
  if (pattern.regex != nullptr) return true;
  if (fault.about_all) {
    faults_.add(text.place, "pattern", fault.what);
  } else {
    faults_.add(text.place, "pattern", fault.what, ", at character ", uint64_t{fault.at} + 1,
                " of the regular expression");
  }
  return false;
}

Glob ConditionReader::glob_of(StringView text, Match match) {
  Glob glob;
  const StringView lower = folded(text, kept_);
  Array<StringView> parts;
  if (match == Match::kContains || match == Match::kPrefix || match == Match::kEquals) {
    parts.push(kept_, lower);
    glob.at_start = match != Match::kContains;
    glob.at_end = match == Match::kEquals;
  } else if (!(text == ".")) {
    glob.at_start = lower[0] != '*';
    glob.at_end = lower[lower.size() - 1] != '*';
    for (StringView rest = lower; !rest.empty();) {
      const StringView part = rest.first(rest.find('*'));
      if (!part.empty()) parts.push(kept_, part);
      rest = rest.from(part.size() + 1);
    }
  }
  glob.parts = parts.begin();
  glob.count = parts.size();
  return glob;
}

}  // namespace secbeat::waf
