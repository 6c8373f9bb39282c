// reload and rollback: what changes the rules.
#include <fmt/format.h>

#include <filesystem>

#include "commands/commands.hpp"
#include "commands/glass_options.hpp"
#include "commands/render.hpp"
#include "commands/signature_file.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "node_api/progress.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

// The node's own limit decides; this only keeps a mistaken argument from being read whole.
constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20U;
constexpr const char* kRollbackReason = "Manual rollback";

struct ReloadOptions {
  ApiOptions api;
  std::string file;
  std::string config;
  std::string signature;
  std::string name;
  std::string expected_version;
  std::string reason;
  bool dry_run = false;
  bool force = false;
};

Result<std::vector<FormPart>> form_of(const ReloadOptions& options) {
  std::vector<FormPart> parts;
  const auto add_file = [&parts](const char* field, const std::string& path) -> Result<void> {
    if (path.empty()) return {};
    auto bytes = read_file(path, kMaxFileBytes);
    if (!bytes) return std::unexpected(bytes.error());
    parts.push_back({field, std::move(*bytes), std::filesystem::path(path).filename().string()});
    return {};
  };
  if (auto added = add_file("file", options.file); !added) return std::unexpected(added.error());
  if (auto added = add_file("config", options.config); !added) return std::unexpected(added.error());
  const std::string signature = signature_file(options.signature, options.file);
  if (auto added = add_file("signature", signature); !added) return std::unexpected(added.error());
  const auto add_text = [&parts](const char* field, const std::string& text) {
    if (!text.empty()) parts.push_back({field, text, std::nullopt});
  };
  add_text("name", options.name);
  add_text("expected_version", options.expected_version);
  add_text("reason", options.reason);
  if (options.dry_run) add_text("dry_run", "true");
  if (options.force) add_text("force", "true");
  return parts;
}

}  // namespace

void add_reload_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<ReloadOptions>();
  CLI::App* command = app.add_subcommand("reload", "Replace a module or its configuration on a running node");
  command->footer(
      "The new version is validated, compiled and rehearsed beside the traffic and then swapped in at once in every\n"
      "worker. When a check fails, what is in force keeps serving and the reason is told.\n\n"
      "Examples:\n"
      "  secbeat reload bad-bot-blocker.wasm\n"
      "  secbeat reload --config waf-config.json --reason 'block CVE-2026-1234'\n"
      "  secbeat reload rules.wasm --expected-version v3 --dry-run");
  command->add_option("file", options->file, "The WebAssembly module; without it only the configuration changes")
      ->type_name("FILE");
  command->add_option("--config", options->config, "The module's configuration; default: the one in force is kept")
      ->type_name("FILE");
  command->add_option("--signature", options->signature, "The module's signature; default: FILE.sig where it is there")
      ->type_name("FILE");
  command->add_option("--name", options->name, "The module's name; default: the embedded one, else the first module");
  command->add_option("--expected-version", options->expected_version, "Reload only if this version is serving")
      ->type_name("VERSION");
  command->add_option("--reason", options->reason, "Why, for the history");
  command->add_flag("--dry-run", options->dry_run, "Every check and the rehearsal, no swap");
  command->add_flag("--force", options->force,
                    "Pass the gates that judge behaviour (cost, inventory, quarantine, frequency), not validity");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      if (options->file.empty() && options->config.empty()) {
        return complain(
            {ErrorCode::kMissingFile, "reload needs a module file, or --config FILE to change only the configuration"},
            kUsage);
      }
      const auto form = form_of(*options);
      if (!form) return complain(form.error(), kUsage);
      return with_node(options->api, [&](const Client& client) {
        const auto reply = with_progress(client, [&] { return client.post_form("/api/v1/wasm/reload", *form); });
        return finish(options->api, client, reply, kReloadShape, render_reload);
      });
    };
  });
}

void add_rollback_command(CLI::App& app, Run& run) {
  struct RollbackOptions {
    GlassOptions glass;
    std::string name;
    std::string to;
  };
  auto options = std::make_shared<RollbackOptions>();
  CLI::App* command = app.add_subcommand("rollback", "Bring back the version before, or a named one");
  command->footer(
      "Takes no upload and no compiler: the previous versions stay loaded, and every worker swaps a pointer.\n"
      "Works also while reloads are disabled or frozen, and ends a compile that is under way. With no agent there the\n"
      "version before is brought back through the scoreboard.\n\n"
      "Examples:\n"
      "  secbeat rollback\n"
      "  secbeat rollback bad-bot-blocker --to v1 --reason 'blocks the checkout'");
  command->add_option("name", options->name, "The module; default: the first one");
  command->add_option("--to", options->to, "The version to bring back; default: the one before")->type_name("VERSION");
  options->glass.add_to(*command, kRollbackReason);
  command->callback([options, &run] {
    run = [options] {
      Json body = Json::object();
      if (!options->name.empty()) body["name"] = options->name;
      if (!options->to.empty()) body["to_version"] = options->to;
      if (!options->glass.reason.empty()) body["reason"] = options->glass.reason;
      const std::string text = json_text(body);
      return with_node(options->glass.api, [&](const Client& client) {
        if (const auto alive = ask_agent(options->glass, client); !alive) {
          return act_without_agent(options->glass, client, alive.error(), [&](agent::WithoutAgent& glass) {
            return glass.rollback(options->name, options->to,
                                  options->glass.reason.empty() ? kRollbackReason : options->glass.reason);
          });
        }
        const auto reply = with_progress(client, [&] { return client.post_json("/api/v1/wasm/rollback", text); });
        return finish(options->glass.api, client, reply, kRollbackShape, render_rollback);
      });
    };
  });
}

}  // namespace secbeat::cli
