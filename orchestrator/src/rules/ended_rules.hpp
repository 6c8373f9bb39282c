// Rules whose end has come, each told in the log once for the fleet: by whoever of the orchestrators writes first that
// it is told. Nodes are asked for the blocks meanwhile, on another thread: no edit waits for one that is silent.
//
// Thread safety: owned by one thread.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "secbeat/agent/rule_document.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/rules.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {

class EndedRules {
 public:
  using Count = std::function<Result<CountedRules>()>;

  // `connection` outlives it. `count` is called on a thread of its own.
  EndedRules(fleet::Connection& connection, Count count) : connection_(connection), count_(std::move(count)) {}

  // `config` names the document: one that was looked at already is not read again. What has left it before its end is
  // no longer waited for.
  void look(const std::string& config, const agent::RuleDocument& document, SystemTime now);

 private:
  struct Timed {
    fleet::RuleEnd end;
    SystemTime time;
    auto operator<=>(const Timed& other) const { return end <=> other.end; }
    bool operator==(const Timed& other) const { return end == other.end; }
  };

  void read(const agent::RuleDocument& document, SystemTime now);
  // Those that nobody has told before; nothing: it could not be written, and is tried again.
  std::optional<std::vector<Timed>> claim(const std::vector<Timed>& due);
  void begin_to_tell(const std::vector<Timed>& mine);
  void tell_all();
  static void tell(const std::vector<Timed>& mine, const Result<CountedRules>& counted);

  fleet::Connection& connection_;
  const Count count_;
  std::optional<std::string> read_;  // what was read last
  std::set<Timed> timed_;            // in it, or in one before, with an end that is not told
  std::set<fleet::RuleEnd> told_;    // of those in it

  std::mutex mutex_;
  std::vector<Timed> waiting_;  // guarded by mutex_; to be told
  bool is_telling_ = false;     // guarded by mutex_
  std::jthread telling_;
};

}  // namespace secbeat::orchestrator
