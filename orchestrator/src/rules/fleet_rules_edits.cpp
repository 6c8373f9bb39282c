// What an edit does to the document, and why it may not.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "entered_rules.hpp"
#include "fleet_rules_impl.hpp"

namespace secbeat::orchestrator {
namespace {

using agent::RuleJson;

Error unknown_rule(std::string_view id) {
  return {ErrorCode::kUnknownRule, fmt::format("There is no rule \"{}\"; GET /api/v1/rules lists them", id)};
}

std::size_t active_in(const agent::RuleDocument& document) {
  return static_cast<std::size_t>(std::ranges::count_if(document.rules(), agent::is_enabled));
}

// Of one rule alone, so that what is wrong with it is nobody else's refusal.
Result<void> check_alone(const RuleJson& rule) {
  return check_rules(agent::text_of_rules({{"rules", RuleJson::array({rule})}}));
}

}  // namespace

Result<FleetRules::Impl::Base> FleetRules::Impl::base() {
  Base base;
  auto rules = desired_.read();
  if (!rules) return std::unexpected(rules.error());
  base.rules = *std::move(rules);
  auto entered = read_entered(parts_.connection);
  if (entered) {
    base.entered = *std::move(entered);
  } else if (entered.error().code == ErrorCode::kProtocol) {  // which the rules in force need not
    spdlog::warn("fleet: rules: {}", entered.error().message);
    base.unread = entered.error();
  } else {
    return std::unexpected(entered.error());
  }
  base.dropped = base.rules.document.drop_ended(parts_.clock.now());
  return base;
}

bool FleetRules::Impl::apply(Waiting& waiting, Base& base) {
  switch (waiting.edit.kind) {
    case FleetRuleEdit::Kind::kAdd: {
      if (!is_matched(waiting, base)) return false;
      const std::string id = agent::id_of_rule(waiting.edit.rule);
      if (base.entered.find(id) != nullptr) {
        waiting.outcome = refused({ErrorCode::kRuleExists,
                                   fmt::format("A rule \"{}\" waits to be deployed already: POST /api/v1/rules/deploy, "
                                               "or DELETE it first",
                                               id)});
        return false;
      }
      return add(waiting, waiting.edit.rule, base);
    }
    case FleetRuleEdit::Kind::kEnter:
      return is_matched(waiting, base) && enter(waiting, base);
    case FleetRuleEdit::Kind::kDeploy:
      return is_matched(waiting, base) && deploy(waiting, base);
    case FleetRuleEdit::Kind::kRemove:
      return remove(waiting, base);
  }
  return false;
}

bool FleetRules::Impl::is_matched(Waiting& waiting, const Base& base) {
  const FleetRuleEdit& edit = waiting.edit;
  std::optional<RuleJson> rule;
  if (edit.kind == FleetRuleEdit::Kind::kRemove) {
    if (const RuleJson* in_force = base.rules.document.find(edit.id)) {
      rule = *in_force;
    } else if (const fleet::EnteredRule* entered = base.entered.find(edit.id)) {
      if (auto read = agent::parse_rule_text(entered->rule)) rule = *std::move(read);
    }
  }
  const std::string etag = rule ? agent::etag_of_rule(*rule) : base.rules.etag;
  if (!edit.if_match || agent::is_matched(*edit.if_match, etag)) return true;
  waiting.outcome = refused(
      {ErrorCode::kPreconditionFailed,
       fmt::format("If-Match does not hold: somebody changed {} since you read it, its ETag is {} now; read it again",
                   rule ? fmt::format("the rule \"{}\"", edit.id) : "the rules", etag)});
  return false;
}

// Of how many come: asked once of each.
bool FleetRules::Impl::is_welcome(Waiting& waiting) {
  if (waiting.is_counted) return true;
  const std::scoped_lock lock(mutex_);
  const std::uint32_t wait = arrivals_.take(parts_.clock.steady());
  waiting.is_counted = wait == 0;
  if (wait > 0) waiting.outcome = too_many_come(wait);
  return waiting.is_counted;
}

FleetRuleOutcome FleetRules::Impl::too_many_come(std::uint32_t wait) const {
  return refused({ErrorCode::kRateLimited, fmt::format("New rules are limited to {} a minute; try again in {} s",
                                                       parts_.limits.max_new_per_minute, wait)},
                 wait);
}

bool FleetRules::Impl::add(Waiting& waiting, RuleJson rule, Base& base) {
  const auto refuse = [&](const Error& error) {
    waiting.outcome = refused(error);
    return false;
  };
  auto received = agent::rule_on_receipt(std::move(rule), parts_.clock.now());
  if (!received) return refuse(received.error());
  if (const auto fine = check_alone(*received); !fine) return refuse(fine.error());
  if (const std::size_t active = active_in(base.rules.document); active >= parts_.limits.max_active) {
    return refuse({ErrorCode::kTooManyRules, fmt::format("{} rules are in force, and {} may be ([rules] "
                                                         "max_active_rules): remove some, or wait until some expire",
                                                         active, parts_.limits.max_active)});
  }
  agent::RuleDocument document = base.rules.document;
  if (const auto added = document.add(*received); !added) return refuse(added.error());
  if (!is_welcome(waiting)) return false;
  base.rules.document = std::move(document);
  base.rules.etag = agent::etag_of(base.rules.document.text());
  // One that waited was told when it came.
  waiting.is_told |= waiting.edit.kind == FleetRuleEdit::Kind::kDeploy;
  if (!waiting.is_told) spdlog::info("New dynamic rule: {}", agent::id_of_rule(*received));
  waiting.is_told = true;
  return true;
}

bool FleetRules::Impl::enter(Waiting& waiting, const Base& base) {
  const auto refuse = [&](const Error& error) {
    waiting.outcome = refused(error);
    return false;
  };
  RuleJson rule = waiting.edit.rule;
  const std::string id = agent::id_of_rule(rule);
  const SystemTime now = parts_.clock.now();
  const auto received = agent::rule_on_receipt(rule, now);
  if (!received) return refuse(received.error());
  if (const auto fine = check_alone(*received); !fine) return refuse(fine.error());
  agent::RuleDocument document = base.rules.document;
  if (const auto added = document.add(*received); !added) return refuse(added.error());
  rule["created_at"] = (*received)["created_at"];
  const std::string text = agent::text_of_rules(rule);
  if (text.size() > fleet::kMaxEnteredBytes) {
    return refuse({ErrorCode::kTooLarge, fmt::format("A rule that waits may have {} bytes", fleet::kMaxEnteredBytes)});
  }
  if (!is_welcome(waiting)) return false;
  const auto entered = edit_entered(parts_.connection, [&](fleet::EnteredRules& now_entered) -> Result<void> {
    if (now_entered.find(id) != nullptr) {
      return fail(ErrorCode::kRuleExists, fmt::format("A rule \"{}\" waits to be deployed already", id));
    }
    now_entered.rules.push_back({.id = id, .rule = text, .by = waiting.edit.by});
    return {};
  });
  if (!entered) return refuse(entered.error());
  spdlog::info("New dynamic rule: {}", id);
  FleetRuleChange change = change_of(waiting, base);
  change.etag = agent::etag_of_rule(rule);
  waiting.outcome = std::move(change);
  return false;
}

bool FleetRules::Impl::deploy(Waiting& waiting, Base& base) {
  const std::string& id = waiting.edit.id;
  if (base.unread) {
    waiting.outcome = refused(*base.unread);
    return false;
  }
  const fleet::EnteredRule* entered = base.entered.find(id);
  if (entered == nullptr) {
    const bool is_in_force = base.rules.document.find(id) != nullptr;
    waiting.outcome =
        refused(is_in_force ? Error{ErrorCode::kRuleExists, fmt::format("The rule \"{}\" is in force already", id)}
                            : unknown_rule(id));
    return false;
  }
  auto rule = agent::parse_rule_text(entered->rule);
  if (!rule) {
    waiting.outcome = refused({ErrorCode::kInternal, "What was entered cannot be read: " + rule.error().message});
    return false;
  }
  if (waiting.edit.ttl_seconds) {
    rule->erase("expires_at");
    (*rule)["ttl_seconds"] = *waiting.edit.ttl_seconds;
  }
  waiting.is_counted = true;  // when it was entered
  return add(waiting, *std::move(rule), base);
}

bool FleetRules::Impl::remove(Waiting& waiting, Base& base) {
  const std::string& id = waiting.edit.id;
  const bool is_in_force = base.rules.document.find(id) != nullptr;
  if (!is_in_force && base.entered.find(id) == nullptr) {
    waiting.outcome = refused(base.unread.value_or(unknown_rule(id)));
    return false;
  }
  if (!is_matched(waiting, base)) return false;
  if (is_in_force) {
    (void)base.rules.document.remove(id);  // it is there
    base.rules.etag = agent::etag_of(base.rules.document.text());
    return true;
  }
  const auto gone = forget_entered(parts_.connection, id);
  if (gone) {
    waiting.outcome = change_of(waiting, base);
  } else {
    waiting.outcome = refused(gone.error());
  }
  return false;
}

}  // namespace secbeat::orchestrator
