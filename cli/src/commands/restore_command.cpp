// archive restore: a fleet out of its archive, into a NATS that has lost it.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/nats_options.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/orchestrator/restore.hpp"
#include "secbeat/service/log.hpp"

namespace secbeat::cli {
namespace {

using orchestrator::RestorePlan;
using orchestrator::RestoreSource;

struct RestoreOptions {
  std::string config;
  std::string archive;
  std::optional<std::uint64_t> revision;
  bool dry_run = false;
  bool force = false;
  bool anew = false;
  bool json = false;
  unsigned wait = 20;  // s: a node that was refused tries again within 17
};

Result<archive::Location> archive_of(const RestoreOptions& options, const agent::Config& config) {
  if (options.archive.empty()) {
    if (!config.archive.is_nowhere()) return config.archive;
    return fail(ErrorCode::kConfig, options.config + " names no archive ([archive] url), and --archive is not given");
  }
  auto location = archive::location_of(options.archive);
  if (!location) return fail(ErrorCode::kConfig, "--archive: " + location.error().message);
  // What else S3 needs is the configuration's.
  location->endpoint = config.archive.endpoint;
  location->region = config.archive.region;
  location->credentials = config.archive.credentials;
  location->tls_ca = config.archive.tls_ca;
  return location;
}

Result<std::unique_ptr<fleet::Connection>> connect(const agent::Config& config) {
  using std::chrono::milliseconds;
  constexpr milliseconds kPatience{10000};
  constexpr milliseconds kBetweenLooks{20};
  auto connection = fleet::Connection::start(agent::nats_options(config, "secbeat archive restore"));
  if (!connection) return connection;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!(*connection)->connected()) {
    if ((*connection)->has_ended() || std::chrono::steady_clock::now() > deadline) {
      return fail(ErrorCode::kNotReady,
                  fmt::format("NATS cannot be reached: look at [nats] of {}, and at its server", config.file.string()));
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return connection;
}

orchestrator::Progress progress_of(const RestoreOptions& options, std::string_view what) {
  const bool is_seen = !options.json && ::isatty(STDERR_FILENO) == 1;
  return [is_seen, what](std::string_view, std::size_t done, std::size_t all) {
    if (is_seen) fmt::print(stderr, "\r{} {} of {}{}", what, done, all, done == all ? "\n" : "");
  };
}

Json json_of(const RestoreSource& source, const RestorePlan& plan, std::string_view place, bool restored) {
  Json modules = Json::array();
  for (const fleet::DesiredModule& module : plan.desired.modules) {
    modules.push_back({{"name", module.name},
                       {"version", module.version.label},
                       {"sha256", module.version.sha256},
                       {"config_sha256", module.version.config_sha256},
                       {"revision", module.revision},
                       {"before", module.before.size()}});
  }
  Json ahead = Json::array();
  for (const orchestrator::NodeAhead& node : plan.ahead) {
    ahead.push_back(
        {{"node", node.node}, {"module", node.module}, {"version", node.version}, {"reached", node.reached}});
  }
  return {{"restored", restored},
          {"archive", place},
          {"file", source.file},
          {"revision", plan.desired.revision},
          {"modules", std::move(modules)},
          {"objects", source.contents.size()},
          {"bytes", source.bytes},
          {"left_out", source.left_out},
          {"archived_at", source.archived_at},
          {"archived_later", source.newer},
          {"unread", source.unread},
          {"no_longer_desired", plan.no_longer},
          {"nodes_reported", plan.nodes},
          {"nodes_ahead", std::move(ahead)},
          {"nats_has", plan.there}};
}

void show(const RestoreSource& source, const RestorePlan& plan, std::string_view place) {
  fmt::print("{}/{}{}{}: {} modules and configurations, {}, hashes checked\n", clean(std::string(place)),
             clean(source.file), source.archived_at.empty() ? "" : ", archived ", clean(source.archived_at),
             source.contents.size(), bytes_text(source.bytes));
  if (!source.newer.empty()) {
    fmt::print("{} was archived later: --revision restores it, if that is the fleet that you mean\n",
               clean(source.newer));
  }
  std::vector<std::vector<std::string>> rows;
  for (const fleet::DesiredModule& module : plan.desired.modules) {
    rows.push_back(
        {module.name, module.version.label, std::to_string(module.revision), std::to_string(module.before.size())});
  }
  fmt::print("{}", table({"MODULE", "VERSION", "REVISION", "KEPT BEFORE"}, rows));
  for (const std::string& version : source.left_out) fmt::print("Not kept for a rollback: {}\n", clean(version));
  for (const std::string& what : source.unread) {
    fmt::print("Not read, and so a label may come to be given again: {}\n", clean(what));
  }
  for (const std::string& module : plan.no_longer) fmt::print("No longer desired: {}\n", clean(module));
  fmt::print("{} nodes have reported{}\n", plan.nodes, plan.nodes == 0 ? ": who is ahead is not known" : "");
  for (const orchestrator::NodeAhead& node : plan.ahead) {
    fmt::print("{} serves {} {} since revision {} and stays with it; --anew takes it back\n", clean(node.node),
               clean(node.module), clean(node.version), node.reached);
  }
}

int run_restore(const RestoreOptions& options) {
  service::log_to_standard_error("warn");  // standard output is the report's
  const auto config = agent::load_config(options.config, agent::Program::kOrchestrator);
  if (!config) return complain(config.error(), kUsage);
  const auto location = archive_of(options, *config);
  if (!location) return complain(location.error(), kUsage);
  const archive::VersionArchive archive(archive::open_storage(*location));
  const auto source = orchestrator::read_restore_source(archive, options.revision, progress_of(options, "checked"));
  if (!source) return complain(source.error(), kRefused);
  const auto connection = connect(*config);
  if (!connection) return complain(connection.error(), kUnreachable);
  if (!options.dry_run) {
    const auto heard = orchestrator::hear_nodes(**connection, static_cast<int>(config->orchestrator.replicas),
                                                std::chrono::seconds(options.wait));
    if (!heard) return complain(heard.error(), kRefused);
  }
  const auto plan = orchestrator::plan_restore(**connection, *source, {.anew = options.anew});
  if (!plan) return complain(plan.error(), kRefused);
  if (!options.json) show(*source, *plan, archive.place());
  if (options.json && options.dry_run) fmt::print("{}\n", json_text(json_of(*source, *plan, archive.place(), false)));
  if (!plan->there.empty() && !options.force) {
    return complain({ErrorCode::kPreconditionFailed,
                     fmt::format("NATS is not empty: it has {}. --force replaces what is desired there",
                                 fmt::join(plan->there, " and "))},
                    kRefused);
  }
  if (options.dry_run) {
    if (!options.json) fmt::print("Nothing was changed (--dry-run)\n");
    return kOk;
  }
  const auto restored =
      orchestrator::restore(**connection, archive, *source, *plan, static_cast<int>(config->orchestrator.replicas),
                            progress_of(options, "restored"));
  if (!restored) return complain(restored.error(), kRefused);
  if (options.json) {
    fmt::print("{}\n", json_text(json_of(*source, *plan, archive.place(), true)));
  } else {
    fmt::print("Restored: the desired state has revision {}; nodes follow by themselves\n", plan->desired.revision);
  }
  return kOk;
}

}  // namespace

void add_restore_command(CLI::App& archive, Run& run) {
  auto options = std::make_shared<RestoreOptions>();
  CLI::App* command = archive.add_subcommand("restore", "Rebuild a fleet out of its archive, into an empty NATS");
  command->footer(
      "Reads what was desired last, checks every hash, and puts modules, configurations and the desired state into\n"
      "NATS. Revisions stay as they were: nodes that have reached them, or newer ones, go on with what they serve.\n\n"
      "Examples:\n"
      "  secbeat archive restore --config /etc/secbeat/orchestrator.toml --dry-run\n"
      "  secbeat archive restore --config /etc/secbeat/orchestrator.toml\n"
      "  secbeat archive restore --config /etc/secbeat/orchestrator.toml --archive s3://rules/waf --revision 41 "
      "--anew");
  command->add_option("--config", options->config, "The orchestrator's configuration: [nats] and [archive]")
      ->type_name("FILE")
      ->envname("SECBEAT_CONFIG")
      ->required();
  command->add_option("--archive", options->archive, "Another archive: a folder, or a file:// or s3:// URL")
      ->type_name("URL");
  command->add_option("--revision", options->revision, "What was desired at this revision; default: the newest")
      ->type_name("NUMBER");
  command->add_flag("--dry-run", options->dry_run, "Say what would be done, and change nothing");
  command->add_flag("--force", options->force, "Also where NATS has a fleet's state: what is desired is replaced");
  command->add_flag("--anew", options->anew,
                    "With a revision above all that nodes have reached: every node comes to what the archive has, also "
                    "one that serves something newer");
  command->add_option("--wait", options->wait, "Seconds in which nodes may report, where none is known; default: 20")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 3600));
  command->add_flag("--json", options->json, "Print JSON, for programs");
  command->callback([options, &run] { run = [options] { return run_restore(*options); }; });
}

}  // namespace secbeat::cli
