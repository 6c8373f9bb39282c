// watch: the watch over a new version.
#include <fmt/format.h>

#include "commands/commands.hpp"
#include "commands/render.hpp"
#include "node_api/api_command.hpp"

namespace secbeat::cli {
namespace {

struct WatchOptions {
  ApiOptions api;
  std::string name;

  [[nodiscard]] std::string path(const char* base) const {
    return name.empty() ? std::string(base) : fmt::format("{}?name={}", base, url_encode(name));
  }
};

void add_show(CLI::App& watch, Run& run) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App* command = watch.add_subcommand("show", "What the last watch over a module has found so far");
  command->add_option("name", options->name, "The module; default: the first one");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        return finish(options->api, client, client.get(options->path("/api/v1/wasm/version")), kWatchShape,
                      render_watch);
      });
    };
  });
}

void add_end(CLI::App& watch, Run& run) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App* command = watch.add_subcommand("end", "End a watch that is running; its version stays");
  command->footer(
      "For a version that is meant to do what the watch would take it back for, such as one that blocks an attack.\n\n"
      "Example:\n"
      "  secbeat watch end bad-bot-blocker");
  command->add_option("name", options->name, "The module; default: the first one");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        return finish(options->api, client, client.post_json(options->path("/api/v1/wasm/watch/end"), ""),
                      kWatchEndShape, render_watch_end);
      });
    };
  });
}

}  // namespace

void add_watch_command(CLI::App& app, Run& run) {
  CLI::App* watch = app.add_subcommand("watch", "The watch that takes a new version back where it hurts");
  watch->require_subcommand(1);
  add_show(*watch, run);
  add_end(*watch, run);
}

}  // namespace secbeat::cli
