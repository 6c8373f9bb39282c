// The guest ABI's exports: which of them a module has, and whether their types are the agreed ones. Calls into a
// guest are unchecked, so no module is run that this has not looked at.
#pragma once

#include <wasmtime/module.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "secbeat/abi/frame.h"
#include "secbeat/base/error.hpp"

namespace secbeat::engine {

// Functions of the ABI, in the order of kGuestFunctions.
enum class GuestFunction : std::uint8_t {
  kInspect,
  kConfigure,
  kConfigureError,
  kAlloc,
  kDealloc,
  kAbi,
  kNeeds,
  kVerdictDetail,
  kInventory,
};

// All parameters and results are i32.
struct GuestFunctionType {
  std::string_view name;
  std::size_t params;
  std::size_t results;
};

inline constexpr std::array kGuestFunctions = {
    GuestFunctionType{abi::kExportInspect, 2, 1},        GuestFunctionType{abi::kExportConfigure, 2, 1},
    GuestFunctionType{abi::kExportConfigureError, 0, 1}, GuestFunctionType{abi::kExportAlloc, 1, 1},
    GuestFunctionType{abi::kExportDealloc, 2, 0},        GuestFunctionType{abi::kExportAbi, 0, 1},
    GuestFunctionType{abi::kExportNeeds, 0, 1},          GuestFunctionType{abi::kExportVerdictDetail, 0, 1},
    GuestFunctionType{abi::kExportInventory, 0, 1},
};

struct ModuleExports {
  std::array<bool, kGuestFunctions.size()> functions{};
  std::uint64_t initial_memory_bytes = 0;

  [[nodiscard]] bool has(GuestFunction function) const noexcept {
    return functions[static_cast<std::size_t>(function)];
  }
};

// kMissingExport for a required export that is absent and for any of the ABI whose type is another one.
Result<ModuleExports> read_exports(const wasmtime_module_t& module);

// kForbiddenImport, naming the first import: a node offers none.
Result<void> check_imports(const wasmtime_module_t& module);

// kMemoryLimit where the module starts with more memory than it may have.
Result<void> check_initial_memory(const ModuleExports& exports, std::size_t limit_bytes);

}  // namespace secbeat::engine
