// remove: takes a module out of the chain.
#include <fmt/format.h>

#include "commands/commands.hpp"
#include "commands/render.hpp"
#include "node_api/api_command.hpp"
#include "node_api/progress.hpp"

namespace secbeat::cli {
namespace {

struct RemoveOptions {
  ApiOptions api;
  std::string name;
  std::string expected_version;
  std::string reason;
};

std::string path_of(const RemoveOptions& options) {
  std::string path = "/api/v1/wasm/modules/" + url_encode(options.name);
  char separator = '?';
  for (const auto& [key, value] :
       {std::pair{"expected_version", &options.expected_version}, std::pair{"reason", &options.reason}}) {
    if (value->empty()) continue;
    path += fmt::format("{}{}={}", separator, key, url_encode(*value));
    separator = '&';
  }
  return path;
}

}  // namespace

void add_remove_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* command = app.add_subcommand("remove", "Take a module out of the chain");
  command->footer(
      "Requests no longer meet the module. Its place and its versions are kept: a rollback of that name brings it\n"
      "back, also after a restart of the node. Without any module every request passes.\n\n"
      "Examples:\n"
      "  secbeat remove geo-rules\n"
      "  secbeat remove geo-rules --expected-version v3 --reason 'blocks the checkout'");
  command->add_option("name", options->name, "The module; secbeat status lists them")->required();
  command->add_option("--expected-version", options->expected_version, "Remove only if this version is serving")
      ->type_name("VERSION");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(options->api, [&](const Client& client) {
        const auto reply = with_progress(client, [&] { return client.remove(path_of(*options)); });
        return finish(options->api, client, reply, kRemovalShape, render_removal);
      });
    };
  });
}

}  // namespace secbeat::cli
