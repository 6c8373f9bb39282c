// fleet rules: the rules of every node, through an orchestrator.
#include <fmt/format.h>

#include "commands/commands.hpp"
#include "commands/render.hpp"
#include "commands/rules_tools.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"

namespace secbeat::cli {
namespace {

constexpr const char* kFleetRulesPath = "/api/v1/rules";

struct FleetRulesOptions {
  ApiOptions api;
  std::string id;
  std::string file;
  std::string reason;
  std::uint64_t ttl_seconds = 0;

  [[nodiscard]] std::string with_reason(const std::string& path) const {
    return reason.empty() ? path : path + "?reason=" + url_encode(reason);
  }
};

std::string render_fleet_rule(const Json& answer) {
  std::string out = paint(Tone::kGood, clean(text_of(answer, "message"))) + "\n";
  if (answer.at("deployed").get<bool>()) {
    out += fmt::format("  {} nodes serve universal-waf {}\n", answer.at("deployed_to").size(),
                       clean(text_of(answer, "version")));
  }
  if (!answer.at("expires_at").is_null()) out += fmt::format("  ends {}\n", clean(text_of(answer, "expires_at")));
  for (const Json& failure : answer.at("failed")) {
    out += fmt::format("  {} {}: {}\n", paint(Tone::kWarning, "not on"), clean(text_of(failure, "node")),
                       clean(text_of(failure, "error")));
  }
  return out;
}

std::string render_deployment(const Json& answer) {
  return fmt::format("{} is in force on {} nodes; {} could not be reached\n", clean(text_of(answer, "rule_id")),
                     answer.at("deployed_to").dump(), answer.at("failed").dump());
}

void add_fleet_rules_list(CLI::App& rules, Run& run) {
  auto options = std::make_shared<FleetRulesOptions>();
  CLI::App* command =
      rules.add_subcommand("list", "The rules that every node is to have, and how many requests each decided");
  command->footer("--json prints the document as the orchestrator has it.\n\nExample:\n  secbeat fleet rules list");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(options->api, [&](const Client& client) {
        return finish(options->api, client, client.get(kFleetRulesPath), kRulesShape, [&](const Json& document) {
          const auto active = success_of(client, client.get("/api/v1/rules/active"), kRulesShape);
          return render_rules(document, active ? *active : Json());
        });
      });
    };
  });
}

void add_fleet_rules_add(CLI::App& rules, Run& run) {
  auto options = std::make_shared<FleetRulesOptions>();
  CLI::App* command =
      rules.add_subcommand("add", "Add a rule on every node; done when all that can be reached serve it");
  command->footer(
      "The file is one rule, as docs/rules.md describes it; with \"deploy\": false it waits for fleet rules deploy.\n\n"
      "Example:\n  secbeat fleet rules add rule.json --reason 'block CVE-2026-1234'");
  command->add_option("file", options->file, "The rule as JSON; - for standard input")->required()->type_name("FILE");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      const auto rule = rule_from(options->file);
      if (!rule) return complain(rule.error(), kUsage);
      return with_orchestrator(options->api, [&](const Client& client) {
        const auto reply = client.post_json(options->with_reason(kFleetRulesPath), *rule);
        return finish(options->api, client, reply, kFleetRuleShape, render_fleet_rule);
      });
    };
  });
}

void add_fleet_rules_remove(CLI::App& rules, Run& run) {
  auto options = std::make_shared<FleetRulesOptions>();
  CLI::App* command = rules.add_subcommand("remove", "Remove a rule from every node");
  command->footer("Example:\n  secbeat fleet rules remove block-sqli-pattern --reason 'blocks the search'");
  command->add_option("id", options->id, "The rule; secbeat fleet rules list names them")->required();
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(options->api, [&](const Client& client) {
        const std::string path = fmt::format("{}/{}", kFleetRulesPath, url_encode(options->id));
        return finish(options->api, client, client.remove(options->with_reason(path)), kFleetRuleShape,
                      render_fleet_rule);
      });
    };
  });
}

void add_fleet_rules_deploy(CLI::App& rules, Run& run) {
  auto options = std::make_shared<FleetRulesOptions>();
  CLI::App* command = rules.add_subcommand("deploy", "Bring a rule that waits into force on every node");
  command->footer("Example:\n  secbeat fleet rules deploy block-sqli-pattern --ttl-seconds 3600");
  command->add_option("id", options->id, "The rule that was entered with \"deploy\": false")->required();
  command->add_option("--ttl-seconds", options->ttl_seconds, "How long it lives; default: as the rule says");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      Json body{{"rule_id", options->id}};
      if (options->ttl_seconds != 0) body["ttl_seconds"] = options->ttl_seconds;
      return with_orchestrator(options->api, [&](const Client& client) {
        const auto reply = client.post_json("/api/v1/rules/deploy", body.dump());
        return finish(options->api, client, reply, kRuleDeploymentShape, render_deployment);
      });
    };
  });
}

}  // namespace

void add_fleet_rules(CLI::App& fleet, Run& run) {
  CLI::App* rules = fleet.add_subcommand("rules", "The rules of every node: list, add, remove, deploy");
  rules->require_subcommand(1);
  add_fleet_rules_list(*rules, run);
  add_fleet_rules_add(*rules, run);
  add_fleet_rules_remove(*rules, run);
  add_fleet_rules_deploy(*rules, run);
}

}  // namespace secbeat::cli
