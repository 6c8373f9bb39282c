#include "settings.hpp"

#include <wasmtime/config.h>

#include <cstdint>

namespace secbeat::engine {

wasm_config_t* new_settings() {
  wasm_config_t* const settings = wasm_config_new();

  // What a guest may use: the stable proposals that compilers emit by default, nothing that widens the surface.
  wasmtime_config_gc_support_set(settings, false);
  wasmtime_config_wasm_simd_set(settings, true);
  wasmtime_config_wasm_bulk_memory_set(settings, true);
  wasmtime_config_wasm_multi_value_set(settings, true);
  wasmtime_config_wasm_relaxed_simd_set(settings, false);
  wasmtime_config_wasm_memory64_set(settings, false);
  wasmtime_config_wasm_multi_memory_set(settings, false);
  wasmtime_config_wasm_tail_call_set(settings, false);
  wasmtime_config_wasm_exceptions_set(settings, false);  // would need the collector that is off

  // CPU time is bounded by epochs, not by fuel: fuel would cost every guest on every request.
  wasmtime_config_epoch_interruption_set(settings, true);
  wasmtime_config_consume_fuel_set(settings, false);

  // Bounds checks by page faults: a reservation of 4 GiB holds every 32-bit address, and the guard holds the
  // constant offsets of loads. Explicit checks cost a guest 13 to 43 % of its speed.
  static constexpr std::uint64_t kReservationBytes = std::uint64_t{4} << 30U;
  static constexpr std::uint64_t kGuardBytes = std::uint64_t{32} << 20U;
  wasmtime_config_signals_based_traps_set(settings, true);
  wasmtime_config_memory_may_move_set(settings, false);
  wasmtime_config_memory_reservation_set(settings, kReservationBytes);
  wasmtime_config_memory_guard_size_set(settings, kGuardBytes);
  wasmtime_config_memory_reservation_for_growth_set(settings, 0);
  wasmtime_config_memory_init_cow_set(settings, true);

  wasmtime_config_max_wasm_stack_set(settings, kWasmStackBytes);
  return settings;
}

}  // namespace secbeat::engine
