// rules: the rules of universal-waf on a running node.
#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "commands/commands.hpp"
#include "commands/render.hpp"
#include "commands/rules_tools.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "node_api/progress.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

constexpr const char* kRulesPath = "/api/v1/rules";
constexpr const char* kActiveRulesPath = "/api/v1/rules/active";
constexpr const char* kRuleStatsPath = "/api/v1/rules/stats";

struct RulesOptions {
  ApiOptions api;
  std::string id;
  std::string file;
  std::string reason;

  [[nodiscard]] std::string path() const {
    std::string path = kRulesPath;
    if (!id.empty()) path += "/" + url_encode(id);
    if (!reason.empty()) path += "?reason=" + url_encode(reason);
    return path;
  }
};

void add_rules_reason(CLI::App& command, const std::shared_ptr<RulesOptions>& options) {
  command.add_option("--reason", options->reason, "Why, for the history");
}

void add_rules_list(CLI::App& rules, Run& run) {
  auto options = std::make_shared<RulesOptions>();
  CLI::App* command = rules.add_subcommand(
      "list", "The rules in force, without those that have ended, and how many requests each decided");
  command->footer("--json prints the document as the node has it.\n\nExample:\n  secbeat rules list");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        return finish(options->api, client, client.get(options->path()), kRulesShape, [&](const Json& document) {
          const auto active = success_of(client, client.get(kActiveRulesPath), kRulesShape);
          return render_rules(document, active ? *active : Json());
        });
      });
    };
  });
}

void add_rules_stats(CLI::App& rules, Run& run) {
  auto options = std::make_shared<RulesOptions>();
  CLI::App* command = rules.add_subcommand("stats", "How many rules there are, and what they have blocked");
  command->footer("Example:\n  secbeat rules stats");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        return finish(options->api, client, client.get(kRuleStatsPath), kRuleStatsShape, render_rule_stats);
      });
    };
  });
}

void add_rules_show(CLI::App& rules, Run& run) {
  auto options = std::make_shared<RulesOptions>();
  CLI::App* command = rules.add_subcommand("show", "One rule, as JSON");
  command->footer("Example:\n  secbeat rules show block-sqli-pattern");
  command->add_option("id", options->id, "The rule; secbeat rules list names them")->required();
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        return finish(options->api, client, client.get(options->path()), kRuleShape,
                      [](const Json& rule) { return json_text(rule) + "\n"; });
      });
    };
  });
}

void add_rules_add(CLI::App& rules, Run& run) {
  auto options = std::make_shared<RulesOptions>();
  CLI::App* command = rules.add_subcommand("add", "Add a rule; done when every worker decides by it");
  command->footer(
      "The file is one rule, as docs/rules.md describes it; \"ttl_seconds\" counts from now. What is wrong with it is\n"
      "told with rule, key and place, and nothing is changed.\n\n"
      "Examples:\n"
      "  secbeat rules add rule.json --reason 'block CVE-2026-1234'\n"
      "  jq .rules[0] waf-config.json | secbeat rules add -");
  command->add_option("file", options->file, "The rule as JSON; - for standard input")->required()->type_name("FILE");
  add_rules_reason(*command, options);
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      const auto rule = rule_from(options->file);
      if (!rule) return complain(rule.error(), kUsage);
      return with_node(options->api, [&](const Client& client) {
        const auto reply = with_progress(client, [&] { return client.post_json(options->path(), *rule); });
        return finish(options->api, client, reply, kRuleChangeShape, render_rule_change);
      });
    };
  });
}

void add_rules_remove(CLI::App& rules, Run& run) {
  auto options = std::make_shared<RulesOptions>();
  CLI::App* command = rules.add_subcommand("remove", "Remove a rule");
  command->footer("Example:\n  secbeat rules remove block-sqli-pattern --reason 'blocks the search'");
  command->add_option("id", options->id, "The rule; secbeat rules list names them")->required();
  add_rules_reason(*command, options);
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        const auto reply = with_progress(client, [&] { return client.remove(options->path()); });
        return finish(options->api, client, reply, kRuleChangeShape, render_rule_change);
      });
    };
  });
}

}  // namespace

Result<std::string> rule_from(const std::string& file) {
  // What a node takes; this only keeps a mistaken argument from being read whole.
  constexpr std::size_t kMaxRuleBytes = std::size_t{1} << 20U;
  if (file != "-") return read_file(file, kMaxRuleBytes);
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.size() > kMaxRuleBytes) return fail(ErrorCode::kTooLarge, "standard input is longer than a rule can be");
  return text;
}

void add_rules_command(CLI::App& app, Run& run) {
  CLI::App* rules =
      app.add_subcommand("rules", "The rules of universal-waf: list, stats, show, add, remove, edit, diff, lint, test");
  rules->require_subcommand(1);
  add_rules_list(*rules, run);
  add_rules_stats(*rules, run);
  add_rules_show(*rules, run);
  add_rules_add(*rules, run);
  add_rules_remove(*rules, run);
  add_rules_edit(*rules, run);
  add_rules_diff(*rules, run);
  add_rules_lint(*rules, run);
  add_rules_test(*rules, run);
}

}  // namespace secbeat::cli
