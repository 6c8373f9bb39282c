// Watches each new version for a while ([waf.wasm.watch]) and takes it back where it hurts the requests: errors, a
// share of blocked or limited requests, or times of inspection that the version before it did not have.
//
// It reads the scoreboard's counters; nothing of it is on the path of a request. docs/operations.md tells what an
// operator sees of it.
//
// Thread safety: start and stop from one thread; the rest may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/watch_view.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

struct AutoRollbacks {
  std::string module;
  std::uint64_t count = 0;  // since the agent started
};

class VersionWatch {
 public:
  // What is watched already by a predecessor that died goes on for what remains. All outlive the watch.
  static std::unique_ptr<VersionWatch> start(const Config& config, const control::Scoreboard& scoreboard,
                                             Reloader& reloader, const Clock& clock);
  virtual ~VersionWatch() = default;

  // The last watch over this module, that of a version which came at this moment included; empty: there was none since
  // the agent started.
  [[nodiscard]] virtual std::optional<WatchView> view(std::string_view module) = 0;
  // Ends the watch over this module, its version stays. kNoWatch: none is running.
  virtual Result<WatchView> end(std::string_view module, const Origin& origin) = 0;
  // Modules for which a watch is running, and what was taken back.
  [[nodiscard]] virtual std::vector<std::string> running() const = 0;
  [[nodiscard]] virtual std::vector<AutoRollbacks> rollbacks() const = 0;

  // Waits for a rollback that is under way; a watch that is running stays on the disk for the next agent.
  virtual void stop() = 0;
};

}  // namespace secbeat::agent
