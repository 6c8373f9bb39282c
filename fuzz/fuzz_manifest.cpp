// Manifests of an archive. What is taken must survive being written and read again, and names no file outside its
// folder.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/archive/version_archive.hpp"
#include "secbeat/engine/module_info.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::archive;
  const auto manifest = manifest_from_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!manifest) return 0;
  const auto again = manifest_from_json(to_json(*manifest));
  // A text that is longer than it is written is cut once.
  if (!again || to_json(*again) != to_json(*manifest)) std::abort();
  const ForceRecord& record = manifest->record;
  if (std::filesystem::path(module_key(record.sha256)).lexically_normal().parent_path() != "modules") std::abort();
  if (!secbeat::engine::is_module_name(record.module)) std::abort();
  for (const std::string& part : {record.module, record.label, manifest->node}) {
    if (part.empty() || part == "." || part == ".." || part.find('/') != part.npos || part.find('\0') != part.npos) {
      std::abort();
    }
  }
  return 0;
}
