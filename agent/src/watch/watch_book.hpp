// The watches over all modules, without a thread of its own: look() at what is in force and at the counters, and act.
//
// A version is new, and watched, where its number is higher than every one seen before. Whatever else changes what a
// module serves (a rollback, a removal) only ends a watch.
//
// Thread safety: look() by one thread; the rest may be called from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baselines.hpp"
#include "judge.hpp"
#include "secbeat/agent/version_watch.hpp"
#include "watch_notes.hpp"

namespace secbeat::agent {

class WatchBook {
 public:
  // All outlive it.
  WatchBook(const Config& config, const control::Scoreboard& scoreboard, Reloader& reloader, const Clock& clock);

  // Blocks for as long as a rollback that it decides on takes.
  void look();

  [[nodiscard]] std::optional<WatchView> view(std::string_view module) const;
  Result<WatchView> end(std::string_view module, const Origin& origin);
  [[nodiscard]] std::vector<std::string> running() const;
  [[nodiscard]] std::vector<AutoRollbacks> rollbacks() const;

 private:
  struct Watch {
    std::string module;
    std::uint64_t version_id = 0;
    std::string version;
    std::string previous_version;  // empty: there is nothing to go back to
    WatchState state = WatchState::kRunning;
    SystemTime since;
    SystemTime until;
    SteadyTime began;
    SteadyTime ends;
    std::string reason;
    Figures measured;
    std::optional<Figures> baseline;
    std::deque<std::pair<SteadyTime, Figures>> recent;  // not older than kRecent
    SteadyTime try_again;                               // after a rollback that failed
  };
  // A version that is to be taken back.
  struct Culprit {
    std::string module;
    std::uint64_t version_id = 0;
    std::string evidence;
  };

  void resume(const control::InForce& document);
  void follow(const control::InForce& document);
  void follow_slot(const control::Slot& slot);
  void note_baselines(const control::InForce& document);
  void begin(const control::Slot& slot, SystemTime since, std::chrono::milliseconds remaining,
             const WatchNote* resumed);
  void measure(Watch& watch) const;
  std::vector<Culprit> judge_all();
  std::optional<Culprit> judge_one(Watch& watch);
  void take_back(const Culprit& culprit);
  void finish(Watch& watch, WatchState state, std::string reason);
  void write_notes();
  [[nodiscard]] static WatchView view_of(const Watch& watch);

  // Constant.
  const Config& config_;
  const control::Scoreboard& scoreboard_;
  Reloader& reloader_;
  const Clock& clock_;
  const std::filesystem::path notes_file_;

  // Owned by the thread that looks.
  Baselines baselines_;
  std::map<std::string, std::uint64_t, std::less<>> current_;  // by module; 0: it serves none
  std::uint64_t newest_id_ = 0;
  bool resumed_ = false;

  mutable std::mutex mutex_;
  std::map<std::string, Watch, std::less<>> watches_;            // guarded by mutex_; the last one of each module
  std::map<std::string, std::uint64_t, std::less<>> rollbacks_;  // guarded by mutex_
  WatchNotes notes_;                                             // guarded by mutex_
};

}  // namespace secbeat::agent
