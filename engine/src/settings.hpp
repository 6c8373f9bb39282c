// The settings of Wasmtime, in one place: an artifact is accepted only by an engine whose settings agree with
// those of the engine that compiled it, so the compiler, the runtime and the self-test all start from here.
#pragma once

#include <wasm.h>

#include <cstddef>

namespace secbeat::engine {

// Stack that guests may use. A thread that runs guests needs this and room for the host's own frames.
inline constexpr std::size_t kWasmStackBytes = std::size_t{512} << 10U;
inline constexpr std::size_t kMinThreadStackBytes = std::size_t{1} << 20U;

inline constexpr std::size_t kWasmPageBytes = std::size_t{64} << 10U;

// A new configuration; wasm_engine_new_with_config takes it over.
wasm_config_t* new_settings();

// The same for an engine that counts fuel. Artifacts of one do not run in the other.
wasm_config_t* new_counting_settings();

// The same for an engine whose instances come from a pool. Artifacts of either run in both.
wasm_config_t* new_pooling_settings();

// Above what the pool reserves.
inline constexpr std::size_t kPoolAddressBytes = std::size_t{96} << 30U;

}  // namespace secbeat::engine
