// What a module consists of, for a person who looks at it: sections, imports, exports with their types. Read from the
// bytes alone; nothing is compiled or run.
//
// Thread safety: a free function without state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::engine {

// Texts are UTF-8 and bounded; bytes that are none show U+FFFD.
struct OutlineSection {
  std::string name;  // "type", "code", …; of a custom section "custom" and its own name
  std::size_t offset = 0;
  std::size_t size_bytes = 0;
};

struct OutlineExport {
  std::string name;
  std::string kind;  // "function", "memory", "table", "global", "tag"
  std::string type;  // "(i32, i32) -> i32", "2 to 16 pages"; "?" where this reader does not know it
};

struct OutlineImport {
  std::string module;
  std::string name;
  std::string kind;
  std::string type;
};

struct ModuleOutline {
  static constexpr std::size_t kMostListed = 1000;  // of each list; a hostile module has a million

  std::size_t size_bytes = 0;
  ModuleInfo info;
  std::vector<OutlineSection> sections;
  std::vector<OutlineImport> imports;
  std::vector<OutlineExport> exports;
  std::size_t section_count = 0;
  std::size_t import_count = 0;
  std::size_t export_count = 0;
};

// Bounded by the binary's size, whatever the bytes are. kInvalidWasm ("Invalid WASM module: … at offset N") where the
// structure is broken. That this succeeds does not make the module valid.
Result<ModuleOutline> read_module_outline(std::string_view bytes);

}  // namespace secbeat::engine
