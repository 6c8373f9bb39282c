// Uploaded bytes as a WebAssembly binary: whatever they are, the walk over their sections ends with labels that are
// valid or with an error that has a place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/engine/module_info.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::engine;
  const auto info = read_module_info({reinterpret_cast<const char*>(data), size});
  if (!info) {
    const bool says_where = info.error().message.starts_with("Invalid WASM module: ") &&
                            info.error().message.find(" at offset ") != std::string::npos;
    if (!says_where) std::abort();
    return 0;
  }
  if (info->embedded_name && !is_module_name(*info->embedded_name)) std::abort();
  if (info->embedded_version && !is_semantic_version(*info->embedded_version)) std::abort();
  return 0;
}
