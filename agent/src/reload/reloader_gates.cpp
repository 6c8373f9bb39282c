// What the rehearsal has found out about an upload, held against the limits and against what it would replace.
#include <spdlog/spdlog.h>

#include "gates.hpp"
#include "reloader_impl.hpp"

namespace secbeat::agent {

Replaced ReloaderImpl::replaced_by(const Attempt& attempt, const control::InForce& before) const {
  const control::Slot* slot = before.find(attempt.name);
  const control::Version* current = slot == nullptr ? nullptr : slot->find(attempt.replaces);
  if (current == nullptr) return {};
  auto measures = ledger_->measures(current->id);
  if (!measures) {
    spdlog::warn("{}: nothing is known of the cost and the rules of {}: {}", attempt.name, current->label,
                 measures.error().message);
    return {.label = current->label, .measures = {}};
  }
  return {.label = current->label, .measures = *std::move(measures)};
}

std::optional<Failure> ReloaderImpl::judged_by_rehearsal(Attempt& attempt, Checked& checked,
                                                         const control::InForce& before) const {
  if (config_.rehearse == Rehearse::kNo) return std::nullopt;  // nothing was asked, so nothing is missing
  const Replaced replaced = replaced_by(attempt, before);
  engine::CompileReport& report = checked.report;
  attempt.measured = {.cost = report.cost, .inventory = compare(report.inventory, replaced)};
  std::optional<Error> refused = judge_cost(config_.gates, report.cost, replaced);
  // Who edits a file sees what is in it; an upload may come from a pipeline that has lost half of its input.
  const bool counts_rules = attempt.kind != "file_change" && !is_rule_edit(attempt.upload);
  if (!refused && counts_rules) refused = judge_inventory(config_.gates, attempt.measured.inventory);
  if (!refused) refused = judge_rule_tests(rule_tests_of(attempt.name, config_, config_names_), report.rule_tests);
  if (!refused) return std::nullopt;
  if (attempt.gates == Gates::kForced) {
    report.warnings.push_back("forced: " + refused->message);
    return std::nullopt;
  }
  Failure failure = about(attempt.name, *std::move(refused));
  failure.measured = attempt.measured;
  return failure;
}

}  // namespace secbeat::agent
