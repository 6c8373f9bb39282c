// Rules that come over NATS, on secbeat.rules.new: each message is a rule as POST /api/v1/rules takes it. Whoever made
// it a call gets the answer of the API; what is published without one is told in the log where it is refused.
//
// Thread safety: made and destroyed by one thread.
#pragma once

#include <memory>

#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {

class RuleSubject {
 public:
  // All outlive it, and what was handed over to `rules` may come to an end after it.
  static Result<std::unique_ptr<RuleSubject>> listen(fleet::Connection& connection, FleetRules& rules,
                                                     const Clock& clock);

 private:
  std::unique_ptr<fleet::Subscription> subscription_;
};

}  // namespace secbeat::orchestrator
