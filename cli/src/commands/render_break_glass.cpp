// What is in effect in an emergency, and drills, as text for people.
#include <fmt/format.h>

#include "commands/render.hpp"

namespace secbeat::cli {
namespace {

std::string cleaned(const Json& object, const char* key) { return clean(text_of(object, key)); }

std::string statement_text(const Json& statement) {
  const bool ends = statement.value("until", Json()).is_string();
  return fmt::format("since {}{} by {}: {}", cleaned(statement, "since"),
                     ends ? fmt::format(" until {}", cleaned(statement, "until")) : std::string(),
                     cleaned(statement, "by"), cleaned(statement, "reason"));
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
                       paint(Tone::kWarning, "Taken back:"), cleaned(version, "name"), cleaned(version, "decided_by"),
                       cleaned(version, "version"));
  }
  return out;
}

std::string render_break_glass_result(const Json& answer) {
  std::string out = fmt::format("{}\n", paint(Tone::kGood, cleaned(answer, "message")));
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
    const std::string result = cleaned(check, "result");
    failures += result == "fail" ? 1 : 0;
    warnings += result == "warn" ? 1 : 0;
    const Tone tone = result == "ok" ? Tone::kGood : result == "warn" ? Tone::kWarning : Tone::kBad;
    out += fmt::format("{}  {}: {}\n", paint(tone, fmt::format("{:<4}", result)), cleaned(check, "check"),
                       cleaned(check, "found"));
    if (check.contains("advice") && check.at("advice").is_string()) {
      out += fmt::format("      {}\n", cleaned(check, "advice"));
    }
  }
  return out + fmt::format("\n{} checks, {} warnings, {} failures: {}\n", checks.size(), warnings, failures,
                           failures == 0 ? paint(Tone::kGood, "an emergency would find what it needs")
                                         : paint(Tone::kBad, "something would not work"));
}

}  // namespace secbeat::cli
