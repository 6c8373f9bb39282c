// Taking a module out of the chain: a change like any other, without anything to compile or load.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "module_names.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {

Outcome<RemovalResult> ReloaderImpl::remove(const Removal& removal) {
  Attempt attempt = new_attempt("remove", removal.reason, removal.origin);
  attempt.name = removal.name;
  if (auto slot = find_in_chain(in_force(), config_names_, removal.name); !slot) return std::unexpected(slot.error());
  if (auto refused = removal.takes_back ? std::nullopt : forbidden(attempt)) {
    return std::unexpected(*std::move(refused));
  }
  auto turn = enter(removal.name, removal.takes_back ? Patient::kYes : Patient::kNo);
  if (!turn) return std::unexpected(turn.error());
  const auto posted = board_.post(attempt.name, attempt.kind, OperationStage::kStage, removal.origin.request_id);
  if (auto refused = removal.takes_back ? std::nullopt : forbidden(attempt)) {  // frozen meanwhile
    return std::unexpected(*std::move(refused));
  }
  const control::InForce before = in_force();
  auto slot = find_in_chain(before, config_names_, removal.name);
  if (!slot) return std::unexpected(slot.error());
  attempt.replaces = deciding(*slot);
  if (auto lost = conflict(removal.name, removal.expected_version)) {
    return std::unexpected(fail_attempt(attempt, *std::move(lost)));
  }
  return take_out(*slot, removal, attempt, before);
}

// Nothing has to get ready for it, and it works without workers as a rollback does: the file alone is changed then.
Outcome<RemovalResult> ReloaderImpl::take_out(const control::Slot& slot, const Removal& removal, Attempt& attempt,
                                              const control::InForce& before) {
  RemovalResult result;
  result.name = slot.name;
  result.removed_version = serving_label(slot.name);
  result.reason = removal.reason;
  const auto numbers = reserve(before);
  if (!numbers) return std::unexpected(fail_attempt(attempt, about(attempt.name, numbers.error())));
  control::Slot rest = without_current(slot, config_.keep_previous_versions);
  // A rollback brings back what decided, not what was taken back.
  if (rest.find(attempt.replaces) != nullptr) rest.previous = attempt.replaces;
  control::InForce next = with_slot(before, std::move(rest));
  next.generation = numbers->generation;

  auto applied =
      bring_into_force(before, next, Intent{}, attempt, nullptr, removal.takes_back ? Late::kGoOn : Late::kRefuse);
  if (!applied) return std::unexpected(applied.error());
  collect_garbage();
  result.downtime_ms = applied->max_pause_ns / 1000000;
  result.max_pause_us = applied->max_pause_ns / 1000;
  result.generation = next.generation;
  result.workers = applied->workers;
  result.modules = names_in(next);
  result.warnings = std::move(applied->warnings);
  if (result.modules.empty()) {
    result.warnings.emplace_back("No module is left: every request passes uninspected, and the node is not ready");
  }
  spdlog::info("{}: Removed {} {} ({}ms downtime){}{}", config_.node_name, result.name, result.removed_version,
               result.downtime_ms, result.reason.empty() ? "" : ": ", result.reason);
  return result;
}

}  // namespace secbeat::agent
