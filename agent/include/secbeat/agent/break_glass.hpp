// Break-glass: freeze, bypass, and a drill that shows whether they and a rollback would work (docs/break_glass.md).
//
// What is in effect stands in the scoreboard (control/break_glass.hpp), where workers and the command line see it with
// no agent there. The agent puts what happened into log and history, remembers a freeze over a restart of the machine,
// and completes rollbacks that were begun without it.
//
// Thread safety: start and stop from one thread; the rest may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

inline constexpr std::chrono::seconds kUsualBypass{600};

struct GlassStatement {  // that is in effect
  std::string since;     // RFC 3339
  std::string until;     // the same; empty: without an end
  std::string by;
  std::string reason;
};

// A version in whose place the one before it decides, until the agent has rolled it back.
struct TakenBackVersion {
  std::string name;  // of the module
  std::string version;
  std::string decided_by;
};

struct BreakGlassView {
  std::optional<GlassStatement> frozen;
  std::optional<GlassStatement> bypass;
  std::vector<TakenBackVersion> taken_back;
  std::uint64_t requests_bypassed = 0;  // since the scoreboard was made
  WorkerCount workers;                  // `serving`: that see what is written here
};

struct GlassDemand {
  std::string reason;
  std::chrono::seconds lasts{0};  // 0: without an end (of a freeze)
  Origin origin;
};

struct GlassResult {
  std::string message;
  BreakGlassView view;
  std::vector<std::string> warnings;
};

enum class DrillHealth : std::uint8_t { kOk, kWarning, kFailure };
constexpr std::string_view word_of(DrillHealth health) noexcept {
  return health == DrillHealth::kOk ? "ok" : health == DrillHealth::kWarning ? "warn" : "fail";
}
struct DrillFinding {
  std::string check;
  DrillHealth health = DrillHealth::kOk;
  std::string found;
  std::string advice;  // empty: nothing is to be done
};

class BreakGlass {
 public:
  // All outlive it.
  static std::unique_ptr<BreakGlass> start(const Config& config, control::Scoreboard& scoreboard, const WorkerHub& hub,
                                           Reloader& reloader, const Clock& clock);
  virtual ~BreakGlass() = default;

  // None of these can be refused: what could not be done besides stands in the warnings.
  virtual GlassResult freeze(const GlassDemand& demand) = 0;
  virtual GlassResult unfreeze(const GlassDemand& demand) = 0;
  // REQUIRES: 0 < demand.lasts <= control::kMaxBypass.
  virtual GlassResult bypass(const GlassDemand& demand) = 0;
  virtual GlassResult end_bypass(const GlassDemand& demand) = 0;

  [[nodiscard]] virtual BreakGlassView view() const = 0;
  // Tries everything but what clients would notice.
  virtual std::vector<DrillFinding> drill() = 0;
  virtual void stop() = 0;
};

// A freeze that was in effect before the machine restarted. To be called before the reloader opens.
void restore_freeze(const Config& config, control::Scoreboard& scoreboard);

}  // namespace secbeat::agent
