// What an archive says of one version: manifests/<module>/<label>@<node>.json.
//
// Value types; thread safety as for std::string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::archive {

// One time at which a version came into force.
struct InForceTime {
  std::string since;  // RFC 3339
  std::uint64_t generation = 0;
  std::string kind;  // of the history row
  std::string reason;
  std::string by;
  std::string request_id;

  bool operator==(const InForceTime&) const = default;
};

// A version that is or was in force.
struct ForceRecord {
  std::string module;
  std::string label;
  std::string sha256;
  std::uint64_t size_bytes = 0;
  std::string config_sha256;   // empty: no configuration
  std::string created_at;      // RFC 3339
  std::string signature = {};  // of the bytes, the text of a file .sig; empty: none
  std::vector<InForceTime> times;

  bool operator==(const ForceRecord&) const = default;
};

struct Manifest {
  std::string node;
  ForceRecord record;  // times: oldest first
  std::uint64_t config_size_bytes = 0;

  bool operator==(const Manifest&) const = default;
};

inline constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxManifestTimes = 64;  // the newest are kept
inline constexpr std::size_t kMaxReasonInManifest = 1000;
inline constexpr std::size_t kMaxSignatureInManifest = 1024;

std::string to_json(const Manifest& manifest);
// kProtocol with the place of the fault for anything that is no such manifest.
Result<Manifest> manifest_from_json(std::string_view text);

}  // namespace secbeat::archive
