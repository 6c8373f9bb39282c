// Asks nodes to do one step of an order, all at once, until each has done it, has failed, or has been silent for too
// long. Time during which this side has no connection does not count against a node.
//
// Thread safety: owned by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

using SubjectOf = std::string (*)(std::string_view node);

struct Heard {
  std::vector<fleet::OrderAnswer> done = {};
  std::vector<NodeFailure> failed = {};
  std::vector<NodeFailure> unreachable = {};  // never answered, or went silent
  bool is_whole = false;                      // every node is in one of the lists
};

// `goes_on` is called again and again meanwhile; once it says false, whoever has not answered is given up.
Heard ask_all(fleet::Connection& connection, const Timeouts& timeouts, const fleet::Order& order, SubjectOf subject,
              const std::vector<std::string>& nodes, const std::function<bool()>& goes_on,
              const Clock& clock = RealClock());

}  // namespace secbeat::orchestrator
