#include "process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::control {

std::optional<ProcessStat> parse_stat(std::string_view text) noexcept {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(name_end + 2);
  ProcessStat stat;
  stat.state = text.front();
  // The state is field 3 of the file, the start time field 22.
  for (int field = 3; field < 22; ++field) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), stat.start_ticks);
  if (error != std::errc{}) return std::nullopt;
  return stat;
}

std::optional<ProcessStat> stat_of(std::int32_t pid) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  char text[1024];  // 52 numbers and a name of at most 64 bytes
  const ssize_t length = ::read(fd.get(), text, sizeof text);
  if (length <= 0) return std::nullopt;
  return parse_stat({text, static_cast<std::size_t>(length)});
}

bool is_alive(std::int32_t pid, std::uint64_t start_ticks) noexcept {
  if (pid <= 0) return false;
  if (::kill(pid, 0) != 0 && errno == ESRCH) return false;
  const auto stat = stat_of(pid);
  if (!stat) return ::kill(pid, 0) == 0 || errno == EPERM;
  return stat->start_ticks == start_ticks && stat->state != 'Z' && stat->state != 'X';
}

}  // namespace secbeat::control
