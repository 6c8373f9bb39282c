// Who wants versions for longer than they stay loaded: the archive, as the reload pipeline sees it.
#pragma once

#include <vector>

#include "secbeat/archive/manifest.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {

using archive::ForceRecord;
using archive::InForceTime;

// Thread safety: every method may be called from any thread.
class VersionKeeper {
 public:
  virtual ~VersionKeeper() = default;
  // A version has come into force, for the first time or again. Returns at once: a reload is waiting.
  virtual void came_into_force(ForceRecord record) = 0;
  // Versions whose module and configuration must not be removed yet.
  [[nodiscard]] virtual std::vector<control::Version> wanted() const = 0;
};

}  // namespace secbeat::agent
