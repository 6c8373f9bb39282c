// in_force.json. What is taken must survive being written and read again, and names no file outside its folder.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/control/in_force.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto in_force =
      secbeat::control::in_force_from_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!in_force) return 0;
  const auto again = secbeat::control::in_force_from_json(secbeat::control::to_json(*in_force));
  if (!again || *again != *in_force) std::abort();
  const secbeat::control::StatePaths paths{"/state"};
  for (const auto& slot : in_force->slots) {
    for (const auto& version : slot.versions) {
      if (paths.artifact(version.artifact_sha256).lexically_normal().parent_path() != "/state/data/artifacts" ||
          (!version.config_sha256.empty() &&
           paths.config(version.config_sha256).lexically_normal().parent_path() != "/state/data/configs")) {
        std::abort();
      }
    }
  }
  return 0;
}
