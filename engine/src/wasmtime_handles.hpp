// Owners of Wasmtime's C handles, and its errors as text.
#pragma once

#include <wasm.h>
#include <wasmtime/engine.h>
#include <wasmtime/error.h>
#include <wasmtime/module.h>
#include <wasmtime/store.h>
#include <wasmtime/trap.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace secbeat::engine {

template <auto kDelete>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const noexcept {
    kDelete(pointer);
  }
};

using EngineHandle = std::unique_ptr<wasm_engine_t, Deleter<&wasm_engine_delete>>;
using ModuleHandle = std::unique_ptr<wasmtime_module_t, Deleter<&wasmtime_module_delete>>;
using StoreHandle = std::unique_ptr<wasmtime_store_t, Deleter<&wasmtime_store_delete>>;
using ErrorHandle = std::unique_ptr<wasmtime_error_t, Deleter<&wasmtime_error_delete>>;
using TrapHandle = std::unique_ptr<wasm_trap_t, Deleter<&wasm_trap_delete>>;

// A message, or a name out of a module, has at most this many bytes in an error of ours.
inline constexpr std::size_t kMaxMessageBytes = 256;

// Why it failed in one line: the causes without the backtrace, valid UTF-8, at most kMaxMessageBytes.
std::string reason_of(const wasmtime_error_t* error);
std::string reason_of(const wasm_trap_t* trap);

// The causes in the report that Wasmtime writes: "headline\n\nCaused by:\n    0: one\n    1: two" is "one: two".
std::string causes_in_one_line(std::string_view report);

}  // namespace secbeat::engine
