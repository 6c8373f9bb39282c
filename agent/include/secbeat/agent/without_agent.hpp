// Break-glass where no agent answers: the command line writes to the scoreboard, and workers follow from their next
// request on. An agent that returns puts what was done into the history and completes it.
//
// Thread safety: one thread uses it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/agent/break_glass.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

class WithoutAgent {
 public:
  struct Done {
    std::string message;
    std::vector<std::string> warnings;
  };

  // kIo, kProtocol: with what to do.
  static Result<WithoutAgent> open(const std::filesystem::path& state_dir, const Clock& clock);

  Done freeze(const std::string& reason, std::chrono::seconds lasts);
  Done unfreeze(const std::string& reason);
  // REQUIRES: 0 < lasts <= control::kMaxBypass.
  Done bypass(const std::string& reason, std::chrono::seconds lasts);
  Done end_bypass(const std::string& reason);
  // To the version before only. An empty name: the first module.
  Result<Done> rollback(const std::string& name, const std::string& to_version, const std::string& reason);

  [[nodiscard]] std::vector<DrillFinding> drill();

 private:
  WithoutAgent(const std::filesystem::path& state_dir, std::unique_ptr<control::Scoreboard> scoreboard,
               const Clock& clock);
  [[nodiscard]] control::BreakGlassArea& area() const { return scoreboard_->layout().break_glass; }
  [[nodiscard]] control::Statement statement_of(const std::string& reason, std::chrono::seconds lasts) const;
  Done noted(std::string message, const control::Note& note, std::vector<std::string> warnings = {});
  [[nodiscard]] Result<control::InForce> in_force() const;
  void warn_of_workers(const control::InForce& document, std::vector<std::string>& warnings) const;

  control::StatePaths paths_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  const Clock* clock_;
  std::string by_;
};

}  // namespace secbeat::agent
