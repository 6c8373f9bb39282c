// The document of rules that is desired, and the module that reads it.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/agent/rule_document.hpp"
#include "secbeat/fleet/connection.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {

struct DesiredRules {
  agent::RuleDocument document;
  std::string config_sha256;  // empty: no configuration
  std::string module_sha256;  // empty: the fleet has no such module
  std::string version;        // label
  std::string etag;           // of the text
  std::uint64_t revision = 0;
};

class DesiredRulesReader {
 public:
  // All outlive it. `shipped`: where the module is taken from when the first rule comes to a fleet without it.
  DesiredRulesReader(fleet::Connection& connection, const Rollouts& rollouts, std::filesystem::path shipped)
      : connection_(connection), rollouts_(rollouts), shipped_(std::move(shipped)) {}

  [[nodiscard]] Result<DesiredRules> read();
  // The module's bytes. kVersionConflict where nodes have rules of their own that the fleet does not know, and that
  // would be lost.
  [[nodiscard]] Result<std::string> module_of(const DesiredRules& rules);
  // Of the module that comes with the orchestrator; empty: it is not signed.
  [[nodiscard]] std::string shipped_signature() const;

 private:
  struct Cached {
    std::string sha256;
    std::string bytes;
  };
  // The object, from the cache where it is the one that was read last.
  Result<std::string> object(Cached& cached, const std::string& sha256, std::size_t limit);
  [[nodiscard]] Result<std::string> first_module() const;

  fleet::Connection& connection_;
  const Rollouts& rollouts_;
  const std::filesystem::path shipped_;

  std::mutex mutex_;
  Cached config_;  // guarded by mutex_
  Cached module_;  // guarded by mutex_
};

}  // namespace secbeat::orchestrator
