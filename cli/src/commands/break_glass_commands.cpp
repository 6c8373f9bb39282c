// freeze, unfreeze, bypass: for emergencies, with or without an agent. rollback is in change_commands.cpp.
#include <fmt/format.h>

#include "commands/commands.hpp"
#include "commands/glass_options.hpp"
#include "commands/render.hpp"
#include "exit_codes.hpp"

namespace secbeat::cli {
namespace {

using agent::WithoutAgent;
using std::chrono::seconds;

constexpr const char* kFreezeReason = "Manual freeze";
constexpr const char* kUnfreezeReason = "Manual unfreeze";
constexpr const char* kBypassReason = "Manual bypass";

struct GlassCommand {
  GlassOptions glass;
  std::string lasts;
  bool off = false;

  [[nodiscard]] std::string reason(const char* standard) const {
    return glass.reason.empty() ? standard : glass.reason;
  }
};

std::string body_of(const std::string& reason, std::optional<seconds> ttl) {
  Json body{{"reason", reason}};
  if (ttl) body["ttl_seconds"] = ttl->count();
  return json_text(body);
}

int demand(const GlassOptions& options, const char* path, const std::string& body, const Act& act) {
  return with_node(options.api, [&](const Client& client) {
    if (const auto alive = ask_agent(options, client); !alive) {
      return act_without_agent(options, client, alive.error(), act);
    }
    // Where there is no other way, whatever time it takes.
    const bool has_other_way = !options.folder(client).empty();
    const auto reply = client.post_json(path, body, has_other_way ? Patience::kEmergency : Patience::kChange);
    if (!reply && has_other_way) return act_without_agent(options, client, reply.error(), act);
    return finish(options.api, client, reply, kBreakGlassResultShape, render_break_glass_result);
  });
}

std::optional<seconds> lasts_of(const GlassCommand& command, seconds longest) {
  const auto lasts = duration_of(command.lasts);
  if (lasts && *lasts <= longest) return lasts;
  complain({ErrorCode::kBadRequest,
            fmt::format("\"{}\" is no time such as 90s, 10m or 2h, at most {}h", clean(command.lasts),
                        std::chrono::duration_cast<std::chrono::hours>(longest).count())},
           kUsage);
  return std::nullopt;
}

int run_freeze(const GlassCommand& command) {
  seconds lasts{0};
  if (!command.lasts.empty()) {
    const auto given = lasts_of(command, std::chrono::hours(366 * 24));
    if (!given) return kUsage;
    lasts = *given;
  }
  const std::string reason = command.reason(kFreezeReason);
  return demand(command.glass, "/api/v1/freeze", body_of(reason, lasts),
                [&](WithoutAgent& glass) { return glass.freeze(reason, lasts); });
}

int run_bypass(const GlassCommand& command) {
  const std::string reason = command.reason(kBypassReason);
  if (command.off) {
    return demand(command.glass, "/api/v1/bypass", body_of(reason, seconds(0)),
                  [&](WithoutAgent& glass) { return glass.end_bypass(reason); });
  }
  const auto lasts = lasts_of(command, control::kMaxBypass);
  if (!lasts) return kUsage;
  return demand(command.glass, "/api/v1/bypass", body_of(reason, *lasts),
                [&](WithoutAgent& glass) { return glass.bypass(reason, *lasts); });
}

}  // namespace

void add_freeze_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<GlassCommand>();
  CLI::App* command = app.add_subcommand("freeze", "No change of the rules but a rollback, until unfreeze");
  command->footer(
      "Reloads, removals and changed files are refused (frozen) and say by whom and why; rollbacks, those of the "
      "watch\n"
      "too, work. Outlives restarts of the agent and the machine. Works with no agent there, for the one that "
      "returns.\n\n"
      "Examples:\n"
      "  secbeat freeze --reason 'incident 4711'\n"
      "  secbeat freeze --for 2h --reason 'sale'");
  command->add_option("--for", options->lasts, "How long, such as 90s, 10m or 2h; default: until unfreeze")
      ->type_name("TIME");
  options->glass.add_to(*command, kFreezeReason);
  command->callback([options, &run] { run = [options] { return run_freeze(*options); }; });
}

void add_unfreeze_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<GlassCommand>();
  CLI::App* command = app.add_subcommand("unfreeze", "Changes of the rules are possible again");
  command->footer(
      "A file that changed meanwhile was refused and comes into force when it changes again (touch it), or by "
      "reload.\n\n"
      "Example:\n"
      "  secbeat unfreeze --reason 'incident 4711 is over'");
  options->glass.add_to(*command, kUnfreezeReason);
  command->callback([options, &run] {
    run = [options] {
      const std::string reason = options->reason(kUnfreezeReason);
      return demand(options->glass, "/api/v1/unfreeze", body_of(reason, std::nullopt),
                    [&](WithoutAgent& glass) { return glass.unfreeze(reason); });
    };
  });
}

void add_bypass_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<GlassCommand>();
  options->lasts = "10m";
  CLI::App* command = app.add_subcommand("bypass", "Every request passes uninspected, for a while");
  command->footer(
      "The site is served as if there were no rules. Ends by itself, after at most 24h, whatever else happens; worker\n"
      "processes that start meanwhile follow. Works with no agent there, through the scoreboard.\n\n"
      "Examples:\n"
      "  secbeat bypass --for 10m --reason 'the checkout is blocked'\n"
      "  secbeat bypass --off");
  command->add_option("--for", options->lasts, "How long, such as 90s, 10m or 2h")
      ->type_name("TIME")
      ->capture_default_str();
  command->add_flag("--off,--end", options->off, "End it now");
  options->glass.add_to(*command, kBypassReason);
  command->callback([options, &run] { run = [options] { return run_bypass(*options); }; });
}

}  // namespace secbeat::cli
