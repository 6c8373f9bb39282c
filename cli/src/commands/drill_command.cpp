// drill: whether break-glass would work, tried from here.
#include <fmt/format.h>

#include <algorithm>

#include "commands/commands.hpp"
#include "commands/glass_options.hpp"
#include "commands/render.hpp"
#include "exit_codes.hpp"

namespace secbeat::cli {
namespace {

using agent::DrillFinding;
using agent::DrillHealth;

Json to_json(const std::vector<DrillFinding>& findings) {
  Json checks = Json::array();
  for (const DrillFinding& finding : findings) {
    checks.push_back({{"check", finding.check},
                      {"result", word_of(finding.health)},
                      {"found", finding.found},
                      {"advice", finding.advice.empty() ? Json() : Json(finding.advice)}});
  }
  return checks;
}

// What the command line itself would meet with no agent there.
std::vector<DrillFinding> look_from_here(const std::string& folder) {
  if (folder.empty()) {
    return {{"without an agent", DrillHealth::kWarning, "the node's state directory is not known",
             "run secbeat drill on the node's machine and name it (--state-dir DIR, SECBEAT_STATE_DIR, or state_dir of "
             "the profile): with a dead agent the commands need it"}};
  }
  const RealClock clock;
  auto glass = agent::WithoutAgent::open(folder, clock);
  if (glass) return glass->drill();
  return {{"without an agent", DrillHealth::kFailure, glass.error().message,
           "with a dead agent the commands could do nothing from here"}};
}

// The node's part; an Error is a refusal, such as a key that does not reach.
Result<Json> ask_node(const GlassOptions& options, const Client& client) {
  if (!ask_agent(options, client)) {
    return to_json({{"agent", options.local ? DrillHealth::kWarning : DrillHealth::kFailure,
                     options.local ? "it was not asked" : fmt::format("none answers at {}", client.address()),
                     "start it: secbeat node --config FILE; nginx serves on meanwhile"}});
  }
  auto answer = success_of(client, client.post_json("/api/v1/drill", ""), kDrillShape);
  if (!answer) return std::unexpected(answer.error());
  return answer->at("checks");
}

int run_drill(const GlassOptions& options) {
  return with_node(options.api, [&](const Client& client) {
    auto checks = ask_node(options, client);
    if (!checks) return complain(checks.error());
    for (Json& check : to_json(look_from_here(options.folder(client)))) checks->push_back(std::move(check));
    const bool healthy =
        std::ranges::none_of(*checks, [](const Json& check) { return text_of(check, "result") == "fail"; });
    if (options.api.json) {
      fmt::print("{}\n", json_text(Json{{"success", true}, {"healthy", healthy}, {"checks", *checks}}));
    } else {
      fmt::print("{}", render_drill(*checks));
    }
    return healthy ? kOk : kRefused;
  });
}

}  // namespace

void add_drill_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<GlassOptions>();
  CLI::App* command =
      app.add_subcommand("drill", "Whether bypass, freeze and rollback would work; clients notice nothing");
  command->footer(
      "Tries on the running node what an emergency needs: every worker's event loop answers through the scoreboard,\n"
      "every module's previous version gets ready in every worker, the files can be written; and from here, whether "
      "this\n"
      "user could do it with no agent there. Nothing of it changes what clients get. Exit status 1 when something "
      "would\n"
      "not work.\n\n"
      "Example:\n"
      "  secbeat drill");
  options->add_to(*command);
  command->callback([options, &run] { run = [options] { return run_drill(*options); }; });
}

}  // namespace secbeat::cli
