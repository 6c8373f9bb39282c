#include "asking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kWorksStill = "it works still";
constexpr std::uint64_t kMostDowntimeMs = 1'000'000'000;  // what a node says is added up
constexpr std::string_view kUnreachable = "unreachable";
// A node that works is asked again sooner at first: most are done within some milliseconds.
constexpr int kFirstAsk = 8;

class Asking {
 public:
  Asking(fleet::Connection& connection, const Timeouts& timeouts, const Clock& clock, const fleet::Order& order,
         SubjectOf subject)
      : connection_(connection), timeouts_(timeouts), clock_(clock), order_(to_json(order)), subject_(subject) {}

  Heard run(const std::vector<std::string>& nodes, const std::function<bool()>& goes_on);

 private:
  struct Waiting {
    std::string node;
    SteadyTime next = {};  // when it is asked again
    milliseconds pause{0};
    bool has_answered = false;
    bool is_over = false;
    std::string last = "no answer";
  };

  void hear(Waiting& one, const Result<std::string>& data);
  void give_up(Waiting& one, milliseconds waited);

  fleet::Connection& connection_;
  const Timeouts& timeouts_;
  const Clock& clock_;
  const std::string order_;
  const SubjectOf subject_;
  std::vector<Waiting> nodes_;
  Heard heard_;
};

Heard Asking::run(const std::vector<std::string>& nodes, const std::function<bool()>& goes_on) {
  for (const std::string& node : nodes) nodes_.push_back({.node = node});
  std::unique_ptr<fleet::Calls> calls;
  auto begun = clock_.steady();
  auto looked = begun;
  for (std::size_t waiting = nodes_.size(); waiting > 0;) {
    const auto before = clock_.steady();
    if (!goes_on()) return std::move(heard_);
    const auto now = clock_.steady();
    begun += now - before;  // it waits for a NATS that is away
    looked += now - before;
    if (!calls) {
      if (auto made = connection_.calls()) calls = *std::move(made);
    }
    if (!calls || !connection_.connected()) {  // no node is to blame
      begun += now - looked;
      looked = now;
      std::this_thread::sleep_for(timeouts_.ask);
      continue;
    }
    looked = now;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].is_over || nodes_[i].next > now) continue;
      nodes_[i].next = now + timeouts_.answer;
      if (auto sent = calls->send(subject_(nodes_[i].node), order_, i); !sent) nodes_[i].last = sent.error().message;
    }
    for (const fleet::CallAnswer& answer : calls->take(timeouts_.ask / kFirstAsk)) {
      if (answer.tag < nodes_.size() && !nodes_[answer.tag].is_over) hear(nodes_[answer.tag], answer.data);
    }
    const auto waited = std::chrono::duration_cast<milliseconds>(clock_.steady() - begun);
    waiting = 0;
    for (Waiting& one : nodes_) {
      if (!one.is_over) give_up(one, waited);
      if (!one.is_over) ++waiting;
    }
  }
  heard_.is_whole = true;
  return std::move(heard_);
}

void Asking::hear(Waiting& one, const Result<std::string>& data) {
  const auto now = clock_.steady();
  if (!data) {  // nobody listens there, now
    one.last = data.error().message;
    one.next = std::min(one.next, now + timeouts_.ask);
    return;
  }
  const auto answer = fleet::order_answer_from_json(*data);
  one.has_answered = true;
  one.is_over = true;
  if (!answer) {
    heard_.failed.push_back({one.node, answer.error().message, std::string(word_of(answer.error().code))});
  } else if (answer->progress == fleet::Progress::kDone) {
    heard_.done.push_back(*answer);
    heard_.done.back().node = one.node;
    heard_.done.back().downtime_ms = std::min(answer->downtime_ms, kMostDowntimeMs);
  } else if (answer->progress == fleet::Progress::kFailed) {
    heard_.failed.push_back({one.node, answer->error, answer->code});
  } else {
    one.is_over = false;
    one.last = kWorksStill;
    one.pause = std::min(timeouts_.ask, std::max(timeouts_.ask / kFirstAsk, one.pause * 2));
    one.next = now + one.pause;
  }
}

void Asking::give_up(Waiting& one, milliseconds waited) {
  // Who has begun and is silent now is awaited for as long as who works.
  if (waited < (one.has_answered ? timeouts_.work : timeouts_.reach)) return;
  one.is_over = true;
  // Who has begun to get ready and is heard of no more may have died of it: nothing is to swap then.
  if (one.has_answered && subject_ == &fleet::stage_subject && one.last != kWorksStill) {
    heard_.failed.push_back({one.node, fmt::format("{} has begun and does not answer any more: {}", one.node, one.last),
                             std::string(kUnreachable)});
    return;
  }
  if (one.has_answered && one.last == kWorksStill) {
    heard_.failed.push_back({one.node,
                             fmt::format("{} has not come to an end within {} s", one.node,
                                         std::chrono::duration_cast<std::chrono::seconds>(waited).count()),
                             std::string(word_of(ErrorCode::kCompileTimeout))});
    return;
  }
  heard_.unreachable.push_back(
      {one.node, fmt::format("{} does not answer: {}", one.node, one.last), std::string(kUnreachable)});
}

}  // namespace

Heard ask_all(fleet::Connection& connection, const Timeouts& timeouts, const fleet::Order& order, SubjectOf subject,
              const std::vector<std::string>& nodes, const std::function<bool()>& goes_on, const Clock& clock) {
  return Asking(connection, timeouts, clock, order, subject).run(nodes, goes_on);
}

}  // namespace secbeat::orchestrator
