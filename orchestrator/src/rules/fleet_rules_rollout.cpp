// How an edited document comes into force on every node.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

#include "fleet_rules_impl.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/engine/module_info.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kLongestReason = 900;
constexpr std::chrono::milliseconds kLook{200};  // whether the orchestrator stops
constexpr std::chrono::seconds kForOthers{10};   // how long a rollout of somebody else is awaited
constexpr std::chrono::seconds kUnread{60};      // how long a rollout's end may be hidden by a NATS that is away

bool is_removal(const FleetRuleEdit& edit) { return edit.kind == FleetRuleEdit::Kind::kRemove; }

std::string reason_of(const FleetRuleEdit& edit) {
  const std::string id = edit.id.empty() ? agent::id_of_rule(edit.rule) : edit.id;
  std::string reason = fmt::format("{}: {}", is_removal(edit) ? "Rule removed" : "Rule added", id);
  if (!edit.reason.empty()) reason += fmt::format(" ({})", edit.reason);
  return reason;
}

std::string cut_to(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return text.substr(0, limit) + "…";
}

FleetFailure ends_here(const std::string& rollout) {
  return {.error = {ErrorCode::kShuttingDown,
                    "The orchestrator ends; the rollout goes on where another one is, or "
                    "with the next start"},
          .in = FailedIn::kUnknown,
          .rollout = rollout};
}

}  // namespace

std::expected<FleetResult, FleetFailure> FleetRules::Impl::bring_into_force(const Some& done, const Base& before,
                                                                            const Base& edited) {
  const auto failed = [](const Error& error) { return std::unexpected(FleetFailure{.error = error}); };
  FleetReload wanted{.module = std::string(agent::kRulesModule),
                     .file = {},
                     .config = edited.rules.document.text(),
                     .embedded_version = {},
                     .expected_version = {},
                     .reason = {},
                     .by = done.front()->edit.by,
                     .edits_rules = true,
                     .based_on = before.rules.revision};
  if (const auto fine = check_rules(wanted.config); !fine) return failed(fine.error());
  auto module = desired_.module_of(before.rules);
  if (!module) return failed(module.error());
  wanted.file = *std::move(module);
  if (before.rules.module_sha256.empty()) wanted.signature = desired_.shipped_signature();
  if (const auto info = engine::read_module_info(wanted.file)) wanted.embedded_version = info->embedded_version;
  std::vector<std::string> reasons;
  for (const Waiting* waiting : done) reasons.push_back(reason_of(waiting->edit));
  wanted.reason = cut_to(fmt::format("{}", fmt::join(reasons, "; ")), kLongestReason);
  // Before the rollout begins, whose lines follow.
  const auto kept = parts_.connection.put_object(fleet::kModulesBucket, sha256_hex(wanted.config), wanted.config);
  if (!kept) return failed(kept.error());
  const bool is_new = std::ranges::any_of(
      done, [](const Waiting* waiting) { return !waiting->is_written && !is_removal(waiting->edit); });
  if (is_new) spdlog::info("Updated waf-config.json with new rule");
  for (Waiting* waiting : done) waiting->is_written = true;
  const auto rollout = begin(wanted);
  auto result = rollout ? end_of(*rollout) : std::unexpected(rollout.error());
  if (!result)
    spdlog::warn("fleet: rules: not in force: {}: {}", harmless(wanted.reason), result.error().error.message);
  return result;
}

// Waits for a rollout of somebody else, which then has changed what this one is based on.
std::expected<std::string, FleetFailure> FleetRules::Impl::begin(const FleetReload& wanted) {
  const auto until = Steady::now() + kForOthers;
  for (;;) {
    auto rollout = parts_.rollouts.begin(wanted);
    const bool is_busy = !rollout && rollout.error().error.code == ErrorCode::kReloadInProgress;
    if (!is_busy || Steady::now() >= until || is_stopping()) return rollout;
    if (rollout.error().rollout.empty() || !parts_.rollouts.wait(rollout.error().rollout, kLook)) {
      std::this_thread::sleep_for(kLook);
    }
  }
}

std::expected<FleetResult, FleetFailure> FleetRules::Impl::end_of(const std::string& rollout) {
  auto heard = Steady::now();
  for (;;) {
    const auto ended = parts_.rollouts.wait(rollout, kLook);
    if (ended && *ended) return outcome_of(**ended);
    if (is_stopping()) return std::unexpected(ends_here(rollout));
    if (ended) {
      heard = Steady::now();
      continue;
    }
    const bool is_gone = ended.error().code == ErrorCode::kUnknownRollout;
    if (is_gone || Steady::now() - heard > kUnread) {
      return std::unexpected(FleetFailure{.error = ended.error(), .in = FailedIn::kUnknown, .rollout = rollout});
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace secbeat::orchestrator
