#include "api_command.hpp"

#include <fmt/format.h>

#include "exit_codes.hpp"

namespace secbeat::cli {

void ApiOptions::add_to(CLI::App& command) {
  command.add_option("--api", address, "The node's API")->envname("SECBEAT_API")->capture_default_str();
  command.add_flag("--json", json, "Print the API's answer as it is, for programs");
}

int complain(const Error& error, int exit_code) {
  fmt::print(stderr, "secbeat: {}\n", clean(error.message));
  return exit_code;
}

int finish(const ApiOptions& options, const Result<Reply>& reply, const std::function<void(const Json&)>& show) {
  if (!reply) return complain(reply.error(), kUnreachable);
  const Json answer = Json::parse(reply->body, nullptr, false);
  if (answer.is_discarded() || !answer.is_object()) {
    return complain(
        {ErrorCode::kProtocol, fmt::format("{} answered {} with something that is not JSON; is it a node's API?",
                                           options.address, reply->status)},
        kUnreachable);
  }
  const bool ok = reply->status >= 200 && reply->status < 300;
  if (options.json) {
    fmt::print("{}\n", answer.dump(2));
    return ok ? kOk : kRefused;
  }
  if (ok) {
    show(answer);
    return kOk;
  }
  fmt::print(stderr, "secbeat: {}\n", clean(text_of(answer, "error")));
  if (answer.contains("status")) {
    fmt::print(stderr, "  {} ({}, HTTP {})\n", clean(text_of(answer, "status")), clean(text_of(answer, "code")),
               reply->status);
  } else {
    fmt::print(stderr, "  ({}, HTTP {})\n", clean(text_of(answer, "code")), reply->status);
  }
  return kRefused;
}

}  // namespace secbeat::cli
