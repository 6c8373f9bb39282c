// How often each rule decided: what the scoreboard's table says now, and what it said before it was replaced or an
// entry was freed. Numbers only grow.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "secbeat/agent/rule_memory.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

class RuleTallies {
 public:
  // `memory` may be null: then nothing outlives the process but what the scoreboard has. Both outlive it.
  RuleTallies(control::Scoreboard& scoreboard, RuleMemory* memory);

  // In the order of module and rule.
  std::vector<RuleTally> all();
  // Writes what has changed. Where the table fills up, rules that are not in `in_force` and have not matched for an
  // hour leave it.
  void save(const std::set<std::string>& in_force, SystemTime now);

 private:
  struct Entry {
    RuleTally tally;
    bool is_saved = false;
  };
  using Key = std::pair<std::string, std::string>;

  void read_table();
  void free_idle(const std::set<std::string>& in_force, SystemTime now);
  void forget_oldest();

  control::Scoreboard& scoreboard_;
  RuleMemory* const memory_;
  const std::string board_;

  std::mutex mutex_;
  std::map<Key, Entry> entries_;  // guarded by mutex_
  bool is_failing_ = false;       // guarded by mutex_: the last save failed
};

}  // namespace secbeat::agent
