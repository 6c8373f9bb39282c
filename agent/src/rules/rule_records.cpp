#include "secbeat/agent/rule_records.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "rules/rule_book.hpp"
#include "rules/rule_tallies.hpp"
#include "secbeat/agent/rule_document.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::agent {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr int kLooksUntilSaved = 5;

std::string created_at_of(const RuleJson& rule) {
  const auto found = rule.find("created_at");
  return found != rule.end() && found->is_string() ? found->get<std::string>() : std::string();
}

struct TimedRule {
  RuleLife life;
  SystemTime end;
  auto operator<=>(const TimedRule& other) const { return life <=> other.life; }
  bool operator==(const TimedRule& other) const { return life == other.life; }
};

std::string lifetime_of(const TimedRule& rule) {
  const auto created = parse_rfc3339(rule.life.created_at);
  if (!created || *created > rule.end) return {};
  return fmt::format(" after {} s", std::chrono::duration_cast<std::chrono::seconds>(rule.end - *created).count());
}

class RecordsOnThread final : public RuleRecords {
 public:
  RecordsOnThread(control::Scoreboard& scoreboard, Reloader& reloader, const Clock& clock)
      : scoreboard_(scoreboard), reloader_(reloader), clock_(clock), tallies_(scoreboard, reloader.rule_memory()) {}
  ~RecordsOnThread() override { RecordsOnThread::stop(); }

  void run() {
    thread_ = std::jthread([this](const std::stop_token& ending) { work(ending); });
  }
  std::vector<RuleTally> tallies() override { return tallies_.all(); }
  [[nodiscard]] control::RuleVerdicts left_out() const override {
    return control::read_left_out(scoreboard_.layout().rules);
  }
  void report_ended() override;
  void stop() override;

 private:
  void work(const std::stop_token& ending);
  void save();
  const control::Version* read_document(const control::InForce& in_force);
  bool report(const TimedRule& rule, const control::Version* version, std::uint64_t generation);
  std::uint64_t blocks_of(const std::string& rule);

  control::Scoreboard& scoreboard_;
  Reloader& reloader_;
  const Clock& clock_;
  RuleTallies tallies_;

  std::mutex mutex_;
  std::string read_;             // guarded by mutex_: the configuration that was read last
  std::set<std::string> ids_;    // guarded by mutex_: in it
  std::set<TimedRule> timed_;    // guarded by mutex_: in it or in one before, with an end that is not reported
  std::set<RuleLife> reported_;  // guarded by mutex_: of those in it

  std::mutex waiting_;
  std::condition_variable_any woken_;
  std::jthread thread_;
};

// Rules that have left the document before their end are no longer waited for; those that left after it are reported.
const control::Version* RecordsOnThread::read_document(const control::InForce& in_force) {
  const control::Slot* slot = in_force.find(std::string(kRulesModule));
  const control::Version* version = slot == nullptr ? nullptr : slot->current_version();
  const std::string config = version == nullptr ? std::string() : version->config_sha256;
  if (config == read_) return version;
  RuleDocument document;
  if (!config.empty()) {
    const auto text = reloader_.config_bytes(config);
    auto read = text ? RuleDocument::read(*text) : Result<RuleDocument>(std::unexpected(text.error().error));
    if (!read) return version;  // looked at again
    document = *std::move(read);
  }
  const SystemTime now = clock_.now();
  std::erase_if(timed_, [&](const TimedRule& rule) { return rule.end > now; });
  ids_.clear();
  std::set<RuleLife> still_reported;
  for (const RuleJson& rule : document.rules()) {
    const std::string id = id_of_rule(rule);
    ids_.insert(id);
    const auto end = end_of_rule(rule);
    if (id.empty() || !end) continue;
    const TimedRule timed{{id, created_at_of(rule), rfc3339(*end)}, *end};
    if (reported_.contains(timed.life)) {
      still_reported.insert(timed.life);
    } else {
      timed_.insert(timed);
    }
  }
  reported_ = std::move(still_reported);
  read_ = config;
  return version;
}

std::uint64_t RecordsOnThread::blocks_of(const std::string& rule) {
  for (const RuleTally& tally : tallies_.all()) {
    if (tally.module == kRulesModule && tally.rule == rule) return tally.total.front();
  }
  return 0;
}

// False: it could not be written, and is tried again.
bool RecordsOnThread::report(const TimedRule& rule, const control::Version* version, std::uint64_t generation) {
  std::string sentence;
  const auto row_of = [&](std::uint64_t blocks) {
    sentence = fmt::format("Rule expired: {}{}, {} block{}", rule.life.rule, lifetime_of(rule), blocks,
                           blocks == 1 ? "" : "s");
    HistoryRow row;
    row.timestamp = rfc3339(clock_.now());
    row.name = kRulesModule;
    row.kind = "rule_expired";
    if (version != nullptr) {
      row.version = version->label;
      row.sha256 = version->sha256;
      row.config_sha256 = version->config_sha256;
    }
    row.success = true;
    row.reason = sentence;
    row.by = "expiry";
    row.generation = generation;
    return row;
  };
  RuleMemory* const memory = reloader_.rule_memory();
  if (memory == nullptr) return true;
  const auto written =
      memory->end_rule(rule.life, blocks_of(rule.life.rule), version == nullptr ? 0 : version->id, row_of);
  if (!written) return false;
  if (*written) spdlog::info("{}", sentence);
  return true;
}

void RecordsOnThread::report_ended() {
  const control::InForce in_force = reloader_.in_force();
  const std::scoped_lock lock(mutex_);
  const control::Version* version = read_document(in_force);
  const SystemTime now = clock_.now();
  for (auto rule = timed_.begin(); rule != timed_.end();) {
    if (rule->end > now || !report(*rule, version, in_force.generation)) {
      ++rule;
      continue;
    }
    reported_.insert(rule->life);
    rule = timed_.erase(rule);
  }
}

void RecordsOnThread::save() {
  std::set<std::string> ids;
  {
    const std::scoped_lock lock(mutex_);
    ids = ids_;
  }
  tallies_.save(ids, clock_.now());
}

void RecordsOnThread::work(const std::stop_token& ending) {
  std::unique_lock lock(waiting_);
  int looks = 0;
  do {
    try {
      report_ended();
      if (++looks % kLooksUntilSaved == 0) save();
    } catch (const std::exception& error) {  // tried again at the next look
      spdlog::error("what rules did cannot be recorded: {}", error.what());
    }
    // True only where a condition holds that never does: it waits out the time, or ends.
  } while (!woken_.wait_for(lock, ending, kLookEvery, [] { return false; }) && !ending.stop_requested());
}

void RecordsOnThread::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  try {
    save();
  } catch (const std::exception& error) {
    spdlog::error("what rules did cannot be recorded: {}", error.what());
  }
}

}  // namespace

std::unique_ptr<RuleRecords> RuleRecords::start(control::Scoreboard& scoreboard, Reloader& reloader,
                                                const Clock& clock) {
  auto records = std::make_unique<RecordsOnThread>(scoreboard, reloader, clock);
  records->run();
  return records;
}

}  // namespace secbeat::agent
