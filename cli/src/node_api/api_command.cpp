#include "node_api/api_command.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "exit_codes.hpp"

namespace secbeat::cli {
namespace {

constexpr std::array kErrorShape = {Field{"error", Kind::kText}, Field{"code", Kind::kText}};

bool succeeded(const Reply& reply) { return reply.status >= 200 && reply.status < 300; }

Error not_a_node(const Client& client, const Reply& reply, const Error& what) {
  return {ErrorCode::kProtocol, fmt::format("{} answered {} with {}; is it a node's API, and of this version?",
                                            client.address(), reply.status, what.message)};
}

// Any answer of a node: one of success has `shape`, any other is an error.
Result<Json> answer_of(const Client& client, const Reply& reply, std::span<const Field> shape) {
  auto answer = parse_answer(reply.body);
  if (!answer) return std::unexpected(not_a_node(client, reply, answer.error()));
  const auto right = check_shape(*answer, succeeded(reply) ? shape : std::span<const Field>(kErrorShape));
  if (!right) return std::unexpected(not_a_node(client, reply, right.error()));
  return answer;
}

std::string reason_of(const Json& answer, const Reply& reply) {
  const std::string status = answer.contains("status") ? clean(text_of(answer, "status")) + " " : "";
  return fmt::format("{}\n  {}({}, HTTP {})", clean(text_of(answer, "error")), status, clean(text_of(answer, "code")),
                     reply.status);
}

}  // namespace

namespace {

void add_options(ApiOptions& options, CLI::App& command, std::string_view whose, std::string_view otherwise) {
  command.add_option("--api", options.api, fmt::format("The {}'s API; default: {}", whose, otherwise))
      ->type_name("URL");
  command.add_option("--profile", options.profile, "A profile of the profile file: an address, and perhaps a key")
      ->type_name("NAME");
  command
      .add_option("--key-file", options.key_file,
                  "A file with the key to send; default: SECBEAT_KEY, else the profile's")
      ->type_name("FILE");
  command
      .add_option(
          "--ca", options.ca,
          fmt::format("Who may have signed the {}'s certificate, PEM; default: SECBEAT_CA, else the profile's", whose))
      ->type_name("FILE");
  command.add_flag("--json", options.json, "Print the API's answer, for programs");
}

int with_choice(const Choice& choice, const std::function<int(const Client&)>& ask) {
  auto target = choose_target(choice);
  if (!target) return complain(target.error(), kUsage);
  for (const std::string& warning : target->warnings) fmt::print(stderr, "secbeat: warning: {}\n", clean(warning));
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const Client client(*std::move(target));
  try {
    return ask(client);
  } catch (const Json::exception& error) {  // a member that no shape names
    return complain(
        {ErrorCode::kProtocol,
         fmt::format("{} answered with JSON that has another form than this: {}; is it a node's API, and of "
                     "this version?",
                     client.address(), clean(error.what()))});
  }
}

Choice choice_of(const ApiOptions& options) {
  Choice choice = choice_from_environment();
  choice.api = options.api;
  choice.profile = options.profile;
  choice.key_file = options.key_file;
  choice.ca = options.ca;
  return choice;
}

}  // namespace

void ApiOptions::add_to(CLI::App& command) {
  add_options(*this, command, "node", "the profile's, else http://127.0.0.1:9090");
}

void ApiOptions::add_to_fleet(CLI::App& command) {
  add_options(*this, command, "orchestrator", "SECBEAT_ORCHESTRATOR, else http://127.0.0.1:8080");
}

int with_node(const ApiOptions& options, const std::function<int(const Client&)>& ask) {
  return with_choice(choice_of(options), ask);
}

// What the environment and the file's default say is of a node.
int with_orchestrator(const ApiOptions& options, const std::function<int(const Client&)>& ask) {
  Choice choice = choice_of(options);
  if (choice.api.empty() && choice.profile.empty()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char* said = std::getenv("SECBEAT_ORCHESTRATOR");
    choice.api = said != nullptr && *said != '\0' ? said : kOrchestratorAddress;
  }
  return with_choice(choice, ask);
}

int complain(const Error& error, int exit_code) {
  fmt::print(stderr, "secbeat: {}\n", clean_lines(error.message));
  return exit_code;
}

int complain(const Error& error) {
  const bool no_node = error.code == ErrorCode::kIo || error.code == ErrorCode::kProtocol;
  return complain(error, no_node ? kUnreachable : kRefused);
}

Result<Json> success_of(const Client& client, const Result<Reply>& reply, std::span<const Field> shape) {
  if (!reply) return std::unexpected(reply.error());
  auto answer = answer_of(client, *reply, shape);
  if (!answer || succeeded(*reply)) return answer;
  const ErrorCode code = code_of(answer->at("code").get<std::string>());
  const bool of_this_side = code == ErrorCode::kIo || code == ErrorCode::kProtocol;
  return fail(of_this_side ? ErrorCode::kInternal : code, reason_of(*answer, *reply));
}

int finish(const ApiOptions& options, const Client& client, const Result<Reply>& reply, std::span<const Field> shape,
           const Render& render) {
  if (!reply) return complain(reply.error(), kUnreachable);
  const auto answer = answer_of(client, *reply, shape);
  if (!answer) return complain(answer.error(), kUnreachable);
  if (options.json) {
    fmt::print("{}\n", json_text(*answer));
    return succeeded(*reply) ? kOk : kRefused;
  }
  if (!succeeded(*reply)) return complain({ErrorCode::kInternal, reason_of(*answer, *reply)}, kRefused);
  try {
    fmt::print("{}", render(*answer));
  } catch (const Json::exception& error) {  // a member that `shape` does not name
    return complain(not_a_node(client, *reply,
                               {ErrorCode::kProtocol, "JSON that has another form than this: " + clean(error.what())}),
                    kUnreachable);
  }
  return kOk;
}

}  // namespace secbeat::cli
