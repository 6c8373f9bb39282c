// version, history, status: what is serving, since when, and how it came about.
#include <fmt/format.h>

#include "api_command.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"

namespace secbeat::cli {
namespace {

std::string joined(const Json& list) {
  std::string out;
  for (const Json& item : list) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", item.is_string() ? item.get<std::string>() : item.dump());
  }
  return out.empty() ? "-" : out;
}

void show_version(const Json& answer) {
  fmt::print("{} {}\n", paint(Tone::kGood, clean(text_of(answer, "name"))), clean(text_of(answer, "version")));
  fmt::print("  serving since     {}\n", text_of(answer, "loaded_at"));
  fmt::print("  previous version  {}\n", clean(text_of(answer, "previous_version")));
  fmt::print("  kept for rollback {}\n", clean(joined(answer.value("kept", Json::array()))));
  fmt::print("  size              {}\n", bytes_text(answer.value("size_bytes", std::uint64_t{0})));
  fmt::print("  sha256            {}\n", text_of(answer, "sha256"));
  fmt::print("  config sha256     {}\n", text_of(answer, "config_sha256"));
  fmt::print("  generation        {}\n", text_of(answer, "generation"));
  std::vector<std::vector<std::string>> rows;
  for (const Json& worker : answer.value("workers", Json::array())) {
    rows.push_back(
        {text_of(worker, "pid"), text_of(worker, "version"), text_of(worker, "generation"), text_of(worker, "since")});
  }
  if (!rows.empty()) fmt::print("\n{}", table({"WORKER", "VERSION", "GENERATION", "SINCE"}, rows));
}

std::vector<std::string> history_row(const Json& row) {
  const bool ok = row.value("success", false);
  const std::string attempted = text_of(row, "attempted_version");
  const std::string detail = ok ? text_of(row, "reason") : text_of(row, "error");
  return {text_of(row, "timestamp"),
          text_of(row, "name"),
          text_of(row, "kind"),
          ok ? text_of(row, "version") : text_of(row, "version") + (attempted == "-" ? "" : " (not " + attempted + ")"),
          ok ? "ok" : "failed",
          text_of(row, "duration_ms"),
          text_of(row, "requests_during_reload"),
          detail};
}

void show_history(const Json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& row : answer.value("reloads", Json::array())) rows.push_back(history_row(row));
  if (rows.empty()) {
    fmt::print("No reload yet\n");
    return;
  }
  fmt::print("{}", table({"TIME", "MODULE", "KIND", "SERVING AFTER", "RESULT", "MS", "REQUESTS", "REASON"}, rows));
}

int show_status(const ApiOptions& api) {
  const Client client(api.address);
  const auto modules = client.get("/api/v1/wasm/modules");
  const auto ready = client.get("/readyz");
  const auto history = client.get("/api/v1/wasm/history?limit=5");
  for (const auto* reply : {&modules, &ready, &history}) {
    if (!*reply) return complain(reply->error(), kUnreachable);
  }
  const Json chain = Json::parse(modules->body, nullptr, false);
  const Json readiness = Json::parse(ready->body, nullptr, false);
  const Json rows = Json::parse(history->body, nullptr, false);
  if (!chain.is_object() || !readiness.is_object() || !rows.is_object()) {
    return complain({ErrorCode::kProtocol, api.address + " does not answer like a node's API"}, kUnreachable);
  }
  const bool is_ready = ready->status == 200;
  if (api.json) {
    fmt::print("{}\n", Json{{"ready", is_ready},
                            {"readyz", readiness},
                            {"modules", chain.value("modules", Json::array())},
                            {"reloads", rows.value("reloads", Json::array())}}
                           .dump(2));
    return is_ready ? kOk : kRefused;
  }
  fmt::print(
      "Node at {}: {}\n\n", api.address,
      is_ready ? paint(Tone::kGood, "ready") : paint(Tone::kBad, "not ready: ") + clean(text_of(readiness, "error")));
  std::vector<std::vector<std::string>> table_rows;
  for (const Json& module : chain.value("modules", Json::array())) {
    table_rows.push_back({text_of(module, "name"), text_of(module, "version"), text_of(module, "loaded_at"),
                          text_of(module, "previous_version"),
                          bytes_text(module.value("size_bytes", std::uint64_t{0}))});
  }
  if (table_rows.empty()) {
    fmt::print("No module in force: every request passes. Load one: secbeat reload FILE.wasm\n");
  } else {
    fmt::print("{}\nTo take a version back: secbeat rollback NAME\n",
               table({"MODULE", "VERSION", "SERVING SINCE", "PREVIOUS", "SIZE"}, table_rows));
  }
  fmt::print("\nLast changes\n");
  show_history(rows);
  return is_ready ? kOk : kRefused;
}

}  // namespace

void add_version_command(CLI::App& app, Run& run) {
  struct Options {
    ApiOptions api;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("version", "Which version of a module is serving, and since when");
  command->footer("The version is what every worker has acknowledged. The program's own version: secbeat --version");
  command->add_option("name", options->name, "The module; default: the first one");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      const std::string query = options->name.empty() ? "" : "?name=" + url_encode(options->name);
      return finish(options->api, Client(options->api.address).get("/api/v1/wasm/version" + query), show_version);
    };
  });
}

void add_history_command(CLI::App& app, Run& run) {
  struct Options {
    ApiOptions api;
    std::string name;
    int limit = 20;
    std::string before;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("history", "What changed, when, why, and what was refused");
  command->footer("Newest first. Older rows: --before ID with the id of the last row (--json shows ids).");
  command->add_option("name", options->name, "The module; default: all");
  command->add_option("--limit", options->limit, "Rows, 1 to 1000")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--before", options->before, "Only rows with a smaller id");
  options->api.add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      std::string path = fmt::format("/api/v1/wasm/history?limit={}", options->limit);
      if (!options->name.empty()) path += "&name=" + url_encode(options->name);
      if (!options->before.empty()) path += "&before=" + url_encode(options->before);
      return finish(options->api, Client(options->api.address).get(path), show_history);
    };
  });
}

void add_status_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<ApiOptions>();
  CLI::App* command = app.add_subcommand("status", "The node at a glance: modules in force, readiness, last changes");
  command->footer("Exit status 1 when the node is not ready.");
  options->add_to(*command);
  command->callback([options, &run] { run = [options] { return show_status(*options); }; });
}

}  // namespace secbeat::cli
