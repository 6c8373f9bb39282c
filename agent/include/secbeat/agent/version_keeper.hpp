// Who wants versions for longer than they stay loaded: the archive, as the reload pipeline sees it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {

// One time at which a version came into force.
struct InForceTime {
  std::string since;  // RFC 3339
  std::uint64_t generation = 0;
  std::string kind;  // of the history row
  std::string reason;
  std::string by;
  std::string request_id;

  bool operator==(const InForceTime&) const = default;
};

// A version that is or was in force.
struct ForceRecord {
  std::string module;
  std::string label;
  std::string sha256;
  std::uint64_t size_bytes = 0;
  std::string config_sha256;   // empty: no configuration
  std::string created_at;      // RFC 3339
  std::string signature = {};  // of the bytes, the text of a file .sig; empty: none
  std::vector<InForceTime> times;

  bool operator==(const ForceRecord&) const = default;
};

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
