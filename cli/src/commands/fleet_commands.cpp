// fleet status, reload, rollback, sync, watch, pause, resume, abort: what an orchestrator is asked.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "commands/commands.hpp"
#include "commands/fleet_progress.hpp"
#include "commands/render.hpp"
#include "commands/signature_file.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{256} << 20U;

// The members that are sent as they are where they are given.
using Texts = std::vector<std::pair<const char*, std::string>>;

struct FleetReloadOptions {
  ApiOptions api;
  std::string file;
  std::string config;
  std::string signature;
  std::string name;
  std::string expected_version;
  std::string reason;
  std::string target;
  std::string canary;
  std::string waves;
  std::string max_unavailable;
  std::string observe_seconds;
  bool force = false;
};

Result<std::vector<FormPart>> form_of(const FleetReloadOptions& options) {
  std::vector<FormPart> parts;
  for (const auto& [field, path] : {std::pair("file", options.file), std::pair("config", options.config),
                                    std::pair("signature", signature_file(options.signature, options.file))}) {
    if (path.empty()) continue;
    auto bytes = read_file(path, kMostFileBytes);
    if (!bytes) return std::unexpected(bytes.error());
    parts.push_back({field, std::move(*bytes), std::filesystem::path(path).filename().string()});
  }
  const Texts texts = {{"name", options.name},
                       {"expected_version", options.expected_version},
                       {"reason", options.reason},
                       {"target", options.target},
                       {"canary", options.canary},
                       {"waves", options.waves},
                       {"max_unavailable", options.max_unavailable},
                       {"observe_seconds", options.observe_seconds}};
  for (const auto& [field, text] : texts) {
    if (!text.empty()) parts.push_back({field, text, std::nullopt});
  }
  if (options.force) parts.push_back({"force", "true", std::nullopt});
  return parts;
}

// How a rollout ended, and the exit status.
int show_end(const ApiOptions& options, const Result<Json>& rollout) {
  if (!rollout) return complain(rollout.error());
  fmt::print("{}{}", options.json ? json_text(*rollout) : render_rollout(*rollout), options.json ? "\n" : "");
  return text_of(*rollout, "state") == "done" ? kOk : kRefused;
}

int reload_fleet(const FleetReloadOptions& options) {
  if (options.file.empty() && options.config.empty()) {
    return complain({ErrorCode::kMissingFile, "fleet reload needs a module file, or --config FILE"}, kUsage);
  }
  auto form = form_of(options);
  if (!form) return complain(form.error(), kUsage);
  form->push_back({"wait", "false", std::nullopt});
  return with_orchestrator(options.api, [&](const Client& client) {
    const auto begun = success_of(client, client.post_form("/api/v1/wasm/reload-fleet", *form), kFleetAcceptedShape);
    if (!begun) return complain(begun.error());
    return show_end(options.api, follow_rollout(client, begun->at("rollout_id").get<std::string>()));
  });
}

void add_reload(CLI::App& fleet, Run& run) {
  auto options = std::make_shared<FleetReloadOptions>();
  CLI::App* command = fleet.add_subcommand("reload", "Bring a version to every node, in waves");
  command->footer(
      "Every node that can be reached validates, compiles and rehearses the version first; only if all of them are\n"
      "ready does any of them swap. A wave that hurts is taken back with all before it. Exit status 0: every node "
      "that\n"
      "could be reached serves the version.\n\n"
      "Examples:\n"
      "  secbeat fleet reload bad-bot-blocker.wasm\n"
      "  secbeat fleet reload rules.wasm --canary 1 --observe-seconds 60 --reason 'ticket 4711'\n"
      "  secbeat fleet reload --config waf-config.json --waves 1,25%,100%");
  command->add_option("file", options->file, "The WebAssembly module; without it only the configuration changes")
      ->type_name("FILE");
  command->add_option("--config", options->config, "The module's configuration; default: the one that is desired")
      ->type_name("FILE");
  command->add_option("--signature", options->signature, "The module's signature; default: FILE.sig where it is there")
      ->type_name("FILE");
  command->add_option("--name", options->name, "The module's name; default: the embedded one");
  command->add_option("--expected-version", options->expected_version, "Only if every node serves this version")
      ->type_name("VERSION");
  command->add_option("--reason", options->reason, "Why, for the history");
  command->add_option("--target", options->target, "all (default), names of nodes with commas, or label=value");
  command->add_option("--canary", options->canary, "Nodes of the first wave: a number, or a part such as 5%");
  command->add_option("--waves", options->waves, "How much is reached after each wave, such as 1,25%,100%");
  command->add_option("--max-unavailable", options->max_unavailable, "Nodes that may be out of reach")
      ->type_name("NUMBER");
  command->add_option("--observe-seconds", options->observe_seconds, "How long each wave but the last is observed")
      ->type_name("SECONDS");
  command->add_flag("--force", options->force, "Pass the nodes' gates that judge behaviour, not validity");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] { run = [options] { return reload_fleet(*options); }; });
}

// A call whose body is texts.
struct FleetCall {
  ApiOptions api;
  std::string name;
  std::string to;
  std::string target;
  std::string reason;

  [[nodiscard]] std::string body() const {
    Json json = Json::object();
    for (const auto& [key, text] : Texts{{"name", name}, {"to_version", to}, {"target", target}, {"reason", reason}}) {
      if (!text.empty()) json[key] = text;
    }
    return json_text(json);
  }
};

// The exit status of an answer that was shown: `success` says whether it came about on every node that is there.
int succeed(const Result<Reply>& reply, int shown) {
  if (shown != kOk) return shown;
  return Json::parse(reply->body).at("success").get<bool>() ? kOk : kRefused;
}

void add_rollback(CLI::App& fleet, Run& run) {
  auto options = std::make_shared<FleetCall>();
  CLI::App* command = fleet.add_subcommand("rollback", "Take every node back, at once");
  command->footer(
      "Needs no upload. A rollout of the module that goes on is aborted first, and its nodes are taken back.\n\n"
      "Examples:\n"
      "  secbeat fleet rollback\n"
      "  secbeat fleet rollback bad-bot-blocker --to v1 --reason 'blocks the checkout'");
  command->add_option("name", options->name, "The module; default: the only one");
  command->add_option("--to", options->to, "The version to bring back; default: the one before")->type_name("VERSION");
  command->add_option("--target", options->target, "all (default), names of nodes with commas, or label=value");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(options->api, [&](const Client& client) {
        const auto reply = client.post_json("/api/v1/wasm/rollback-fleet", options->body());
        return succeed(reply, finish(options->api, client, reply, kFleetRollbackShape, render_fleet_rollback));
      });
    };
  });
}

void add_sync(CLI::App& fleet, Run& run) {
  auto options = std::make_shared<FleetCall>();
  CLI::App* command = fleet.add_subcommand("sync", "Bring every node to the versions that are desired");
  command->footer("Whatever was done on single nodes. Exit status 1 where a node failed.");
  command->add_option("name", options->name, "The module; default: all");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(options->api, [&](const Client& client) {
        const auto reply = client.post_json("/api/v1/wasm/sync-versions", options->body());
        return succeed(reply, finish(options->api, client, reply, kSyncShape, render_sync));
      });
    };
  });
}

// Whether every node is ready and serves what is desired; one that lacks a module reports nothing of it.
bool is_whole(const Json& nodes, const Json& modules) {
  const auto drifts = [](const Json& one) { return !one.at("drift").is_null(); };
  return !nodes.empty() && std::ranges::all_of(nodes, [&](const Json& node) {
    return node.at("ready").get<bool>() && std::ranges::none_of(node.at("modules"), drifts);
  }) && std::ranges::none_of(modules, [&](const Json& module) {
    return std::ranges::any_of(module.at("nodes"), drifts);
  });
}

int show_fleet(const ApiOptions& api, const Client& client) {
  const auto nodes = success_of(client, client.get("/api/v1/nodes"), kNodesShape);
  if (!nodes) return complain(nodes.error());
  const auto rollouts = success_of(client, client.get("/api/v1/rollouts?limit=5"), kRolloutsShape);
  if (!rollouts) return complain(rollouts.error());
  const auto versions = success_of(client, client.get("/api/v1/versions"), kFleetVersionsShape);
  if (!versions) return complain(versions.error());
  const bool whole = is_whole(nodes->at("nodes"), versions->at("modules"));
  if (api.json) {
    fmt::print("{}\n", json_text(Json{
                           {"whole", whole}, {"nodes", nodes->at("nodes")}, {"rollouts", rollouts->at("rollouts")}}));
  } else {
    fmt::print("Fleet at {}: {}\n\n{}\nLast rollouts\n{}", client.address(),
               whole ? paint(Tone::kGood, "whole") : paint(Tone::kBad, "not whole"), render_nodes(*nodes),
               render_rollouts(*rollouts));
  }
  return whole ? kOk : kRefused;
}

void add_status(CLI::App& fleet, Run& run) {
  auto options = std::make_shared<ApiOptions>();
  CLI::App* command = fleet.add_subcommand("status", "Which node serves what, who drifts, and the last rollouts");
  command->footer(
      "Exit status 0: the fleet is whole, which is that every node that reports is ready and serves what is desired.\n"
      "A node that has been silent for 30 s reports no more, and is not listed.");
  options->add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(*options, [&](const Client& client) { return show_fleet(*options, client); });
    };
  });
}

// The rollout that is meant where none is named: the one that changed last.
Result<std::string> last_rollout(const Client& client) {
  const auto rollouts = success_of(client, client.get("/api/v1/rollouts?limit=1"), kRolloutsShape);
  if (!rollouts) return std::unexpected(rollouts.error());
  if (rollouts->at("rollouts").empty()) return fail(ErrorCode::kUnknownRollout, "There is no rollout yet");
  return text_of(rollouts->at("rollouts").front(), "id");
}

struct OneRollout {
  ApiOptions api;
  std::string id;
};

void add_watch(CLI::App& fleet, Run& run) {
  auto options = std::make_shared<OneRollout>();
  CLI::App* command = fleet.add_subcommand("watch", "Follow a rollout until it has ended");
  command->footer("Exit status 0: it brought the version to every node that could be reached.");
  command->add_option("id", options->id, "The rollout; default: the one that changed last");
  options->api.add_to_fleet(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_orchestrator(options->api, [&](const Client& client) {
        const Result<std::string> id = options->id.empty() ? last_rollout(client) : Result<std::string>(options->id);
        if (!id) return complain(id.error());
        return show_end(options->api, follow_rollout(client, *id));
      });
    };
  });
}

void add_steering(CLI::App& fleet, Run& run, const std::string& word, const std::string& about) {
  auto options = std::make_shared<OneRollout>();
  CLI::App* command = fleet.add_subcommand(word, about);
  command->add_option("id", options->id, "The rollout; secbeat fleet status lists them")->required();
  options->api.add_to_fleet(*command);
  command->callback([options, word, &run] {
    run = [options, word] {
      return with_orchestrator(options->api, [&](const Client& client) {
        const std::string path = fmt::format("/api/v1/rollouts/{}/{}", url_encode(options->id), word);
        return finish(options->api, client, client.post_json(path, ""), kRolloutShape, render_rollout);
      });
    };
  });
}

}  // namespace

void add_fleet_command(CLI::App& app, Run& run) {
  CLI::App* fleet = app.add_subcommand("fleet", "See and change a fleet of nodes, through its orchestrator");
  fleet->require_subcommand(1);
  fleet->footer("Which orchestrator, in this order: --api, --profile, SECBEAT_ORCHESTRATOR, http://127.0.0.1:8080.");
  add_status(*fleet, run);
  add_reload(*fleet, run);
  add_rollback(*fleet, run);
  add_sync(*fleet, run);
  add_watch(*fleet, run);
  add_steering(*fleet, run, "pause", "Let a rollout swap nothing more until it is resumed");
  add_steering(*fleet, run, "resume", "Let a paused rollout go on");
  add_steering(*fleet, run, "abort", "End a rollout and take back what it has reached");
  add_fleet_rules(*fleet, run);
}

}  // namespace secbeat::cli
