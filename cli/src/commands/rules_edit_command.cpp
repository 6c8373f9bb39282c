// rules edit: the node's document in an editor, checked before it is sent, and sent only onto what was read.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "commands/render.hpp"
#include "commands/rules_tools.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "node_api/progress.hpp"
#include "rules/rule_diff.hpp"
#include "rules/rule_file.hpp"
#include "rules/temporary_file.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::cli {
namespace {

constexpr const char* kPath = "/api/v1/rules";
// How often others' changes are taken in before somebody has to look.
constexpr int kAttempts = 4;

struct EditOptions {
  ApiOptions api;
  std::string reason;
};

struct OnNode {
  Json document;
  std::string etag;
};

Result<OnNode> read_node(const Client& client) {
  const auto reply = client.get(kPath);
  const auto answer = success_of(client, reply, kRulesShape);
  if (!answer) return std::unexpected(answer.error());
  auto document = parse_rules(reply->body);
  if (!document || reply->etag.empty()) {
    return fail(
        ErrorCode::kProtocol,
        client.address() + " answered without rules or without an ETag; is it a node's API, and of this version?");
  }
  return OnNode{*std::move(document), reply->etag};
}

std::string editor() {
  for (const char* name : {"VISUAL", "EDITOR"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
    if (value != nullptr && *value != '\0') return value;
  }
  return "vi";
}

// As a shell runs it, so that options in $EDITOR count; the file is an argument and never part of the text.
Result<void> run_editor(const std::filesystem::path& file) {
  const std::string command = editor() + " \"$1\"";
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(io_error("cannot start the editor"));
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), "sh", file.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kIo,
              fmt::format("The editor \"{}\" ended with a failure; nothing was sent. $VISUAL or $EDITOR names another",
                          editor()));
}

// Whether somebody at a terminal wants the file open again.
bool wants_again() {
  if (::isatty(STDIN_FILENO) == 0) return false;
  fmt::print(stderr, "Edit again? [Y/n] ");
  std::string answer;
  return std::getline(std::cin, answer) && (answer.empty() || answer[0] == 'y' || answer[0] == 'Y');
}

int give_up(TemporaryFile& file, const Error& error, int exit_code) {
  complain(error, exit_code);
  fmt::print(stderr, "Nothing was changed. What you wrote is in {}\n", clean(file.keep().string()));
  return exit_code;
}

// The node makes expires_at of ttl_seconds on receipt; the module alone would refuse it.
Json as_received(Json document) {
  for (Json& rule : document.at("rules")) {
    if (!rule.contains("ttl_seconds") || rule.contains("expires_at")) continue;
    rule.erase("ttl_seconds");
    rule["expires_at"] = nullptr;
  }
  return document;
}

// The faults of what was written; places are those of the file unless a rule has ttl_seconds.
Result<bool> has_faults(const std::filesystem::path& file, const std::string& text) {
  std::string checked = text;
  if (text.find("\"ttl_seconds\"") != std::string::npos) {
    if (const auto document = parse_rules(text)) checked = rules_text(as_received(*document));
  }
  auto copy = TemporaryFile::make("rules", checked);
  if (!copy) return std::unexpected(copy.error());
  const auto notes = lint_file(copy->path().string(), checked, {});
  if (!notes) return std::unexpected(notes.error());
  bool faults = false;
  for (const LintNote& note : *notes) {
    fmt::print(stderr, "{}", render(note));
    faults = faults || note.is_fault;
  }
  if (faults) fmt::print(stderr, "A node would not take {}\n", clean(file.string()));
  return faults;
}

// Opens the editor until what it leaves has no faults; nothing: the user gave up, or could not be asked.
Result<std::optional<Json>> edited(const std::filesystem::path& file) {
  for (;;) {
    if (auto ran = run_editor(file); !ran) return std::unexpected(ran.error());
    const auto text = read_file(file, kMaxRulesBytes);
    if (!text) return std::unexpected(text.error());
    const auto faulty = has_faults(file, *text);
    if (!faulty) return std::unexpected(faulty.error());
    if (!*faulty) {
      auto document = parse_rules(*text);
      if (!document) return std::unexpected(document.error());
      return *std::move(document);
    }
    if (!wants_again()) return std::nullopt;
  }
}

// Sends `mine` onto what the node has; what others changed since `base` was read stays.
int send(const EditOptions& options, const Client& client, TemporaryFile& file, OnNode base, Json mine) {
  const std::string path =
      options.reason.empty() ? kPath : std::string(kPath) + "?reason=" + url_encode(options.reason);
  for (int attempt = 1;; ++attempt) {
    const auto reply = with_progress(client, [&] { return client.put_json(path, mine.dump(), base.etag); });
    const bool overtaken = reply && reply->status == http_status_of(ErrorCode::kPreconditionFailed);
    if (!overtaken || attempt == kAttempts) {
      const int code = finish(options.api, client, reply, kRuleChangeShape, render_rule_change);
      if (code != kOk) fmt::print(stderr, "What you wrote is in {}\n", clean(file.keep().string()));
      return code;
    }
    auto now = read_node(client);
    if (!now) return give_up(file, now.error(), kUnreachable);
    fmt::print(stderr, "Somebody changed the rules meanwhile:\n{}", render(diff_rules(base.document, now->document)));
    std::vector<std::string> conflicts;
    auto merged = merge_rules(base.document, mine, now->document, conflicts);
    if (!merged) {
      return give_up(file,
                     {ErrorCode::kPreconditionFailed,
                      fmt::format("You both changed {}: look at the node's (secbeat rules show), and edit again",
                                  fmt::join(conflicts, ", "))},
                     kRefused);
    }
    base = *std::move(now);
    mine = *std::move(merged);
  }
}

int run_edit(const EditOptions& options) {
  return with_node(options.api, [&](const Client& client) {
    auto base = read_node(client);
    if (!base) return complain(base.error());
    auto file = TemporaryFile::make("rules", rules_text(base->document));
    if (!file) return complain(file.error(), kUsage);
    auto mine = edited(file->path());
    if (!mine) return give_up(*file, mine.error(), kUsage);
    if (!*mine) return give_up(*file, {ErrorCode::kBadRule, "There are errors in the rules"}, kRefused);
    const RuleDiff diff = diff_rules(base->document, **mine);
    if (diff.empty()) {
      fmt::print(stderr, "Nothing was changed\n");
      if (options.api.json) fmt::print("{}\n", json_text({{"success", true}, {"unchanged", true}}));
      return kOk;
    }
    fmt::print(stderr, "{}", render(diff));
    return send(options, client, *file, *std::move(base), **std::move(mine));
  });
}

}  // namespace

void add_rules_edit(CLI::App& rules, Run& run) {
  auto options = std::make_shared<EditOptions>();
  CLI::App* command = rules.add_subcommand("edit", "Opens the node's rules in $EDITOR and sends what was changed");
  command->footer(
      "What you write is checked as secbeat rules lint does before it is sent. It goes only onto what you have read: "
      "where\n"
      "somebody else changed other rules meanwhile, both changes are kept; where they changed one of yours, nothing "
      "is\n"
      "sent, exit status 1, and what you wrote is kept in a file that is named.\n\n"
      "Examples:\n"
      "  secbeat rules edit --reason 'tighter limits'\n"
      "  EDITOR='code --wait' secbeat rules edit");
  command->add_option("--reason", options->reason, "Why, for the history");
  options->api.add_to(*command);
  command->callback([options, &run] { run = [options] { return run_edit(*options); }; });
}

}  // namespace secbeat::cli
