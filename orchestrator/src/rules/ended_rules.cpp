#include "ended_rules.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

std::string lifetime_of(const fleet::RuleEnd& rule, SystemTime end) {
  const auto created = parse_rfc3339(rule.created_at);
  if (!created || *created > end) return {};
  return fmt::format(" after {} s", std::chrono::duration_cast<std::chrono::seconds>(end - *created).count());
}

// "5 blocks"; what not every node has said is told as such.
std::string blocks_of(const Result<CountedRules>& counted, const std::string& id) {
  if (!counted || counted->nodes.empty()) return "nobody knows how many blocks";
  const fleet::RuleCount* count = counted->find(id);
  const std::uint64_t blocks = count == nullptr ? 0 : count->blocks;
  const std::string text = fmt::format("{} block{}", blocks, blocks == 1 ? "" : "s");
  return counted->silent.empty() ? text : fmt::format("{} without those of {} nodes", text, counted->silent.size());
}

}  // namespace

void EndedRules::look(const std::string& config, const agent::RuleDocument& document, SystemTime now) {
  if (read_ != config) {
    read(document, now);
    read_ = config;
  }
  std::vector<Timed> due;
  std::ranges::copy_if(timed_, std::back_inserter(due), [&](const Timed& one) { return one.time <= now; });
  if (due.empty()) return;
  const auto mine = claim(due);
  if (!mine) return;
  for (const Timed& one : due) {
    timed_.erase(one);
    told_.insert(one.end);
  }
  if (!mine->empty()) begin_to_tell(*mine);
}

// On a thread, as it waits for the nodes' counts. Ends that come while it waits for those are told with them.
void EndedRules::begin_to_tell(const std::vector<Timed>& mine) {
  const std::scoped_lock lock(mutex_);
  waiting_.insert(waiting_.end(), mine.begin(), mine.end());
  if (is_telling_) return;
  try {
    telling_ = std::jthread([this] { tell_all(); });
    is_telling_ = true;
  } catch (const std::system_error& error) {
    tell(std::exchange(waiting_, {}), fail(ErrorCode::kInternal, error.what()));
  }
}

void EndedRules::tell_all() {
  for (;;) {
    std::vector<Timed> mine;
    {
      const std::scoped_lock lock(mutex_);
      mine = std::exchange(waiting_, {});
      is_telling_ = !mine.empty();
      if (mine.empty()) return;
    }
    try {
      tell(mine, count_());
    } catch (const std::exception& error) {
      spdlog::error("fleet: the end of {} rules is not told: {}", mine.size(), error.what());
    }
  }
}

void EndedRules::read(const agent::RuleDocument& document, SystemTime now) {
  std::erase_if(timed_, [&](const Timed& one) { return one.time > now; });
  std::set<fleet::RuleEnd> still_told;
  for (const agent::RuleJson& rule : document.rules()) {
    const auto end = agent::end_of_rule(rule);
    if (!end) continue;
    const auto created = parse_rfc3339(agent::text_in_rule(rule, "created_at").value_or(""));
    Timed timed{{.id = agent::id_of_rule(rule),
                 .created_at = created ? rfc3339(*created) : std::string(),
                 .expires_at = rfc3339(*end)},
                *end};
    if (timed.end.id.empty()) continue;
    if (told_.contains(timed.end)) {
      still_told.insert(timed.end);
    } else {
      timed_.insert(std::move(timed));
    }
  }
  told_ = std::move(still_told);
}

std::optional<std::vector<EndedRules::Timed>> EndedRules::claim(const std::vector<Timed>& due) {
  for (;;) {
    const auto entry = connection_.get(fleet::kRulesBucket, fleet::kEndedKey);
    if (!entry) return std::nullopt;
    // One that cannot be read is written anew: at worst a line comes twice.
    const auto before = *entry ? fleet::rule_ends_from_json((*entry)->value) : Result<fleet::RuleEnds>({});
    fleet::RuleEnds ends = before.value_or(fleet::RuleEnds{});
    std::vector<Timed> mine;
    for (const Timed& one : due) {
      if (std::ranges::find(ends.told, one.end) != ends.told.end()) continue;
      mine.push_back(one);
      ends.told.push_back(one.end);
    }
    if (mine.empty()) return mine;
    if (ends.told.size() > fleet::kMaxRuleEnds) {
      const auto surplus = static_cast<std::ptrdiff_t>(ends.told.size() - fleet::kMaxRuleEnds);
      ends.told.erase(ends.told.begin(), ends.told.begin() + surplus);
    }
    const auto written =
        connection_.put_if(fleet::kRulesBucket, fleet::kEndedKey, to_json(ends), *entry ? (*entry)->revision : 0);
    if (written) return mine;
    if (written.error().code != ErrorCode::kPreconditionFailed) return std::nullopt;
  }
}

void EndedRules::tell(const std::vector<Timed>& mine, const Result<CountedRules>& counted) {
  for (const Timed& one : mine) {
    spdlog::info("Rule expired: {}{}, {}", one.end.id, lifetime_of(one.end, one.time), blocks_of(counted, one.end.id));
  }
}

}  // namespace secbeat::orchestrator
