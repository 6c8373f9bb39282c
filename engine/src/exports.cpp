#include "exports.hpp"

#include <fmt/format.h>
#include <wasmtime/memory.h>
#include <wasmtime/types/val.h>

#include <string>

#include "settings.hpp"
#include "utf8.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine {
namespace {

struct ExportTypes {
  wasm_exporttype_vec_t list{};
  explicit ExportTypes(const wasmtime_module_t& module) { wasmtime_module_exports(&module, &list); }
  ~ExportTypes() { wasm_exporttype_vec_delete(&list); }
  ExportTypes(const ExportTypes&) = delete;
  ExportTypes& operator=(const ExportTypes&) = delete;
};

struct ImportTypes {
  wasm_importtype_vec_t list{};
  explicit ImportTypes(const wasmtime_module_t& module) { wasmtime_module_imports(&module, &list); }
  ~ImportTypes() { wasm_importtype_vec_delete(&list); }
  ImportTypes(const ImportTypes&) = delete;
  ImportTypes& operator=(const ImportTypes&) = delete;
};

std::string_view view(const wasm_name_t* name) { return {name->data, name->size}; }

// wasm_valtype_kind ends the process on types that the standard C API does not know; this one knows them all.
wasmtime_valtype_kind_t kind_of(const wasm_valtype_t* type) {
  wasmtime_valtype_t value;
  wasmtime_valtype_new(type, &value);
  const wasmtime_valtype_kind_t kind = value.kind;
  wasmtime_valtype_delete(&value);
  return kind;
}

std::string_view word_of_kind(wasmtime_valtype_kind_t kind) {
  switch (kind) {
    case WASMTIME_VALTYPE_KIND_I32:
      return "i32";
    case WASMTIME_VALTYPE_KIND_I64:
      return "i64";
    case WASMTIME_VALTYPE_KIND_F32:
      return "f32";
    case WASMTIME_VALTYPE_KIND_F64:
      return "f64";
    case WASMTIME_VALTYPE_KIND_V128:
      return "v128";
    default:
      return "reference";
  }
}

bool all_i32(const wasm_valtype_vec_t& types, std::size_t count) {
  if (types.size != count) return false;
  for (std::size_t i = 0; i < types.size; ++i) {
    if (kind_of(types.data[i]) != WASMTIME_VALTYPE_KIND_I32) return false;
  }
  return true;
}

std::string joined_kinds(const wasm_valtype_vec_t& types) {
  static constexpr std::size_t kShown = 8;  // a hostile type has a thousand
  std::string text;
  for (std::size_t i = 0; i < types.size; ++i) {
    if (i > 0) text += ", ";
    if (i == kShown) return text + "…";
    text += word_of_kind(kind_of(types.data[i]));
  }
  return text;
}

// "(i64) -> i32", "(i32, i32) -> ()"
std::string signature_text(const std::string& params, const std::string& results, std::size_t result_count) {
  return fmt::format("({}) -> {}", params, result_count == 1 ? results : "(" + results + ")");
}

std::string expected_text(const GuestFunctionType& expected) {
  std::string params;
  for (std::size_t i = 0; i < expected.params; ++i) params += i == 0 ? "i32" : ", i32";
  return signature_text(params, expected.results == 1 ? "i32" : "", expected.results);
}

Result<void> check_type(const GuestFunctionType& expected, const wasm_functype_t& actual) {
  const wasm_valtype_vec_t& params = *wasm_functype_params(&actual);
  const wasm_valtype_vec_t& results = *wasm_functype_results(&actual);
  if (all_i32(params, expected.params) && all_i32(results, expected.results)) return {};
  return fail(
      ErrorCode::kMissingExport,
      fmt::format("Invalid WASM module: {} has type {}, expected {}", expected.name,
                  signature_text(joined_kinds(params), joined_kinds(results), results.size), expected_text(expected)));
}

}  // namespace

Result<ModuleExports> read_exports(const wasmtime_module_t& module) {
  const ExportTypes types(module);
  ModuleExports exports;
  bool has_memory = false;
  for (std::size_t i = 0; i < types.list.size; ++i) {
    const std::string_view name = view(wasm_exporttype_name(types.list.data[i]));
    const wasm_externtype_t* const type = wasm_exporttype_type(types.list.data[i]);
    const wasm_externkind_t kind = wasm_externtype_kind(type);
    if (name == abi::kExportMemory && kind == WASM_EXTERN_MEMORY) {
      has_memory = true;
      exports.initial_memory_bytes =
          wasmtime_memorytype_minimum(wasm_externtype_as_memorytype_const(type)) * kWasmPageBytes;
    }
    for (std::size_t f = 0; f < kGuestFunctions.size(); ++f) {
      if (name != kGuestFunctions[f].name || kind != WASM_EXTERN_FUNC) continue;
      auto checked = check_type(kGuestFunctions[f], *wasm_externtype_as_functype_const(type));
      if (!checked) return std::unexpected(checked.error());
      exports.functions[f] = true;
    }
  }
  if (!exports.has(GuestFunction::kInspect)) {
    return fail(ErrorCode::kMissingExport, "Invalid WASM module: missing inspect_request export");
  }
  if (!has_memory) return fail(ErrorCode::kMissingExport, "Invalid WASM module: missing memory export");
  return exports;
}

Result<void> check_imports(const wasmtime_module_t& module) {
  const ImportTypes types(module);
  if (types.list.size == 0) return {};
  const wasm_importtype_t* const first = types.list.data[0];
  return fail(ErrorCode::kForbiddenImport,
              fmt::format("Forbidden import: {}.{}; this node offers no imports, build the module without them",
                          repaired_utf8(view(wasm_importtype_module(first)), kMaxMessageBytes),
                          repaired_utf8(view(wasm_importtype_name(first)), kMaxMessageBytes)));
}

Result<void> check_initial_memory(const ModuleExports& exports, std::size_t limit_bytes) {
  if (exports.initial_memory_bytes <= limit_bytes) return {};
  return fail(ErrorCode::kMemoryLimit, fmt::format("The module starts with {} bytes of memory, the limit is {} bytes",
                                                   exports.initial_memory_bytes, limit_bytes));
}

}  // namespace secbeat::engine
