// version, history, modules, errors, requests: one question to a node, one table. status: three questions.
#include <fmt/format.h>

#include "commands/commands.hpp"
#include "commands/render.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"

namespace secbeat::cli {
namespace {

// What the questions take. An empty text was not given.
struct Question {
  ApiOptions api;
  std::string name;
  std::string version;
  std::string since;
  std::string verdict;
  std::string before;
  int limit = 0;  // 0: not a question with a limit

  [[nodiscard]] std::string query() const {
    std::string out;
    const auto add = [&out](std::string_view key, const std::string& value) {
      if (!value.empty()) out += fmt::format("{}{}={}", out.empty() ? "?" : "&", key, url_encode(value));
    };
    add("name", name);
    add("version", version);
    add("since", since);
    add("verdict", verdict);
    add("before", before);
    if (limit > 0) add("limit", std::to_string(limit));
    return out;
  }
};

void add_limit(CLI::App& command, Question& question) {
  question.limit = 20;
  command.add_option("--limit", question.limit, "Rows, 1 to 1000")->check(CLI::Range(1, 1000))->capture_default_str();
}

// The command asks `path` and renders what comes.
void answer_with(CLI::App& command, const std::shared_ptr<Question>& question, Run& run, const std::string& path,
                 std::span<const Field> shape, std::string (*render)(const Json&)) {
  question->api.add_to(command);
  command.callback([=, &run] {
    run = [=] {
      return with_node(question->api, [&](const Client& client) {
        return finish(question->api, client, client.get(path + question->query()), shape, render);
      });
    };
  });
}

// A sentence where the archive lags behind; a node of before has no such member.
std::string render_archive(const Json& modules) {
  const auto archive = modules.find("archive");
  if (archive == modules.end() || !archive->is_object()) return {};
  const auto error = archive->find("error");
  if (error == archive->end() || !error->is_string()) return {};
  const auto pending = archive->find("pending");
  const bool is_number = pending != archive->end() && pending->is_number_unsigned();
  return fmt::format("{} versions wait for the archive: {}\n",
                     is_number ? grouped(pending->get<std::uint64_t>()) : std::string("Some"),
                     clean(error->get<std::string>()));
}

int show_status(const ApiOptions& api, const Client& client) {
  const auto modules = success_of(client, client.get("/api/v1/wasm/modules"), kModulesShape);
  if (!modules) return complain(modules.error());
  const auto history = success_of(client, client.get("/api/v1/wasm/history?limit=5"), kHistoryShape);
  if (!history) return complain(history.error());
  const auto glass = success_of(client, client.get("/api/v1/break-glass"), kBreakGlassShape);
  if (!glass) return complain(glass.error());
  const auto readyz = client.get("/readyz");
  const bool is_ready = readyz && readyz->status == 200;
  const auto ready = success_of(client, readyz, kReadyShape);
  if (!ready && ready.error().code != ErrorCode::kNotReady) return complain(ready.error());
  if (api.json) {
    const Json document{{"ready", is_ready},
                        {"readyz", Json::parse(readyz->body, nullptr, false)},
                        {"break_glass", *glass},
                        {"modules", modules->at("modules")},
                        {"archive", modules->value("archive", Json())},
                        {"reloads", history->at("reloads")}};
    fmt::print("{}\n", json_text(document));
    return is_ready ? kOk : kRefused;
  }
  std::string out = fmt::format("Node at {}: {}\n\n", client.address(),
                                is_ready ? paint(Tone::kGood, "ready") : paint(Tone::kBad, ready.error().message));
  if (const std::string in_effect = render_break_glass(*glass); !in_effect.empty()) out += in_effect + "\n";
  out += render_modules(*modules);
  if (const std::string watches = render_running_watches(modules->at("modules")); !watches.empty()) {
    out += "\n" + watches;
  }
  if (const std::string waits = render_archive(*modules); !waits.empty()) out += "\n" + waits;
  if (!modules->at("modules").empty()) out += "\nTo take a version back: secbeat rollback NAME\n";
  fmt::print("{}\nLast changes\n{}", out, render_history(*history));
  return is_ready ? kOk : kRefused;
}

}  // namespace

void add_version_command(CLI::App& app, Run& run) {
  auto question = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("version", "Which version of a module is serving, and since when");
  command->footer("The version is what every worker has acknowledged. The program's own version: secbeat --version");
  command->add_option("name", question->name, "The module; default: the first one");
  answer_with(*command, question, run, "/api/v1/wasm/version", kVersionShape, render_version);
}

void add_history_command(CLI::App& app, Run& run) {
  auto question = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("history", "What changed, when, why, and what was refused");
  command->footer(
      "Newest first. Older rows: --before ID with the id of the last row (--json shows ids).\n\n"
      "Examples:\n"
      "  secbeat history\n"
      "  secbeat history bad-bot-blocker --limit 100 --json");
  command->add_option("name", question->name, "The module; default: all");
  add_limit(*command, *question);
  command->add_option("--before", question->before, "Only rows with a smaller id")->type_name("ID");
  answer_with(*command, question, run, "/api/v1/wasm/history", kHistoryShape, render_history);
}

void add_modules_command(CLI::App& app, Run& run) {
  auto question = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("modules", "The modules in force, in the order in which requests meet them");
  command->footer(
      "KEPT are the versions that a rollback reaches without a compile: secbeat rollback NAME --to VERSION");
  answer_with(*command, question, run, "/api/v1/wasm/modules", kModulesShape, render_modules);
}

void add_errors_command(CLI::App& app, Run& run) {
  auto question = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("errors", "Errors that modules made while they decided requests");
  command->footer(
      "Equal errors are one row with a count and the newest request that met them. What a request is decided by\n"
      "when a module fails is its on_error.\n\n"
      "Examples:\n"
      "  secbeat errors\n"
      "  secbeat errors bad-bot-blocker --version 1.1.0 --since 3600");
  command->add_option("name", question->name, "The module; default: all");
  command->add_option("--version", question->version, "Only of this version");
  command
      ->add_option("--since", question->since,
                   "Seconds back, or a time such as 2025-11-24T01:00:03Z; default: 300 seconds")
      ->type_name("TIME");
  add_limit(*command, *question);
  answer_with(*command, question, run, "/api/v1/wasm/errors", kErrorsShape, render_errors);
}

void add_requests_command(CLI::App& app, Run& run) {
  auto question = std::make_shared<Question>();
  CLI::App* command = app.add_subcommand("requests", "The newest requests that were not simply let through");
  command->footer(
      "Which module and rule decided, and what it said. A node remembers the last 1000.\n\n"
      "Examples:\n"
      "  secbeat requests\n"
      "  secbeat requests --verdict block --limit 100");
  command->add_option("--verdict", question->verdict, "Only of this verdict")
      ->check(CLI::IsMember({"block", "log", "rate_limit"}));
  add_limit(*command, *question);
  command->add_option("--before", question->before, "Only requests with a smaller id")->type_name("ID");
  answer_with(*command, question, run, "/api/v1/requests", kRequestsShape, render_requests);
}

void add_status_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<ApiOptions>();
  CLI::App* command = app.add_subcommand("status", "The node at a glance: modules in force, readiness, last changes");
  command->footer("Exit status 1 when the node is not ready.");
  options->add_to(*command);
  command->callback([options, &run] {
    run = [options] {
      return with_node(*options, [&](const Client& client) { return show_status(*options, client); });
    };
  });
}

}  // namespace secbeat::cli
