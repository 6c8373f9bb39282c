#include "secbeat/agent/without_agent.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "probe.hpp"
#include "secbeat/base/files.hpp"
#include "statements.hpp"
#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

using enum DrillHealth;

std::string this_user() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? fmt::format("scoreboard:{}", found->pw_name) : fmt::format("scoreboard:{}", ::getuid());
}

Result<const control::Slot*> slot_of(const control::InForce& document, const std::string& name) {
  std::vector<std::string> names;
  for (const control::Slot& slot : document.slots) {
    if (slot.current == 0) continue;
    if (name.empty() || slot.name == name) return &slot;
    names.push_back(slot.name);
  }
  return fail(ErrorCode::kUnknownModule, names.empty() ? "No module is in force"
                                                       : fmt::format("There is no module {} in force; there are {}",
                                                                     name, fmt::join(names, ", ")));
}

}  // namespace

Result<WithoutAgent> WithoutAgent::open(const std::filesystem::path& state_dir, const Clock& clock) {
  auto scoreboard = control::Scoreboard::open(control::StatePaths{state_dir}.scoreboard());
  if (!scoreboard) {
    return fail(scoreboard.error().code,
                fmt::format("{}. Is {} the node's state_dir (--state-dir DIR), and is this user root, the node's or in "
                            "the group of nginx' workers?",
                            scoreboard.error().message, state_dir.string()));
  }
  return WithoutAgent(state_dir, std::move(*scoreboard), clock);
}

WithoutAgent::WithoutAgent(const std::filesystem::path& state_dir, std::unique_ptr<control::Scoreboard> scoreboard,
                           const Clock& clock)
    : paths_{state_dir}, scoreboard_(std::move(scoreboard)), clock_(&clock), by_(this_user()) {}

control::Statement WithoutAgent::statement_of(const std::string& reason, std::chrono::seconds lasts) const {
  return agent::statement_of(moment_of(*clock_), by_, reason, lasts);
}

WithoutAgent::Done WithoutAgent::noted(std::string message, const control::Note& note,
                                       std::vector<std::string> warnings) {
  if (!control::add_note(area(), note)) {
    warnings.emplace_back("it will not be in the history: too much waits for an agent to record it");
  }
  return {std::move(message), std::move(warnings)};
}

WithoutAgent::Done WithoutAgent::freeze(const std::string& reason, std::chrono::seconds lasts) {
  const control::Statement statement = statement_of(reason, lasts);
  control::freeze(area(), statement);
  return noted("Changes are frozen, for the agent that returns",
               {.action = control::Action::kFreeze, .version_id = 0, .statement = statement});
}

WithoutAgent::Done WithoutAgent::unfreeze(const std::string& reason) {
  const control::Statement statement = statement_of(reason, {});
  if (!control::freeze_of(area(), statement.since_unix_ms)) {
    // A machine that restarted has a new scoreboard; what froze it before is in the agent's file.
    area().restored.store(1, std::memory_order_release);
    return {"Changes were not frozen", {}};
  }
  control::unfreeze(area());
  return noted("Changes are no longer frozen",
               {.action = control::Action::kUnfreeze, .version_id = 0, .statement = statement});
}

WithoutAgent::Done WithoutAgent::bypass(const std::string& reason, std::chrono::seconds lasts) {
  const control::Statement statement = statement_of(reason, lasts);
  control::begin_bypass(area(), statement, moment_of(*clock_).boot_ms + milliseconds_of(lasts));
  std::vector<std::string> warnings;
  if (scoreboard_->live_slots().empty()) warnings.emplace_back("no worker of nginx is alive in this scoreboard");
  return noted(fmt::format("Requests pass uninspected until {}", rfc3339(time_of_unix_ms(statement.until_unix_ms))),
               {.action = control::Action::kBypass, .version_id = 0, .statement = statement}, std::move(warnings));
}

WithoutAgent::Done WithoutAgent::end_bypass(const std::string& reason) {
  const control::Statement statement = statement_of(reason, {});
  if (!control::bypass_of(area(), moment_of(*clock_))) return {"There was no bypass", {}};
  control::end_bypass(area());
  return noted("Requests are inspected again",
               {.action = control::Action::kBypassEnd, .version_id = 0, .statement = statement});
}

Result<control::InForce> WithoutAgent::in_force() const {
  const auto text = read_file(paths_.in_force(), control::kMaxDocumentBytes);
  if (!text) return std::unexpected(text.error());
  auto document = control::in_force_from_json(*text);
  if (!document) {
    return fail(ErrorCode::kProtocol,
                fmt::format("{} cannot be used: {}", paths_.in_force().string(), document.error().message));
  }
  return document;
}

void WithoutAgent::warn_of_workers(const control::InForce& document, std::vector<std::string>& warnings) const {
  const std::vector<std::uint32_t> live = scoreboard_->live_slots();
  if (live.empty()) warnings.emplace_back("no worker of nginx is alive in this scoreboard; those that start follow");
  for (const std::uint32_t slot : live) {
    const control::WorkerSlot& worker = scoreboard_->layout().workers[slot];
    const std::uint64_t generation = worker.generation.load();
    if (generation == document.generation) continue;
    warnings.push_back(fmt::format("worker {} serves generation {} and not {}: it may decide by another version",
                                   worker.pid.load(), generation, document.generation));
  }
}

Result<WithoutAgent::Done> WithoutAgent::rollback(const std::string& name, const std::string& to_version,
                                                  const std::string& reason) {
  const auto document = in_force();
  if (!document) return std::unexpected(document.error());
  const auto found = slot_of(*document, name);
  if (!found) return std::unexpected(found.error());
  const control::Slot& slot = **found;
  const control::Version* current = slot.current_version();
  const control::Version* previous = slot.previous_version();
  if (previous == nullptr) {
    return fail(
        ErrorCode::kNoPreviousVersion,
        fmt::format("{} has no version before {}; secbeat bypass lets everything pass", slot.name, current->label));
  }
  if (control::is_taken_back(area(), current->id)) {
    return fail(ErrorCode::kNoPreviousVersion,
                fmt::format("{} is decided by {} already, in place of {}; the way further back needs the agent",
                            slot.name, previous->label, current->label));
  }
  if (!to_version.empty() && to_version != previous->label) {
    return fail(ErrorCode::kUnknownVersion,
                fmt::format("Without an agent only {} can be brought back, the version before {}; {} needs the agent",
                            previous->label, current->label, to_version));
  }
  if (!control::take_back(area(), current->id)) {
    return fail(ErrorCode::kInternal, fmt::format("{} versions are taken back already; start the agent, it completes "
                                                  "that",
                                                  control::kMaxTakenBack));
  }
  std::vector<std::string> warnings;
  warn_of_workers(*document, warnings);
  return noted(fmt::format("Rolled back: {} {} → {}", slot.name, current->label, previous->label),
               {.action = control::Action::kRollback, .version_id = current->id, .statement = statement_of(reason, {})},
               std::move(warnings));
}

std::vector<DrillFinding> WithoutAgent::drill() {
  std::vector<DrillFinding> findings{{"scoreboard, from here", kOk, paths_.scoreboard().string(), ""}};
  for (const ProbedWorker& worker : probe_workers(*scoreboard_)) {
    findings.push_back({"bypass, from here", worker.answered ? kOk : kFailure,
                        worker.answered ? fmt::format("worker {} sees it", worker.pid)
                                        : fmt::format("worker {} does not answer", worker.pid),
                        worker.answered ? "" : advice_on_hanging(worker.pid)});
  }
  if (scoreboard_->live_slots().empty()) {
    findings.push_back({"bypass, from here", kFailure, "no worker of nginx is alive in this scoreboard",
                        "start nginx, or name the right --state-dir"});
  }
  const auto document = in_force();
  if (!document) {
    findings.push_back({"rollback, from here", kFailure, document.error().message,
                        "without an agent a rollback needs this file: run the command as root or the node's user"});
    return findings;
  }
  for (const control::Slot& slot : document->slots) {
    if (slot.current == 0) continue;
    const control::Version* previous = slot.previous_version();
    findings.push_back({"rollback, from here", previous == nullptr ? kWarning : kOk,
                        previous == nullptr
                            ? fmt::format("{} has no version before this one", slot.name)
                            : fmt::format("{} {} → {}", slot.name, slot.current_version()->label, previous->label),
                        previous == nullptr ? "secbeat bypass lets everything pass" : ""});
  }
  return findings;
}

}  // namespace secbeat::agent
