#include "object_metadata.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace secbeat::fleet {
namespace {

// 0 where the member is not there; nothing where it is no whole number.
std::optional<std::uint64_t> count_in(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return 0;
  if (!found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

bool is_object_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxObjectId && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

}  // namespace

std::optional<ObjectMetadata> object_metadata_from_json(std::string_view text) {
  if (text.size() > kMaxMetadataBytes) return std::nullopt;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto size = count_in(json, "size");
  const auto chunks = count_in(json, "chunks");
  if (!size || !chunks || *chunks > *size) return std::nullopt;
  try {
    ObjectMetadata metadata{.name = json.value("name", std::string()),
                            .nuid = json.at("nuid").get<std::string>(),
                            .size = *size,
                            .chunks = *chunks,
                            .digest = json.value("digest", std::string()),
                            .deleted = json.value("deleted", false)};
    if (!is_object_id(metadata.nuid)) return std::nullopt;
    return metadata;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace secbeat::fleet
