// Whether a process lives, also one that belongs to another user.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace secbeat::control {

struct ProcessStat {
  char state = 0;                 // 'R', 'S', … 'Z'
  std::uint64_t start_ticks = 0;  // since boot
};

// The content of /proc/PID/stat. The second field is the program's name, which may itself hold blanks and
// parentheses.
std::optional<ProcessStat> parse_stat(std::string_view text) noexcept;

// Empty: no such process, or /proc hides it (hidepid).
std::optional<ProcessStat> stat_of(std::int32_t pid) noexcept;

// Whether the process that had this pid and start time still runs. Where /proc hides the process, a pid that
// exists counts as that process. A zombie does not live.
bool is_alive(std::int32_t pid, std::uint64_t start_ticks) noexcept;

}  // namespace secbeat::control
