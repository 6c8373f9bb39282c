// What is in effect in an emergency, and drills, as text for people.
#include <fmt/format.h>

#include "commands/render.hpp"

namespace secbeat::cli {
namespace {

std::string cleaned_field(const Json& object, const char* key) { return clean(text_of(object, key)); }

std::string statement_text(const Json& statement) {
  const bool ends = statement.value("until", Json()).is_string();
  return fmt::format("since {}{} by {}: {}", cleaned_field(statement, "since"),
                     ends ? fmt::format(" until {}", cleaned_field(statement, "until")) : std::string(),
                     cleaned_field(statement, "by"), cleaned_field(statement, "reason"));
}

}  // namespace

std::string render_break_glass(const Json& state) {
  std::string out;
  if (const Json bypass = state.value("bypass", Json()); bypass.is_object()) {
    out += fmt::format("{} {}. To end it: secbeat bypass --off\n", paint(Tone::kBad, "Requests pass uninspected"),
                       statement_text(bypass));
  }
  if (const Json frozen = state.value("frozen", Json()); frozen.is_object()) {
    out += fmt::format("{} {}. To end it: secbeat unfreeze\n", paint(Tone::kWarning, "Changes are frozen"),
                       statement_text(frozen));
  }
  for (const Json& version : state.at("taken_back")) {
    out += fmt::format("{} {} is decided by {} in place of {}; the rollback is completed when the agent can\n",
                       paint(Tone::kWarning, "Taken back:"), cleaned_field(version, "name"),
                       cleaned_field(version, "decided_by"), cleaned_field(version, "version"));
  }
  return out;
}

std::string render_break_glass_result(const Json& answer) {
  std::string out = fmt::format("{}\n", paint(Tone::kGood, cleaned_field(answer, "message")));
  out += render_break_glass(answer.at("state"));
  for (const Json& warning : answer.at("warnings")) {
    if (warning.is_string()) {
      out += fmt::format("  {} {}\n", paint(Tone::kWarning, "warning:"), clean(warning.get<std::string>()));
    }
  }
  return out;
}

std::string render_drill(const Json& checks) {
  std::string out;
  int failures = 0;
  int warnings = 0;
  for (const Json& check : checks) {
    const std::string result = cleaned_field(check, "result");
    failures += result == "fail" ? 1 : 0;
    warnings += result == "warn" ? 1 : 0;
    const Tone tone = result == "ok" ? Tone::kGood : result == "warn" ? Tone::kWarning : Tone::kBad;
    out += fmt::format("{}  {}: {}\n", paint(tone, fmt::format("{:<4}", result)), cleaned_field(check, "check"),
                       cleaned_field(check, "found"));
    if (check.contains("advice") && check.at("advice").is_string()) {
      out += fmt::format("      {}\n", cleaned_field(check, "advice"));
    }
  }
  return out + fmt::format("\n{} checks, {} warnings, {} failures: {}\n", checks.size(), warnings, failures,
                           failures == 0 ? paint(Tone::kGood, "an emergency would find what it needs")
                                         : paint(Tone::kBad, "something would not work"));
}

}  // namespace secbeat::cli
