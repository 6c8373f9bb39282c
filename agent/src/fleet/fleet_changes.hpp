// Brings versions of the fleet into force on this node, and takes them back: fetches the bytes, checks them, hands them
// to the reload pipeline, and remembers how far the node is.
//
// What the fleet has changed stands in the history under the name of the rollout, so that a change that is asked for
// again, also after a restart, is not done again.
//
// Thread safety: every method may be called from any thread and blocks its caller; one at a time changes what serves.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "reached.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/documents.hpp"

namespace secbeat::agent {

struct FleetChange {
  std::uint64_t downtime_ms = 0;
  bool unchanged = false;  // it served already; of a revert: something else serves, which stays
};

class FleetChanges {
 public:
  // All outlive it.
  FleetChanges(const Config& config, fleet::Connection& connection, Reloader& reloader,
               const control::Scoreboard& scoreboard, const Clock& clock, Reached& reached)
      : config_(config),
        connection_(connection),
        reloader_(reloader),
        scoreboard_(scoreboard),
        clock_(clock),
        reached_(reached) {}

  // Everything but the swap. Keeps the bytes for the commit.
  Result<FleetChange> stage(const fleet::Order& order);
  Result<FleetChange> commit(const fleet::Order& order);
  // Brings back what served before the rollout's commit.
  Result<FleetChange> revert(const fleet::Order& order);
  // Does nothing where the module's desired revision has been reached. kFrozen and kHotReloadDisabled without an
  // attempt, so that the history does not fill meanwhile.
  Result<FleetChange> follow(const fleet::DesiredModule& wanted);

 private:
  struct Bytes {
    std::string module;
    std::string config;  // empty: none
  };
  struct Staged {
    fleet::VersionRef version;
    Bytes bytes;
  };

  // Whole, and with the size and SHA-256 that the version has.
  [[nodiscard]] Result<Bytes> fetch(const fleet::VersionRef& version);
  [[nodiscard]] Result<ReloadResult> apply(const fleet::Order& order, Bytes bytes, Mode mode) const;
  // Whether the node holds the order's version ready, by the same label, and may go back to it.
  [[nodiscard]] bool was_here(const fleet::Order& order) const;
  [[nodiscard]] Result<FleetChange> bring_known(const fleet::Order& order) const;
  [[nodiscard]] Result<FleetChange> bring_new(const fleet::Order& order, Bytes bytes) const;
  [[nodiscard]] Result<FleetChange> bring(const fleet::Order& order, Bytes bytes, ReachedRevision reached) const;
  [[nodiscard]] Result<FleetChange> bring_back(const fleet::Order& order, const HistoryRow& commit) const;
  [[nodiscard]] std::optional<HistoryRow> last_by(const std::string& module, std::string_view request_id) const;
  // What the rollout did here last.
  [[nodiscard]] std::optional<HistoryRow> last_of(const fleet::Order& order) const;
  [[nodiscard]] std::optional<HistoryRow> followed(const fleet::Order& order) const;
  [[nodiscard]] Result<void> may_change() const;  // kFrozen, kHotReloadDisabled
  [[nodiscard]] Result<void> may_change(const fleet::Order& order) const;
  [[nodiscard]] std::string serving(const std::string& module) const;  // label; empty: nothing

  const Config& config_;
  fleet::Connection& connection_;
  Reloader& reloader_;
  const control::Scoreboard& scoreboard_;
  const Clock& clock_;
  Reached& reached_;

  std::mutex turn_;  // held by who changes what serves, from his last look at what has been reached on
  std::mutex mutex_;
  std::optional<Staged> staged_;  // guarded by mutex_; the last one
};

}  // namespace secbeat::agent
