#include <sys/resource.h>
#include <sys/time.h>

#include <cerrno>

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {
namespace {

// Never above a limit that the process already has.
Result<void> lower_limit(__rlimit_resource resource, rlim_t value, std::string_view name) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return std::unexpected(io_error(name));
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < value) value = limit.rlim_max;
  limit = {.rlim_cur = value, .rlim_max = value};
  if (::setrlimit(resource, &limit) != 0) return std::unexpected(io_error(name));
  return {};
}

}  // namespace

Result<void> confine_compile_child(std::size_t data_bytes, std::size_t file_bytes) {
  // Not idle priority: idle work does not move at all on a busy machine, and rules must change during an attack.
  static constexpr int kNice = 10;
  if (auto set = lower_limit(RLIMIT_DATA, data_bytes, "RLIMIT_DATA"); !set) return set;
  if (auto set = lower_limit(RLIMIT_FSIZE, file_bytes, "RLIMIT_FSIZE"); !set) return set;
  if (auto set = lower_limit(RLIMIT_CORE, 0, "RLIMIT_CORE"); !set) return set;
  if (::setpriority(PRIO_PROCESS, 0, kNice) != 0) return std::unexpected(io_error("setpriority"));
  return {};
}

}  // namespace secbeat::engine
