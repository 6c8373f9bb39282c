#include "rule_subject.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "fleet_rule_documents.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::size_t kMaxMessageBytes = fleet::kMaxEnteredBytes;

void answer(fleet::Connection& connection, const std::string& reply, const http::HttpResponse& response) {
  if (response.code) {
    const auto body = http::Json::parse(response.body, nullptr, false);
    const std::string why = body.is_object() ? body.value("error", "") : std::string();
    spdlog::warn("fleet: a rule that came on {} is refused: {}: {}", fleet::kNewRule, word_of(*response.code),
                 harmless(why));
  }
  if (reply.empty()) return;
  if (const auto sent = connection.answer(reply, response.body); !sent) {
    spdlog::warn("fleet: who sent a rule on {} gets no answer: {}", fleet::kNewRule, sent.error().message);
  }
}

Result<NewRule> read(std::string_view text, const RuleLimits& limits) {
  if (text.size() > kMaxMessageBytes) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("The rule has {} bytes; the limit is {} bytes", text.size(), kMaxMessageBytes));
  }
  auto json = agent::parse_rule_text(text);
  if (!json) return std::unexpected(json.error());
  return read_new_rule(*std::move(json), limits);
}

}  // namespace

Result<std::unique_ptr<RuleSubject>> RuleSubject::listen(fleet::Connection& connection, FleetRules& rules,
                                                         const Clock& clock) {
  auto made = std::make_unique<RuleSubject>();
  auto subscription = connection.subscribe_group(
      fleet::kNewRule, fleet::kOrchestrators,
      [&](std::string_view text, const std::string& reply) { take(connection, rules, clock, text, reply); });
  if (!subscription) return std::unexpected(subscription.error());
  made->subscription_ = *std::move(subscription);
  return made;
}

void RuleSubject::take(fleet::Connection& connection, FleetRules& rules, const Clock& clock, std::string_view text,
                       const std::string& reply) {
  auto rule = read(text, rules.limits());
  if (!rule) return answer(connection, reply, http::error_response(rule.error()));
  FleetRuleEdit edit{.kind = rule->deploys ? FleetRuleEdit::Kind::kAdd : FleetRuleEdit::Kind::kEnter,
                     .rule = std::move(rule->rule),
                     .ttl_seconds = {},
                     .if_match = {},
                     .by = "nats",
                     .received = clock.steady()};
  const bool taken = rules.submit(std::move(edit), [&connection, reply](const FleetRuleOutcome& outcome) {
    answer(connection, reply, rule_response(outcome));
  });
  if (taken) return;
  answer(connection, reply, http::error_response({ErrorCode::kBusy, "Too many rules wait already; try again"}));
}

}  // namespace secbeat::orchestrator
