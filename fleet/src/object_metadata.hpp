// What stands beside the chunks of an object (objects.cpp): JSON that any client of NATS may have written.
//
// Thread safety: free functions and value types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace secbeat::fleet {

inline constexpr std::size_t kMaxMetadataBytes = 64 * 1024;
inline constexpr std::size_t kMaxObjectId = 64;

struct ObjectMetadata {
  std::string name;
  std::string nuid;  // letters and digits: a part of the chunks' subject
  std::uint64_t size = 0;
  std::uint64_t chunks = 0;  // at most `size`
  std::string digest;
  bool deleted = false;
};

// Nothing for what is no metadata.
std::optional<ObjectMetadata> object_metadata_from_json(std::string_view text);

}  // namespace secbeat::fleet
