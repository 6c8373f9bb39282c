// remove: takes a module out of the chain.
#include <fmt/format.h>

#include "api_command.hpp"
#include "commands.hpp"

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

void show_removal(const Json& answer) {
  const std::string name = clean(text_of(answer, "name"));
  fmt::print("{}: {} {}\n", paint(Tone::kGood, text_of(answer, "message")), name,
             clean(text_of(answer, "removed_version")));
  const Json workers = answer.value("workers", Json::object());
  fmt::print("  workers {} of {}, pause {} µs (downtime {} ms)\n", text_of(workers, "serving"),
             text_of(workers, "total"), text_of(answer, "max_pause_us"), text_of(answer, "downtime_ms"));
  for (const Json& warning : answer.value("warnings", Json::array())) {
    if (warning.is_string()) fmt::print("  warning: {}\n", clean(warning.get<std::string>()));
  }
  fmt::print("To take it back: secbeat rollback {}\n", name);
}

}  // namespace

void add_remove_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* command = app.add_subcommand("remove", "Take a module out of the chain");
  command->footer(
      "Requests no longer meet the module. Its place and its versions are kept: a rollback of that name brings it "
      "back,\n"
      "also after a restart of the node. Without any module every request passes.\n\n"
      "Examples:\n"
      "  secbeat remove geo-rules\n"
      "  secbeat remove geo-rules --expected-version v3 --reason 'blocks the checkout'");
  command->add_option("name", options->name, "The module; secbeat status lists them")->required();
  command->add_option("--expected-version", options->expected_version, "Remove only if this version is serving");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      const Client client(options->api.address);
      return finish(options->api, client.remove(path_of(*options)), show_removal);
    };
  });
}

}  // namespace secbeat::cli
