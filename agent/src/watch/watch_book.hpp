// The watches over all modules, without a thread of its own: look() at what is in force and at the counters, and act.
//
// A version is new, and watched, where its number is higher than every one seen before. Whatever else changes what a
// module serves (a rollback, a removal) only ends a watch.
//
// Thread safety: every method may be called from any thread, look() by one at a time.
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

  // Both know of a version that came into force just before.
  [[nodiscard]] std::optional<WatchView> view(std::string_view module);
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
    bool taking_back = false;                           // it is too late to end the watch
  };
  // A version that is to be taken back.
  struct Culprit {
    std::string module;
    std::uint64_t version_id = 0;
    std::string evidence;
  };

  // With look_mutex_ held.
  control::InForce notice();
  void resume(const control::InForce& document);
  void follow(const control::InForce& document);
  void follow_slot(const control::Slot& slot);
  void note_baselines(const control::InForce& document);
  void begin(const control::Slot& slot, SystemTime since, std::chrono::milliseconds remaining,
             const WatchNote* resumed);
  // With mutex_ held as well.
  void measure(Watch& watch) const;
  std::vector<Culprit> judge_all();
  std::optional<Culprit> judge_one(Watch& watch);
  void take_back(const Culprit& culprit);
  // Whether the watch over it still runs; from then on nobody can end it.
  bool begin_taking_back(const Culprit& culprit);
  void finish(Watch& watch, WatchState state, std::string reason);
  void write_notes();
  [[nodiscard]] static WatchView view_of(const Watch& watch);

  // Constant.
  const Config& config_;
  const control::Scoreboard& scoreboard_;
  Reloader& reloader_;
  const Clock& clock_;
  const std::filesystem::path notes_file_;

  std::mutex look_mutex_;                                      // taken before mutex_, never while a rollback runs
  Baselines baselines_;                                        // guarded by look_mutex_
  std::map<std::string, std::uint64_t, std::less<>> current_;  // guarded by look_mutex_; by module, 0: it serves none
  std::uint64_t newest_id_ = 0;                                // guarded by look_mutex_
  bool resumed_ = false;                                       // guarded by look_mutex_

  mutable std::mutex mutex_;
  std::map<std::string, Watch, std::less<>> watches_;            // guarded by mutex_; the last one of each module
  std::map<std::string, std::uint64_t, std::less<>> rollbacks_;  // guarded by mutex_
  WatchNotes notes_;                                             // guarded by mutex_
};

}  // namespace secbeat::agent
