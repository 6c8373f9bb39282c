// doctor: whether a node can run on this machine, and with this configuration.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/doctor.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {
namespace {

using agent::Finding;
using agent::Health;

struct DoctorOptions {
  std::string config;
  bool json = false;
};

std::vector<Finding> examine(const std::string& file) {
  const auto config = file.empty() ? Result<agent::Config>(agent::default_config()) : agent::load_config(file);
  // With faults in it there is no telling which folders and ports are meant; the machine is looked at all the same.
  std::vector<Finding> findings = agent::examine_machine(config.value_or(agent::default_config()));
  if (!config) {
    findings.push_back({"configuration", Health::kFailure, file + " has faults", config.error().message});
    return findings;
  }
  if (!file.empty()) findings.push_back({"configuration", Health::kOk, file, ""});
  std::ranges::move(agent::examine_node(*config), std::back_inserter(findings));
  return findings;
}

Json to_document(const std::vector<Finding>& findings, bool healthy) {
  Json checks = Json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"check", finding.check},
                      {"result", word_of(finding.health)},
                      {"found", finding.found},
                      {"advice", finding.advice.empty() ? Json() : Json(finding.advice)}});
  }
  return {{"healthy", healthy}, {"checks", std::move(checks)}};
}

Tone tone_of(Health health) {
  return health == Health::kOk ? Tone::kGood : health == Health::kWarning ? Tone::kWarning : Tone::kBad;
}

std::string render(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) {
    out += fmt::format("{}  {}: {}\n", paint(tone_of(finding.health), fmt::format("{:<4}", word_of(finding.health))),
                       clean(finding.check), clean(finding.found));
    // The faults of a configuration are a line each.
    for (std::size_t at = 0; at < finding.advice.size();) {
      const std::size_t end = std::min(finding.advice.find('\n', at), finding.advice.size());
      out += fmt::format("      {}\n", clean(std::string_view(finding.advice).substr(at, end - at)));
      at = end + 1;
    }
  }
  return out;
}

int run_doctor(const DoctorOptions& options) {
  const std::vector<Finding> findings = examine(options.config);
  const auto count = [&](Health health) { return std::ranges::count(findings, health, &Finding::health); };
  const bool healthy = count(Health::kFailure) == 0;
  if (options.json) {
    fmt::print("{}\n", json_text(to_document(findings, healthy)));
  } else {
    fmt::print("{}\n{} checks, {} warnings, {} failures\n", render(findings), findings.size(), count(Health::kWarning),
               count(Health::kFailure));
  }
  return healthy ? kOk : kRefused;
}

}  // namespace

void add_doctor_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "Whether a node can run here, and what to do where it cannot");
  command->footer(
      "Looks at nginx and our module in it, limits, the kernel, the rule engine and its compile child; at folders,\n"
      "whether nginx' workers reach them, and at ports. Best run as the user that will run the node. Changes nothing.\n"
      "Exit status 1 when something fails.\n\n"
      "Examples:\n"
      "  secbeat doctor\n"
      "  secbeat doctor --config /etc/secbeat/secbeat.toml");
  command->add_option("--config", options->config, "The configuration to look at; default: what a node has without one")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the findings as JSON, for programs");
  command->callback([options, &run] { run = [options] { return run_doctor(*options); }; });
}

}  // namespace secbeat::cli
