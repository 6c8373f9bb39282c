// What a module's bytes say about themselves, read without running or compiling them.
//
// Thread safety: free functions without state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

struct ModuleInfo {
  std::optional<std::string> embedded_name;     // custom section secbeat.name
  std::optional<std::string> embedded_version;  // custom section secbeat.version
  bool exports_configure = false;
};

// Walks the sections of a WebAssembly binary; bounded by its size, whatever the bytes are.
// kInvalidWasm ("Invalid WASM module: … at offset N") where the section structure is broken. That
// this succeeds does not make the module valid: the compile child judges the rest.
Result<ModuleInfo> read_module_info(std::string_view bytes);

// What to say of a module of this size, wherever one is looked at; empty: nothing.
std::optional<std::string> size_advice(std::size_t module_bytes);

// Whether `name` may name a module: 1 to 64 of [A-Za-z0-9._-], first an alphanumeric.
bool is_module_name(std::string_view name) noexcept;

// Whether `label` may be an embedded version: semantic version, a leading "v" allowed, at most 64 bytes.
bool is_semantic_version(std::string_view label) noexcept;

}  // namespace secbeat::engine
