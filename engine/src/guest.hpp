// One running copy of a module: its store, its memory, calls into it. What the ABI means is Instance's business;
// here is how a call is bounded, how a failure is classified, and where the host may write.
#pragma once

#include <wasmtime/extern.h>
#include <wasmtime/func.h>
#include <wasmtime/instance.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine_impl.hpp"
#include "secbeat/engine/limits.hpp"

namespace secbeat::engine {

// CPU time of the guest's calls. The first tick after start() notes the thread's CPU time, later ones compare.
// Reading that clock is a system call; so it is read at ticks only, and a short call never pays for it.
struct CpuBudget {
  std::chrono::nanoseconds limit{};
  std::optional<std::chrono::nanoseconds> noted_at;
  bool exceeded = false;
};

// Thread safety: owned by one thread at a time, as Instance.
class Guest {
 public:
  // Instantiates; a start function runs within `budget`. kMemoryLimit where memory is what is missing.
  static std::expected<std::unique_ptr<Guest>, CallError> create(const Artifact& artifact, const Limits& limits,
                                                                 std::chrono::milliseconds budget);
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // The calls up to the next start_budget() share `limit`.
  void start_budget(std::chrono::milliseconds limit) noexcept;

  // Calls an exported function with i32 arguments; the result is 0 where it has none.
  // REQUIRES: has(function), and as many arguments as its type has.
  std::expected<std::int32_t, CallError> call(GuestFunction function, std::uint32_t first = 0,
                                              std::uint32_t second = 0);
  [[nodiscard]] bool has(GuestFunction function) const noexcept { return exports_.has(function); }

  // Of an artifact that counts it, else 0 and without effect.
  [[nodiscard]] std::uint64_t fuel() const noexcept;
  void set_fuel(std::uint64_t fuel) noexcept;

  // Makes room for an input of `length` bytes: by the module's alloc, or without one in fresh pages at the end of
  // its memory. The place stays until a longer input needs another one.
  std::expected<void, CallError> reserve_input(std::size_t length);
  [[nodiscard]] std::uint32_t input_address() const noexcept { return input_address_; }
  // REQUIRES: length is at most what was reserved.
  [[nodiscard]] std::span<std::byte> input(std::size_t length) const noexcept {
    return {memory_base_ + input_address_, length};
  }

  // What the guest's memory holds there; nothing where any of it is outside.
  [[nodiscard]] std::optional<std::string_view> read(std::uint32_t address, std::uint32_t length) const noexcept;

 private:
  Guest(const Artifact& artifact, const Limits& limits);
  static wasmtime_error_t* on_epoch(wasmtime_context_t* context, void* data, std::uint64_t* delta,
                                    wasmtime_update_deadline_kind_t* kind);

  std::expected<void, CallError> instantiate(const wasmtime_module_t& module, std::chrono::milliseconds budget);
  std::expected<void, CallError> find_exports();
  CallError classify(std::string_view function, const wasmtime_error_t* error, const wasm_trap_t* trap) const;
  [[nodiscard]] std::size_t memory_size() const noexcept;
  [[nodiscard]] bool memory_is_full() const noexcept;
  std::expected<void, CallError> allocate_input(std::size_t wanted, std::size_t least);
  std::expected<void, CallError> grow_input(std::size_t wanted, std::size_t least);

  const Limits limits_;
  const ModuleExports exports_;
  CpuBudget budget_;  // the store's callback points here
  StoreHandle store_;
  wasmtime_context_t* context_ = nullptr;
  wasmtime_instance_t instance_{};
  wasmtime_memory_t memory_{};
  std::array<wasmtime_func_t, kGuestFunctions.size()> functions_{};
  std::byte* memory_base_ = nullptr;  // a memory never moves: its whole reservation is made at once
  std::uint32_t input_address_ = 0;
  std::size_t input_capacity_ = 0;
};

}  // namespace secbeat::engine
