#include "rules/rule_cover.hpp"

#include <algorithm>
#include <functional>

namespace secbeat::cli {
namespace {

constexpr char16_t kAnything = 0x100;  // beyond every byte

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// Names behind the colon are compared without case; a pointer into JSON is not.
std::string field_of(const Json& leaf) {
  const auto field = leaf.at("field").get<std::string>();
  return field.starts_with("JSON:") ? field : lower(field);
}

std::string match_of(const Json& leaf) {
  if (leaf.contains("match")) return leaf.at("match").get<std::string>();
  return field_of(leaf) == "sourceip" ? "" : "glob";  // what an address' pattern is depends on the pattern
}

bool is_globlike(std::string_view match) {
  return match == "glob" || match == "contains" || match == "prefix" || match == "equals";
}

// Bytes in lower case, and what stands for anything.
std::u16string glob_of(std::string_view match, std::string_view pattern) {
  std::u16string glob;
  if (match == "glob" && pattern == ".") return {kAnything};
  if (match == "contains") glob += kAnything;
  for (const char c : lower(pattern)) {
    const bool wild = match == "glob" && c == '*';
    if (wild && !glob.empty() && glob.back() == kAnything) continue;
    glob += wild ? kAnything : static_cast<char16_t>(static_cast<unsigned char>(c));
  }
  if ((match == "contains" || match == "prefix") && (glob.empty() || glob.back() != kAnything)) glob += kAnything;
  return glob;
}

std::vector<std::string> patterns_of(const Json& leaf) {
  const Json& pattern = leaf.at("pattern");
  if (pattern.is_string()) return {pattern.get<std::string>()};
  return pattern.get<std::vector<std::string>>();
}

// The conditions of which all must hold.
std::vector<Json> conjuncts_of(const Json& condition) {
  std::vector<Json> all;
  if (condition.contains("all")) {
    for (const Json& part : condition.at("all")) {
      for (Json& conjunct : conjuncts_of(part)) all.push_back(std::move(conjunct));
    }
  }
  Json own;
  for (const char* key : {"field", "match", "pattern", "min_length", "max_length", "min_count", "max_count",
                          "transformations", "any", "not"}) {
    if (condition.contains(key)) own[key] = condition.at(key);
  }
  if (!own.empty()) all.push_back(std::move(own));
  if (condition.contains("requires")) {
    for (const auto& [field, pattern] : condition.at("requires").items()) {
      all.push_back({{"field", field}, {"match", "glob"}, {"pattern", pattern}});
    }
  }
  return all;
}

// A lower bound of `wide` is no higher, an upper bound no lower.
bool bounds_cover(const Json& wide, const Json& narrow) {
  for (const char* key : {"min_length", "max_length", "min_count", "max_count"}) {
    if (!wide.contains(key)) continue;
    if (!narrow.contains(key)) return false;
    const auto a = wide.at(key).get<std::int64_t>();
    const auto b = narrow.at(key).get<std::int64_t>();
    if (key[1] == 'i' ? a > b : a < b) return false;
  }
  return true;
}

}  // namespace

Conjunction::Conjunction(const Json& condition) : parts_(conjuncts_of(condition)) {
  for (const Json& part : parts_) {
    if (!part.contains("field")) {
      has_ = ~std::uint64_t{0};
      continue;
    }
    const std::uint64_t bit = std::uint64_t{1} << (std::hash<std::string>{}(field_of(part)) % 64);
    needs_ |= bit;
    has_ |= bit;
  }
}

bool Cover::covers(const Conjunction& wide, const Conjunction& narrow) {
  if (!wide.may_cover(narrow)) return false;
  return std::ranges::all_of(wide.parts(), [&](const Json& wanted) {
    return std::ranges::any_of(narrow.parts(), [&](const Json& given) { return condition_covers(wanted, given); });
  });
}

bool Cover::condition_covers(const Json& wide, const Json& narrow) {
  constexpr std::uint64_t kCost = 200;  // in steps of a comparison of two texts
  steps_ += kCost;
  if (is_exhausted()) return false;
  if (wide == narrow) return true;
  if (narrow.contains("any")) {
    return std::ranges::all_of(narrow.at("any"),
                               [&](const Json& one) { return covers(Conjunction(wide), Conjunction(one)); });
  }
  if (wide.contains("any")) {
    return std::ranges::any_of(wide.at("any"),
                               [&](const Json& one) { return covers(Conjunction(one), Conjunction(narrow)); });
  }
  if (wide.contains("not") && narrow.contains("not")) {
    return covers(Conjunction(narrow.at("not")), Conjunction(wide.at("not")));
  }
  return wide.contains("field") && narrow.contains("field") && leaf_covers(wide, narrow);
}

bool Cover::leaf_covers(const Json& wide, const Json& narrow) {
  if (field_of(wide) != field_of(narrow)) return false;
  if (wide.contains("transformations") != narrow.contains("transformations")) return false;
  if (wide.contains("transformations") && wide.at("transformations") != narrow.at("transformations")) return false;
  return bounds_cover(wide, narrow) && patterns_cover(wide, narrow);
}

bool Cover::patterns_cover(const Json& wide, const Json& narrow) {
  if (!wide.contains("pattern")) return true;
  if (!narrow.contains("pattern")) return false;
  const std::string wide_match = match_of(wide);
  const std::string narrow_match = match_of(narrow);
  const bool globs = is_globlike(wide_match) && is_globlike(narrow_match);
  if (!globs && wide_match != narrow_match) return false;
  const auto wides = patterns_of(wide);
  return std::ranges::all_of(patterns_of(narrow), [&](const std::string& one) {
    return std::ranges::any_of(wides, [&](const std::string& other) {
      if (!globs) return ++steps_ <= kMostSteps && one == other;
      return glob_covers(glob_of(wide_match, other), glob_of(narrow_match, one));
    });
  });
}

// `narrow` read as a text, in which its own "anything" is a letter that only "anything" matches.
bool Cover::glob_covers(const std::u16string& wide, const std::u16string& narrow) {
  std::size_t w = 0;
  std::size_t n = 0;
  std::size_t star = std::u16string::npos;
  std::size_t from = 0;
  while (n < narrow.size()) {
    if (++steps_ > kMostSteps) return false;
    if (w < wide.size() && wide[w] == kAnything) {
      star = w++;
      from = n;
    } else if (w < wide.size() && wide[w] == narrow[n]) {
      ++w;
      ++n;
    } else if (star != std::u16string::npos) {
      w = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  while (w < wide.size() && wide[w] == kAnything) ++w;
  return w == wide.size();
}

bool holds_for_every_request(const Conjunction& rule) {
  return std::ranges::all_of(rule.parts(), [](const Json& one) {
    if (!one.contains("field") || !one.contains("pattern")) return false;
    const std::string field = field_of(one);
    if (field != "uri" && field != "method" && field != "path" && field != "sourceip") return false;
    if (one.contains("min_length") || one.contains("max_length") || one.contains("max_count") ||
        one.contains("min_count")) {
      return false;
    }
    const std::string match = match_of(one).empty() ? "glob" : match_of(one);
    return is_globlike(match) && std::ranges::any_of(patterns_of(one), [&](const std::string& pattern) {
             return glob_of(match, pattern) == std::u16string{kAnything};
           });
  });
}

}  // namespace secbeat::cli
