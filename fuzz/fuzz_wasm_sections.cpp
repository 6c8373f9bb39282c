// Uploaded bytes as a WebAssembly binary: whatever they are, the walks over their sections end with labels that are
// valid or with an error that has a place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/engine/module_info.hpp"
#include "secbeat/engine/module_outline.hpp"

namespace {

void require_place(const secbeat::Error& error) {
  const bool says_where = error.message.starts_with("Invalid WASM module: ") && error.message.contains(" at offset ");
  if (!says_where) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::engine;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto outline = read_module_outline(bytes);
  if (!outline) {
    require_place(outline.error());
  } else if (outline->sections.size() > outline->section_count || outline->imports.size() > outline->import_count ||
             outline->exports.size() > outline->export_count) {
    std::abort();
  }
  const auto info = read_module_info(bytes);
  if (!info) {
    require_place(info.error());
    return 0;
  }
  if (info->embedded_name && !is_module_name(*info->embedded_name)) std::abort();
  if (info->embedded_version && !is_semantic_version(*info->embedded_version)) std::abort();
  return 0;
}
