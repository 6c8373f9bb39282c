// The command line's profile file: whatever it holds, it is profiles within their bounds or an error that names the
// file and does not show a key.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node_api/profile.hpp"

namespace {

constexpr std::string_view kFile = "/home/me/.config/secbeat/profile.toml";

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::cli;
  const auto profiles = parse_profiles({reinterpret_cast<const char*>(data), size}, kFile);
  if (!profiles) {
    require(profiles.error().code == secbeat::ErrorCode::kConfig);
    require(profiles.error().message.starts_with(kFile));
    return 0;
  }
  require(profiles->default_name.empty() || profiles->by_name.contains(profiles->default_name));
  for (const auto& [name, profile] : profiles->by_name) {
    require(!name.empty() && name.size() <= 64);
    require(checked_address(profile.api) == profile.api);
    require(profile.key.find_first_of("\r\n ") == std::string::npos && profile.key.size() <= 512);
  }
  return 0;
}
