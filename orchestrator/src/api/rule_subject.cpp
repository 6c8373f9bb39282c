#include "rule_subject.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>

#include "fleet_rule_documents.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

constexpr std::size_t kMaxMessageBytes = fleet::kMaxEnteredBytes;

// Tells in the log of what was refused, so much a minute: whoever may send rules must not fill the disk.
class Refusals {
 public:
  enum class What : std::uint8_t { kRefused, kUnanswered };
  void tell(What what, ErrorCode code, std::string_view why, SteadyTime now) {
    constexpr int kMostAMinute = 60;
    const std::scoped_lock lock(mutex_);
    if (now - begun_ >= std::chrono::minutes(1)) {
      if (told_ > kMostAMinute) {
        spdlog::warn("fleet: {} more that came on {} were refused or could not be answered", told_ - kMostAMinute,
                     fleet::kNewRule);
      }
      begun_ = now;
      told_ = 0;
    }
    if (++told_ > kMostAMinute) return;
    spdlog::warn("fleet: a rule that came on {} {}: {}: {}", fleet::kNewRule,
                 what == What::kRefused ? "is refused" : "is decided, and its sender gets no answer", word_of(code),
                 harmless(why));
  }

 private:
  std::mutex mutex_;
  SteadyTime begun_{};
  int told_ = 0;
};

// What was handed over may come to an end after the subscription.
class Sender {
 public:
  Sender(fleet::Connection& connection, const Clock& clock, std::shared_ptr<Refusals> refusals, std::string reply)
      : connection_(&connection), clock_(&clock), refusals_(std::move(refusals)), reply_(std::move(reply)) {}

  void answer(const http::HttpResponse& response) const {
    if (response.code) {
      const auto body = http::Json::parse(response.body, nullptr, false);
      refusals_->tell(Refusals::What::kRefused, *response.code,
                      body.is_object() ? body.value("error", "") : std::string(), clock_->steady());
    }
    if (reply_.empty()) return;
    if (const auto sent = connection_->answer(reply_, response.body); !sent) {
      refusals_->tell(Refusals::What::kUnanswered, sent.error().code, sent.error().message, clock_->steady());
    }
  }

 private:
  fleet::Connection* connection_;
  const Clock* clock_;
  std::shared_ptr<Refusals> refusals_;
  std::string reply_;
};

Result<NewRule> read(std::string_view text, const RuleLimits& limits) {
  if (text.size() > kMaxMessageBytes) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("The rule has {} bytes; the limit is {} bytes", text.size(), kMaxMessageBytes));
  }
  auto json = agent::parse_rule_text(text);
  if (!json) return std::unexpected(json.error());
  return read_new_rule(*std::move(json), limits);
}

void take(FleetRules& rules, const Clock& clock, std::string_view text, const Sender& sender) {
  auto rule = read(text, rules.limits());
  if (!rule) return sender.answer(http::error_response(rule.error()));
  FleetRuleEdit edit{.kind = rule->deploys ? FleetRuleEdit::Kind::kAdd : FleetRuleEdit::Kind::kEnter,
                     .rule = std::move(rule->rule),
                     .ttl_seconds = {},
                     .if_match = {},
                     .by = "nats",
                     .received = clock.steady(),
                     .is_message = true};
  const bool taken = rules.submit(std::move(edit),
                                  [sender](const FleetRuleOutcome& outcome) { sender.answer(rule_response(outcome)); });
  if (!taken) sender.answer(http::error_response({ErrorCode::kBusy, "Too many rules wait already; try again"}));
}

}  // namespace

Result<std::unique_ptr<RuleSubject>> RuleSubject::listen(fleet::Connection& connection, FleetRules& rules,
                                                         const Clock& clock) {
  auto made = std::make_unique<RuleSubject>();
  auto subscription = connection.subscribe_group(
      fleet::kNewRule, fleet::kOrchestrators,
      [&, refusals = std::make_shared<Refusals>()](std::string_view text, std::string reply) {
        take(rules, clock, text, Sender(connection, clock, refusals, std::move(reply)));
      });
  if (!subscription) return std::unexpected(subscription.error());
  made->subscription_ = *std::move(subscription);
  return made;
}

}  // namespace secbeat::orchestrator
