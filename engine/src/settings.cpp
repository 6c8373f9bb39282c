#include "settings.hpp"

#include <wasmtime/config.h>

#include <cstdint>

namespace secbeat::engine {
namespace {

constexpr std::uint64_t kReservationBytes = std::uint64_t{4} << 30U;

}  // namespace

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

  // CPU time is bounded by epochs, not by fuel: fuel would cost every guest on every request. It is counted at the
  // rehearsal only.
  wasmtime_config_epoch_interruption_set(settings, true);
  wasmtime_config_consume_fuel_set(settings, false);

  // Bounds checks by page faults: a reservation of 4 GiB holds every 32-bit address, and the guard holds the
  // constant offsets of loads. Explicit checks cost a guest 13 to 43 % of its speed.
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

wasm_config_t* new_counting_settings() {
  wasm_config_t* const settings = new_settings();
  wasmtime_config_consume_fuel_set(settings, true);
  return settings;
}

wasm_config_t* new_pooling_settings() {
  // One place for each module of the longest chain, so that each finds the memory that it left, and some for the
  // thread that loads: at 4 GiB of addresses for each.
  static constexpr std::uint32_t kPlaces = 20;
  static constexpr std::uint32_t kTablesOfAModule = 4;
  static constexpr std::size_t kTableElements = 20'000;
  static constexpr std::size_t kInstanceBytes = std::size_t{1} << 20U;  // Wasmtime's own part of one
  // What an instance wrote is zeroed by hand up to here, and given back to the kernel beyond: a page fault for each
  // page that is written next costs more than zeroing the few pages that a rule writes.
  static constexpr std::size_t kKeptResident = std::size_t{64} << 10U;

  wasm_config_t* const settings = new_settings();
  wasmtime_pooling_allocation_config_t* const pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, kPlaces);
  wasmtime_pooling_allocation_config_total_memories_set(pool, kPlaces);
  wasmtime_pooling_allocation_config_total_tables_set(pool, kPlaces * kTablesOfAModule);
  wasmtime_pooling_allocation_config_total_gc_heaps_set(pool, 0);
  wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, kInstanceBytes);
  wasmtime_pooling_allocation_config_max_memories_per_module_set(pool, 1);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, kTablesOfAModule);
  wasmtime_pooling_allocation_config_table_elements_set(pool, kTableElements);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, kReservationBytes);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, kKeptResident);
  wasmtime_pooling_allocation_config_table_keep_resident_set(pool, kKeptResident);
  wasmtime_pooling_allocation_strategy_set(settings, pool);
  wasmtime_pooling_allocation_config_delete(pool);
  return settings;
}

}  // namespace secbeat::engine
