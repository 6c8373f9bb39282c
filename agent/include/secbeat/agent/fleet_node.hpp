// The node as a part of a fleet: reports over NATS what it serves, gets ready for an order and swaps when it is told,
// and follows the desired state. docs/fleet.md tells what an operator sees of it, docs/fleet_protocol.md what is said.
//
// Desired state is looked at again and again (level-triggered): a node that was away, cut off or new catches up by
// itself. What is done on one node over its own API stays until the next desired revision. Without NATS, and where what
// is kept there is gone, older or damaged, the node goes on with what it serves.
//
// Thread safety: start and destruction from one thread; it works on threads of its own.
#pragma once

#include <memory>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_records.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

class FleetNode {
 public:
  // REQUIRES: config.nats_url is not empty; all outlive it. kConfig where [nats] or the node's name cannot be used.
  static Result<std::unique_ptr<FleetNode>> start(const Config& config, Reloader& reloader,
                                                  const control::Scoreboard& scoreboard, RuleRecords& records,
                                                  const Clock& clock);
  // Waits for what is under way, which a reloader that shuts down ends.
  virtual ~FleetNode() = default;
};

}  // namespace secbeat::agent
