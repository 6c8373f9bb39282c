// The scoreboard: counters that workers write and anybody reads, without a system call or a lock.
//
// A file under <state>/workers/, mapped shared by the agent, every worker and the command line; it lives on a
// file system in memory. One slot a worker, aligned to cache lines; every number is a lock-free atomic that
// only its worker writes (relaxed), but for the tables that all workers share. Counters only grow: a slot whose worker
// died keeps its numbers, and the worker that claims it next counts on from there, so that sums never go backwards.
//
// Thread safety: a slot's counters are written by the one event loop that claimed it; reading from anywhere.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/break_glass.hpp"
#include "secbeat/control/counter.hpp"
#include "secbeat/control/rule_table.hpp"

namespace secbeat::control {

inline constexpr std::size_t kMaxWorkers = 128;
// Versions that one worker counts apart: 16 modules with the versions that their windows keep, by default up to 7.
inline constexpr std::size_t kMaxSeries = 128;
inline constexpr std::size_t kVerdicts = 4;
inline constexpr std::size_t kErrorKinds = 5;  // trap, deadline, memory, bad_verdict, no_instance
// Upper bounds of the inspection time histogram in ns; one more bucket is open.
inline constexpr std::uint64_t kInspectionBoundsNs[] = {500,    1000,   2000,   5000,    10000,   20000,   50000,
                                                        100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000};
inline constexpr std::size_t kInspectionBuckets = std::size(kInspectionBoundsNs) + 1;

struct Series {
  Counter version_id;  // 0: free
  Counter verdicts[kVerdicts];
  Counter errors[kErrorKinds];
  Counter buckets[kInspectionBuckets];
  Counter sum_ns;
};

struct alignas(64) WorkerSlot {
  std::atomic<std::int32_t> pid;  // 0: free; of a dead process: may be claimed
  std::atomic<std::uint32_t> parent_pid;
  Counter start_ticks;  // of the process, from /proc/PID/stat: pids are used again
  Counter generation;   // what the event loop serves
  Counter serving_since_unix_ms;
  Counter requests;  // inspected, in the life of the slot
  Counter events_dropped;
  Counter details_dropped;  // verdict details that pointed outside the guest's memory, or trapped
  Counter respawns;         // times that the slot was claimed
  Counter bypassed;         // requests that passed uninspected because of a bypass
  Counter probe_seen;       // BreakGlassArea::probe as the event loop saw it last
  Series series[kMaxSeries];
  Series others;  // of versions that found no series, together; its version_id stays 0
};

// One entry of the rate limiter's table (rate_limiter.hpp).
struct RateEntry {
  Counter key;     // hash of the address; 0: free
  Counter tat_ns;  // theoretical arrival time, CLOCK_MONOTONIC
};
inline constexpr std::size_t kRateEntries = 65536;

struct ScoreboardHeader {
  std::atomic<std::uint64_t> magic;  // kScoreboardMagic, stored last
  std::uint32_t layout;              // kScoreboardLayoutVersion
  std::uint32_t worker_slots;
  std::uint64_t hash_seed[2];  // of the rate limiter, random for each file
  // kBreakGlassForm of the build that used the file last; 0: of a build before there was this number. The area stands
  // behind the header in every layout, so that builds of different layouts can hand it on.
  std::uint32_t break_glass_form;
};

struct ScoreboardLayout {
  ScoreboardHeader header;
  BreakGlassArea break_glass;
  WorkerSlot workers[kMaxWorkers];
  alignas(64) RateEntry rates[kRateEntries];
  RuleTable rules;
};
inline constexpr std::uint64_t kScoreboardMagic = 0x0064726f42544253;  // "SBTBord" in memory: a file of ours
inline constexpr std::uint32_t kScoreboardLayoutVersion = 4;
// The form of BreakGlassArea: another number where members change their place or meaning, not where some are added at
// its end within its size.
inline constexpr std::uint32_t kBreakGlassForm = 1;
inline constexpr std::uint32_t kFirstBreakGlassLayout = 3;  // of which files say no form, and have form 1

// The mapping. Thread safety: constant after opening.
class Scoreboard {
 public:
  // Agent: opens the file or creates it, readable and writable for `group` (mode 0660; gid -1: unchanged).
  // A file of another layout is replaced (workers of the old build keep their mapping of the old one). What break-glass
  // has in effect, and what waits to be recorded, goes into the new one; where it cannot, notice() says so.
  static Result<std::unique_ptr<Scoreboard>> create(const std::filesystem::path& path, uid_t owner, gid_t group);
  // Worker: maps what the agent made. kIo where it is missing, kProtocol where it has another layout.
  static Result<std::unique_ptr<Scoreboard>> open(const std::filesystem::path& path);
  ~Scoreboard();
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  [[nodiscard]] ScoreboardLayout& layout() const noexcept { return *layout_; }
  [[nodiscard]] const std::string& notice() const noexcept { return notice_; }  // empty: nothing to tell

  // Claims a slot for this process by compare-and-set: a free one, else that of a dead process.
  // Empty: more than kMaxWorkers live workers.
  std::optional<std::uint32_t> claim(std::int32_t pid, std::int32_t parent_pid) noexcept;
  void release(std::uint32_t slot) noexcept;

  // Slots whose process lives (pid and start time agree).
  [[nodiscard]] std::vector<std::uint32_t> live_slots() const;
  [[nodiscard]] std::uint64_t total_requests() const noexcept;  // over all slots, the dead included

  // The worker's own series for this version: found, or taken from one whose version is not in `keep`
  // (its counters start at 0 again). Null when all are kept. Only the slot's owner calls it.
  static Series* series_for(WorkerSlot& slot, std::uint64_t version_id,
                            const std::vector<std::uint64_t>& keep) noexcept;

 private:
  explicit Scoreboard(ScoreboardLayout* layout, std::string notice = {})
      : layout_(layout), notice_(std::move(notice)) {}
  ScoreboardLayout* layout_;
  std::string notice_;
};

}  // namespace secbeat::control
