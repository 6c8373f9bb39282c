// What there is to know about break-glass, and what is done about it at each look: break_glass.cpp is the thread that
// looks.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/agent/break_glass.hpp"
#include "secbeat/agent/worker_hub.hpp"

namespace secbeat::agent {

// Thread safety: look() by one thread; the rest may be called from any thread.
class GlassBook {
 public:
  GlassBook(const Config& config, control::Scoreboard& scoreboard, const WorkerHub& hub, Reloader& reloader,
            const Clock& clock);

  GlassResult freeze(const GlassDemand& demand);
  GlassResult unfreeze(const GlassDemand& demand);
  GlassResult bypass(const GlassDemand& demand);
  GlassResult end_bypass(const GlassDemand& demand);
  [[nodiscard]] BreakGlassView view() const;
  std::vector<DrillFinding> drill();

  // Completes rollbacks that only the scoreboard has, records what was done without an agent, ends what is over.
  void look();

 private:
  [[nodiscard]] control::BreakGlassArea& area() const { return scoreboard_.layout().break_glass; }
  [[nodiscard]] std::uint64_t now_ms() const { return unix_ms_of(clock_.now()); }
  [[nodiscard]] control::Moment moment() const;
  [[nodiscard]] control::Statement statement_of(const GlassDemand& demand) const;
  GlassResult result_of(std::string message, std::vector<std::string> warnings) const;
  // A row of the history; a warning where it cannot be written.
  void record(std::string kind, const std::string& reason, const Origin& origin, std::uint64_t at_unix_ms,
              std::vector<std::string>& warnings) {
    record({}, std::move(kind), reason, origin, at_unix_ms, warnings);
  }
  void record(HistoryRow row, std::string kind, const std::string& reason, const Origin& origin,
              std::uint64_t at_unix_ms, std::vector<std::string>& warnings);
  void wait_for_commit(std::vector<std::string>& warnings) const;
  void remember_freeze(std::vector<std::string>& warnings);
  void warn_of_blind_workers(std::vector<std::string>& warnings) const;

  void read_notes();
  [[nodiscard]] bool is_to_be_completed(const control::Note& note) const;
  [[nodiscard]] bool serves(std::uint64_t version_id) const;
  [[nodiscard]] bool is_completed(const control::Note& note, const HistoryRow& overtaken) const;
  // Of a rollback that something else has overtaken; without a name: of no version that is known.
  [[nodiscard]] HistoryRow row_of_overtaken(const control::Note& note) const;
  bool enter(const control::Note& note);
  void complete_rollbacks();
  void complete(const control::Slot& slot, const std::optional<control::WaitingNote>& note);
  void give_up(const control::Slot& slot, const Rollback& rollback, const std::optional<control::WaitingNote>& note);
  void forget_finished(std::uint64_t version_id);
  void end_what_is_over();

  void drill_scoreboard(std::vector<DrillFinding>& findings) const;
  void drill_old_workers(std::vector<DrillFinding>& findings) const;
  void drill_workers(std::vector<DrillFinding>& findings) const;
  void drill_rollbacks(std::vector<DrillFinding>& findings) const;
  void drill_files(std::vector<DrillFinding>& findings) const;

  // Constant.
  const Config& config_;
  control::Scoreboard& scoreboard_;
  const WorkerHub& hub_;
  Reloader& reloader_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::optional<control::Statement> remembered_;  // guarded by mutex_; what freeze.json says
  bool told_unremembered_ = false;                // guarded by mutex_

  // Of look().
  SteadyTime try_again_{};
  SteadyTime::duration patience_{};
  bool told_unrecorded_ = false;
};

}  // namespace secbeat::agent
