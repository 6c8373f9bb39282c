// What each rule has done, and when it ended: counts verdicts by rule (from the scoreboard, kept in the ledger) and
// reports each rule of universal-waf once when its time is over.
//
// Thread safety: every method may be called from any thread, start and stop by one.
#pragma once

#include <memory>
#include <vector>

#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_memory.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

class RuleRecords {
 public:
  // Works on a thread of its own; what it is given outlives it.
  static std::unique_ptr<RuleRecords> start(control::Scoreboard& scoreboard, Reloader& reloader, const Clock& clock);
  virtual ~RuleRecords() = default;

  // Of every rule that ever decided and is remembered.
  virtual std::vector<RuleTally> tallies() = 0;
  // Verdicts whose rules found no room in the table.
  [[nodiscard]] virtual control::RuleVerdicts left_out() const = 0;
  // Looks at once, and not when the thread does: before ended rules leave the document.
  virtual void report_ended() = 0;
  // Keeps what there is. Nothing is looked at after that.
  virtual void stop() = 0;
};

}  // namespace secbeat::agent
