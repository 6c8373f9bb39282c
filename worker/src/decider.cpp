#include "decider.hpp"

#include <time.h>

#include <algorithm>
#include <exception>
#include <expected>
#include <iterator>
#include <string>
#include <utility>

namespace secbeat::worker {
namespace {

using control::Counter;
using engine::Verdict;

constexpr std::string_view kNoInstance = "no_instance";
constexpr std::size_t kNoInstanceIndex = engine::kCallErrorKinds;  // after the kinds of the engine
static_assert(kNoInstanceIndex + 1 == control::kErrorKinds);

// This thread is the counter's only writer, so that a load and a store do what an atomic addition would.
void add(Counter& counter, std::uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

std::uint64_t ns_of(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t monotonic_ns() noexcept { return ns_of(CLOCK_MONOTONIC); }

control::Moment moment() noexcept {
  constexpr std::uint64_t kNsOfMs = 1'000'000;
  return {.unix_ms = ns_of(CLOCK_REALTIME) / kNsOfMs, .boot_ms = ns_of(CLOCK_BOOTTIME) / kNsOfMs};
}

void count_time(control::Series& series, std::uint64_t ns) noexcept {
  const auto* bucket = std::ranges::lower_bound(control::kInspectionBoundsNs, ns);
  add(series.buckets[std::distance(std::begin(control::kInspectionBoundsNs), bucket)], 1);
  add(series.sum_ns, ns);
}

// Allow is not counted by rule.
std::size_t counted_as(Verdict verdict) noexcept { return static_cast<std::size_t>(verdict) - 1; }
static_assert(static_cast<std::size_t>(Verdict::kRateLimit) == control::kRuleVerdicts);

std::string_view event_kind_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kAllow:
      break;
    case Verdict::kBlock:
      return "block";
    case Verdict::kLog:
      return "log";
    case Verdict::kRateLimit:
      return "rate_limit";
  }
  return "allow";
}

// Outside the engine nothing throws on this path; what the engine's own buffers cannot allocate is an error
// of memory, and the instance is as little use as after any other.
std::expected<Verdict, engine::CallError> inspect(LoadedVersion& version, const engine::RequestView& request) {
  try {
    auto instance = version.instance_for_request();
    if (!instance) return std::unexpected(std::move(instance.error()));
    return (*instance)->inspect(request);
  } catch (const std::exception& error) {
    return std::unexpected(engine::CallError{engine::CallErrorKind::kMemory, error.what()});
  }
}

}  // namespace

bool Decider::passes_by_bypass(const Chain& chain) noexcept {
  const control::BreakGlassArea& area = chain.counters->layout().break_glass;
  const control::Flags flags = control::Flags::of(area);
  if (flags.none() || !control::is_bypassed(area, flags, moment())) return false;
  add(chain.counters->slot().bypassed, 1);
  return true;
}

Decision Decider::decide(Chain& chain, const engine::RequestView& request) noexcept {
  const Ticker::Running running(lane_);
  add(chain.counters->slot().requests, 1);
  Passage passage{chain, request, control::Flags::of(chain.counters->layout().break_glass), {}};
  for (const Link& link : chain.links) {
    if (ask_link(passage, link) == Next::kEnd) break;
  }
  return passage.decision;
}

Decision Decider::decide_unread(Chain& chain, const engine::RequestView& head, std::string_view why) noexcept {
  constexpr auto kKind = engine::CallErrorKind::kMemory;
  add(chain.counters->slot().requests, 1);
  Passage passage{chain, head, control::Flags::of(chain.counters->layout().break_glass), {}};
  for (const Link& link : chain.links) {
    const Candidate& candidate = deciding(passage, link);
    add(candidate.series->errors[static_cast<std::size_t>(kKind)], 1);
    record_error(passage, link, candidate, word_of(kKind), why);
    if (link.on_error == control::OnError::kClosed) {
      refuse_unavailable(passage, link, candidate);
      break;
    }
  }
  return passage.decision;
}

const Candidate& Decider::deciding(const Passage& passage, const Link& link) noexcept {
  const bool by_previous =
      passage.flags.some_taken_back() && link.previous.exists() &&
      control::is_taken_back(passage.chain.counters->layout().break_glass, link.current.version.id);
  return by_previous ? link.previous : link.current;
}

Decider::Next Decider::ask_link(Passage& passage, const Link& link) noexcept {
  const Candidate& decides = deciding(passage, link);
  const std::optional<Verdict> verdict = ask(passage, link, decides);
  const Next next = verdict ? apply(passage, link, decides, *verdict) : decide_failed(passage, link, decides);
  link.end_request();
  return next;
}

Decider::Next Decider::decide_failed(Passage& passage, const Link& link, const Candidate& failed) noexcept {
  switch (link.on_error) {
    case control::OnError::kPrevious:
      if (link.previous.exists() && &failed != &link.previous) {
        if (const auto verdict = ask(passage, link, link.previous)) {
          return apply(passage, link, link.previous, *verdict);
        }
      }
      return Next::kGoOn;  // nobody is left to ask: as kOpen
    case control::OnError::kOpen:
      return Next::kGoOn;
    case control::OnError::kClosed:
      break;
  }
  return refuse_unavailable(passage, link, failed);
}

Decider::Next Decider::refuse_unavailable(Passage& passage, const Link& link, const Candidate& failed) noexcept {
  passage.decision.action = Action::kUnavailable;
  passage.decision.verdict = Verdict::kAllow;
  passage.decision.module = link.name;
  passage.decision.version = failed.version.label;
  passage.decision.sha256 = failed.version.sha256;
  passage.decision.rule = {};
  passage.decision.message = {};
  return Next::kEnd;
}

std::optional<Verdict> Decider::ask(const Passage& passage, const Link& link, const Candidate& candidate) noexcept {
  control::Series& series = *candidate.series;
  if (!candidate.loaded || !candidate.loaded->ready()) {
    add(series.errors[kNoInstanceIndex], 1);
    if (candidate.loaded) handover_.ask_for_instances();
    record_error(
        passage, link, candidate, kNoInstance,
        candidate.loaded ? "no instance is ready: too many failed at once" : "this version could not be loaded");
    return std::nullopt;
  }
  const std::uint64_t begin = monotonic_ns();
  const auto verdict = inspect(*candidate.loaded, passage.request);
  count_time(series, monotonic_ns() - begin);
  if (!verdict) {
    add(series.errors[static_cast<std::size_t>(verdict.error().kind)], 1);
    if (candidate.loaded->give_up()) handover_.ask_for_instances();
    record_error(passage, link, candidate, word_of(verdict.error().kind), verdict.error().message);
    return std::nullopt;
  }
  add(series.verdicts[static_cast<std::size_t>(*verdict)], 1);
  return *verdict;
}

Decider::Next Decider::apply(Passage& passage, const Link& link, const Candidate& candidate, Verdict verdict) noexcept {
  passage.decision.verdict = verdict;
  passage.decision.module = link.name;
  passage.decision.version = candidate.version.label;
  passage.decision.sha256 = candidate.version.sha256;
  passage.decision.rule = {};
  passage.decision.message = {};
  if (verdict == Verdict::kAllow) return Next::kGoOn;
  record_verdict(passage, link, candidate, verdict);
  if (verdict == Verdict::kBlock) {
    passage.decision.action = Action::kBlock;
    return Next::kEnd;
  }
  return verdict == Verdict::kRateLimit ? limit_rate(passage) : Next::kGoOn;
}

Decider::Next Decider::limit_rate(Passage& passage) noexcept {
  const auto counted = passage.chain.limiter.count(passage.request.source_ip, monotonic_ns());
  if (counted.allowed) return Next::kGoOn;
  passage.decision.action = Action::kTooMany;
  passage.decision.retry_after_seconds = counted.retry_after_seconds;
  return Next::kEnd;
}

EventRecord* Decider::claim_event(const Passage& passage, const Link& link, const Candidate& candidate) noexcept {
  EventRecord* record = events_.claim();
  if (record == nullptr) {
    add(passage.chain.counters->slot().events_dropped, 1);
    return nullptr;
  }
  record->unix_ms = static_cast<std::int64_t>(passage.request.now_unix_ms);
  record->method.assign(passage.request.method);
  record->uri.assign(passage.request.uri);
  record->source_ip.assign(passage.request.source_ip);
  record->module.assign(link.name);
  record->version_id = candidate.version.id;
  return record;
}

// Asks the guest for its reasons and counts by rule, which is exact; events are a sample where too many come.
void Decider::record_verdict(Passage& passage, const Link& link, const Candidate& candidate, Verdict verdict) noexcept {
  engine::Instance& instance = candidate.loaded->deciding();
  try {
    instance.verdict_detail(detail_);
    if (detail_.dropped || !instance.usable()) add(passage.chain.counters->slot().details_dropped, 1);
  } catch (const std::exception& error) {  // memory that cannot be had
    detail_.rule.clear();
    detail_.message.clear();
    add(passage.chain.counters->slot().details_dropped, 1);
  }
  passage.decision.rule = detail_.rule;
  passage.decision.message = detail_.message;
  if (!detail_.rule.empty()) {
    control::ScoreboardLayout& board = passage.chain.counters->layout();
    control::count_rule(board.rules, board.header.hash_seed, link.name, detail_.rule, counted_as(verdict),
                        passage.request.now_unix_ms);
  }
  if (EventRecord* record = claim_event(passage, link, candidate)) {
    record->kind = event_kind_of(verdict);
    record->rule.assign(detail_.rule);
    record->message.assign(detail_.message);
    events_.publish();
  }
  if (!instance.usable() && candidate.loaded->give_up()) handover_.ask_for_instances();
}

void Decider::record_error(const Passage& passage, const Link& link, const Candidate& candidate, std::string_view kind,
                           std::string_view message) noexcept {
  EventRecord* record = claim_event(passage, link, candidate);
  if (record == nullptr) return;
  record->kind = kind;
  record->rule.assign({});
  record->message.assign(message);
  events_.publish();
}

}  // namespace secbeat::worker
