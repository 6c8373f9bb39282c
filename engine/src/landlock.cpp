#include "landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::engine {
namespace {

// <linux/landlock.h> as of version 6; Debian 12's headers end at version 2.
struct Ruleset {
  std::uint64_t files;   // rights that are refused unless a rule grants them, and there is none
  std::uint64_t ports;   // from version 4
  std::uint64_t scopes;  // from version 6
};
constexpr unsigned kAskForVersion = 1U;
constexpr std::uint64_t lowest_bits(unsigned count) { return (std::uint64_t{1} << count) - 1; }

// How many rights to files each version knows, from version 1.
constexpr std::array<unsigned, 5> kFileRights{13, 14, 15, 15, 16};

Ruleset everything(int version) {
  const auto known = std::min(static_cast<std::size_t>(version), kFileRights.size());
  return {.files = lowest_bits(kFileRights[known - 1]),
          .ports = version >= 4 ? lowest_bits(2) : 0,
          .scopes = version >= 6 ? lowest_bits(2) : 0};
}

// A kernel refuses a longer structure than it knows only where the rest is not zero.
constexpr std::size_t kSize = sizeof(Ruleset);

}  // namespace

Result<int> give_up_files() {
  const auto version = static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion));
  if (version <= 0) return 0;
  const Ruleset ruleset = everything(version);
  const UniqueFd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, kSize, 0)));
  if (!rules) return std::unexpected(io_error("landlock_create_ruleset"));
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return std::unexpected(io_error("landlock_restrict_self"));
  }
  return version;
}

}  // namespace secbeat::engine
