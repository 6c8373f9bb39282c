#include "secbeat/engine/confine.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "call_filter.hpp"
#include "landlock.hpp"

namespace secbeat::engine {
namespace {

// Standard streams, the files of a job, one artifact in sealed memory and a few more for the engine.
constexpr rlim_t kDescriptors = 64;

// Never above a limit that the process already has.
Result<void> lower_limit(__rlimit_resource resource, rlim_t value, std::string_view name) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return std::unexpected(io_error(name));
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < value) value = limit.rlim_max;
  limit = {.rlim_cur = value, .rlim_max = value};
  if (::setrlimit(resource, &limit) != 0) return std::unexpected(io_error(name));
  return {};
}

Result<void> lower_limits(const ConfineLimits& limits) {
  if (auto set = lower_limit(RLIMIT_DATA, limits.data_bytes, "RLIMIT_DATA"); !set) return set;
  if (auto set = lower_limit(RLIMIT_FSIZE, limits.file_bytes, "RLIMIT_FSIZE"); !set) return set;
  if (auto set = lower_limit(RLIMIT_CORE, 0, "RLIMIT_CORE"); !set) return set;
  return lower_limit(RLIMIT_NOFILE, kDescriptors, "RLIMIT_NOFILE");
}

// Root without capabilities and without a way to open files has no more than anybody else. Another user identifier
// would be shared with other processes of that user, which could then reach this one.
Result<void> drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) return std::unexpected(io_error("capset"));
  return {};
}

}  // namespace

Result<Confinement> confine_process(const ConfineLimits& limits) {
  // Not idle priority: idle work does not move at all on a busy machine, and rules must change during an attack.
  static constexpr int kNice = 10;
  if (auto set = lower_limits(limits); !set) return std::unexpected(set.error());
  if (::setpriority(PRIO_PROCESS, 0, kNice) != 0) return std::unexpected(io_error("setpriority"));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return std::unexpected(io_error("PR_SET_NO_NEW_PRIVS"));
  if (auto dropped = drop_capabilities(); !dropped) return std::unexpected(dropped.error());
  const auto landlock = give_up_files();
  if (!landlock) return std::unexpected(landlock.error());
  const auto filtered = filter_calls();
  if (!filtered) return std::unexpected(filtered.error());
  return Confinement{.filters_calls = *filtered, .landlock_version = *landlock};
}

}  // namespace secbeat::engine
