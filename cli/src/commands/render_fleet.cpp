// How the answers of an orchestrator look.
#include <fmt/format.h>

#include "commands/render.hpp"

namespace secbeat::cli {
namespace {

std::string names_of(const Json& names) {
  std::string text;
  for (const Json& name : names) text += (text.empty() ? "" : ", ") + clean(name.get<std::string>());
  return text.empty() ? "none" : text;
}

std::string failures_of(const Json& failures, std::string_view title) {
  if (failures.empty()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const Json& failure : failures) {
    rows.push_back({text_of(failure, "node"), text_of(failure, "code"), text_of(failure, "error")});
  }
  return fmt::format("{}\n{}", title, table({"NODE", "CODE", "WHY"}, rows));
}

Tone tone_of(const Json& rollout) {
  const std::string state = text_of(rollout, "state");
  if (state == "done") return Tone::kGood;
  if (state == "failed" || state == "reverted" || state == "aborted") return Tone::kBad;
  return Tone::kWarning;
}

}  // namespace

std::string render_fleet_rollback(const Json& answer) {
  return fmt::format("{} {} serves on {} nodes: {}\n{}", paint(Tone::kGood, "rolled back:"),
                     clean(text_of(answer, "rolled_back_to")), answer.at("deployed_to").size(),
                     names_of(answer.at("deployed_to")), failures_of(answer.at("failed"), "Not there:"));
}

std::string render_sync(const Json& answer) {
  std::string out = fmt::format("synced: {}\nalready current: {}\n", names_of(answer.at("synced")),
                                names_of(answer.at("already_current")));
  out += failures_of(answer.at("failed"), "Failed:");
  return out + failures_of(answer.at("unreachable"), "Out of reach; they follow when they are back:");
}

std::string render_nodes(const Json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& node : answer.at("nodes")) {
    const std::string ready = node.at("ready").get<bool>() ? "ready" : "not ready";
    if (node.at("modules").empty()) rows.push_back({text_of(node, "node"), ready, "-", "-", "-"});
    for (const auto& [name, module] : node.at("modules").items()) {
      rows.push_back({text_of(node, "node"), ready, name, text_of(module, "version"), text_of(module, "drift")});
    }
  }
  if (rows.empty()) return "No node reports. A node joins by [nats] url in its configuration.\n";
  return table({"NODE", "STATE", "MODULE", "VERSION", "DRIFT"}, rows);
}

std::string render_rollouts(const Json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& rollout : answer.at("rollouts")) {
    rows.push_back({text_of(rollout, "id"), text_of(rollout, "module"), text_of(rollout, "previous_version"),
                    text_of(rollout, "version"), text_of(rollout, "state"), text_of(rollout, "begun_at"),
                    text_of(rollout, "by"), text_of(rollout, "reason")});
  }
  if (rows.empty()) return "No rollouts yet.\n";
  return table({"ROLLOUT", "MODULE", "FROM", "TO", "STATE", "BEGUN", "BY", "WHY"}, rows);
}

std::string render_rollout(const Json& rollout) {
  std::string out =
      fmt::format("{} of {} {}: {}\n", clean(text_of(rollout, "id")), clean(text_of(rollout, "module")),
                  clean(text_of(rollout, "version")), paint(tone_of(rollout), clean(text_of(rollout, "state"))));
  if (!rollout.at("error").is_null()) {
    out += fmt::format("  {} ({})\n", clean(text_of(rollout, "error")), clean(text_of(rollout, "code")));
  }
  std::vector<std::vector<std::string>> rows;
  const auto add = [&rows](const std::string& wave, const Json& nodes) {
    for (const Json& node : nodes) {
      rows.push_back({wave, text_of(node, "node"), text_of(node, "state"), text_of(node, "error")});
    }
  };
  int number = 0;
  for (const Json& wave : rollout.at("waves")) add(std::to_string(++number), wave.at("nodes"));
  add("-", rollout.at("left_out"));
  return out + table({"WAVE", "NODE", "STATE", "WHY"}, rows);
}

}  // namespace secbeat::cli
