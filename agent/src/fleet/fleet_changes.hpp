// Brings versions of the fleet into force on this node: fetches the bytes, checks them, hands them to the reload
// pipeline.
//
// Thread safety: every method may be called from any thread; apply() blocks its caller.
#pragma once

#include <string>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::agent {

struct FleetBytes {
  std::string module;
  std::string config;  // empty: none
};

class FleetChanges {
 public:
  // All outlive it.
  FleetChanges(const Config& config, fleet::Connection& connection, Reloader& reloader)
      : config_(config), connection_(connection), reloader_(reloader) {}

  // Whole, and with the size and SHA-256 that the version has.
  [[nodiscard]] Result<FleetBytes> fetch(const fleet::VersionRef& version) const;
  Outcome<ReloadResult> apply(const fleet::Order& order, FleetBytes bytes, Mode mode) const;

 private:
  const Config& config_;
  fleet::Connection& connection_;
  Reloader& reloader_;
};

}  // namespace secbeat::agent
