#include "guest.hpp"

#include <fmt/format.h>
#include <wasmtime/memory.h>

#include <algorithm>
#include <bit>
#include <ctime>

#include "settings.hpp"

namespace secbeat::engine {
namespace {

// Tables serve indirect calls; real guests have a few hundred entries.
constexpr std::int64_t kMaxTableElements = 100'000;
constexpr std::int64_t kMaxTables = 4;

// The first inputs of most sites fit without asking the guest for another place.
constexpr std::size_t kSmallestInput = 4096;

// Ticks until the callback is called for the first time, which notes the time: a call that no tick falls into never
// pays for it. What came before that first tick is the call's own, at most one tick beyond its budget.
constexpr std::uint64_t kTicksBeforeFirstLook = 1;

// Centuries of any machine: until somebody sets another amount, only the CPU budget bounds a guest.
constexpr std::uint64_t kAmpleFuel = std::uint64_t{1} << 62U;

std::chrono::nanoseconds thread_cpu_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

CallError no_room(std::size_t length) {
  return {CallErrorKind::kMemory, fmt::format("No room for an input of {} bytes in the module's memory", length)};
}

}  // namespace

std::expected<std::unique_ptr<Guest>, CallError> Guest::create(const Artifact& artifact, const Limits& limits,
                                                               std::chrono::milliseconds budget) {
  if (auto checked = check_initial_memory(artifact.impl().exports, limits.memory_bytes); !checked) {
    return std::unexpected(CallError{CallErrorKind::kMemory, std::move(checked.error().message)});
  }
  std::unique_ptr<Guest> guest(new Guest(artifact, limits));
  guest->store_.reset(wasmtime_store_new(artifact.impl().engine, nullptr, nullptr));
  guest->context_ = wasmtime_store_context(guest->store_.get());
  wasmtime_store_limiter(guest->store_.get(), static_cast<std::int64_t>(limits.memory_bytes), kMaxTableElements,
                         /*instances=*/1, kMaxTables, /*memories=*/1);
  wasmtime_store_epoch_deadline_callback(guest->store_.get(), &Guest::on_epoch, &guest->budget_, nullptr);
  if (artifact.impl().fuel == Fuel::kCounted) guest->set_fuel(kAmpleFuel);
  if (auto made = guest->instantiate(*artifact.impl().module, budget); !made) return std::unexpected(made.error());
  if (auto found = guest->find_exports(); !found) return std::unexpected(found.error());
  return guest;
}

Guest::Guest(const Artifact& artifact, const Limits& limits) : limits_(limits), exports_(artifact.impl().exports) {}

wasmtime_error_t* Guest::on_epoch(wasmtime_context_t*, void* data, std::uint64_t* delta,
                                  wasmtime_update_deadline_kind_t* kind) {
  auto& budget = *static_cast<CpuBudget*>(data);
  const auto now = thread_cpu_time();
  *delta = 1;
  *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
  if (!budget.noted_at) {
    budget.noted_at = now;
    return nullptr;
  }
  if (now - *budget.noted_at < budget.limit) return nullptr;
  budget.exceeded = true;
  return wasmtime_error_new("over the CPU time budget");
}

void Guest::start_budget(std::chrono::milliseconds limit) noexcept {
  // Member by member: assigning the whole at once costs 10 ns on each request (a store that cannot be forwarded).
  budget_.limit = limit;
  budget_.noted_at.reset();
  budget_.exceeded = false;
  wasmtime_context_set_epoch_deadline(context_, kTicksBeforeFirstLook);
}

std::expected<void, CallError> Guest::instantiate(const wasmtime_module_t& module, std::chrono::milliseconds budget) {
  start_budget(budget);
  wasm_trap_t* raw_trap = nullptr;
  const ErrorHandle error(wasmtime_instance_new(context_, &module, nullptr, 0, &instance_, &raw_trap));
  const TrapHandle trap(raw_trap);
  if (trap || budget_.exceeded) {
    CallError failed = classify("its start function", error.get(), trap.get());
    failed.message.insert(0, "The module does not start: ");
    return std::unexpected(std::move(failed));
  }
  if (error) {
    // Only the store's limits, the pool's and the host's memory refuse a checked module.
    return std::unexpected(CallError{CallErrorKind::kMemory, "The module does not start: " + reason_of(error.get())});
  }
  return {};
}

std::expected<void, CallError> Guest::find_exports() {
  const auto lost = [](std::string_view name) {
    return std::unexpected(CallError{CallErrorKind::kTrap, fmt::format("The instance has lost its export {}", name)});
  };
  wasmtime_extern_t item;
  const std::string_view memory_name(abi::kExportMemory);
  if (!wasmtime_instance_export_get(context_, &instance_, memory_name.data(), memory_name.size(), &item) ||
      item.kind != WASMTIME_EXTERN_MEMORY) {
    return lost(memory_name);
  }
  memory_ = item.of.memory;
  memory_base_ = reinterpret_cast<std::byte*>(wasmtime_memory_data(context_, &memory_));
  for (std::size_t f = 0; f < kGuestFunctions.size(); ++f) {
    if (!exports_.functions[f]) continue;
    const std::string_view name = kGuestFunctions[f].name;
    if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &item) ||
        item.kind != WASMTIME_EXTERN_FUNC) {
      return lost(name);
    }
    functions_[f] = item.of.func;
  }
  return {};
}

std::expected<std::int32_t, CallError> Guest::call(GuestFunction function, std::uint32_t first, std::uint32_t second) {
  const auto index = static_cast<std::size_t>(function);
  std::array<wasmtime_val_raw_t, 2> values;
  values[0].i32 = static_cast<std::int32_t>(first);
  values[1].i32 = static_cast<std::int32_t>(second);
  wasm_trap_t* raw_trap = nullptr;
  wasmtime_error_t* const raw_error =
      wasmtime_func_call_unchecked(context_, &functions_[index], values.data(), values.size(), &raw_trap);
  if (raw_error != nullptr || raw_trap != nullptr) [[unlikely]] {
    const ErrorHandle error(raw_error);
    const TrapHandle trap(raw_trap);
    return std::unexpected(classify(kGuestFunctions[index].name, error.get(), trap.get()));
  }
  return kGuestFunctions[index].results == 1 ? values[0].i32 : 0;
}

// A trap counts as one of memory when the memory cannot grow by another page: a guest whose allocation was refused
// ends by a trap of its own choice. One that handles the refusal has made no error at all.
CallError Guest::classify(std::string_view function, const wasmtime_error_t* error, const wasm_trap_t* trap) const {
  if (budget_.exceeded) {
    return {CallErrorKind::kDeadline,
            fmt::format("{} used more than {} ms of CPU time", function,
                        std::chrono::duration_cast<std::chrono::milliseconds>(budget_.limit).count())};
  }
  const std::string reason = trap != nullptr ? reason_of(trap) : reason_of(error);
  if (memory_base_ != nullptr && memory_is_full()) {
    return {CallErrorKind::kMemory, fmt::format("{} failed with its memory at the limit of {} bytes: {}", function,
                                                limits_.memory_bytes, reason)};
  }
  return {CallErrorKind::kTrap, fmt::format("{} failed: {}", function, reason)};
}

std::uint64_t Guest::fuel() const noexcept {
  std::uint64_t left = 0;
  const ErrorHandle not_counted(wasmtime_context_get_fuel(context_, &left));
  return not_counted ? 0 : left;
}

void Guest::set_fuel(std::uint64_t fuel) noexcept {
  const ErrorHandle not_counted(wasmtime_context_set_fuel(context_, fuel));
}

std::size_t Guest::memory_size() const noexcept { return wasmtime_memory_data_size(context_, &memory_); }

bool Guest::memory_is_full() const noexcept { return memory_size() + kWasmPageBytes > limits_.memory_bytes; }

std::expected<void, CallError> Guest::reserve_input(std::size_t length) {
  if (length <= input_capacity_) [[likely]]
    return {};
  if (length > limits_.memory_bytes) return std::unexpected(no_room(length));
  // Powers of two, so that growing inputs ask rarely; the exact length where that is too much.
  const std::size_t wanted = std::bit_ceil(std::max(length, kSmallestInput));
  return has(GuestFunction::kAlloc) ? allocate_input(wanted, length) : grow_input(wanted, length);
}

std::expected<void, CallError> Guest::allocate_input(std::size_t wanted, std::size_t least) {
  if (input_capacity_ > 0 && has(GuestFunction::kDealloc)) {
    auto freed = call(GuestFunction::kDealloc, input_address_, static_cast<std::uint32_t>(input_capacity_));
    if (!freed) return std::unexpected(std::move(freed.error()));
  }
  input_capacity_ = 0;
  for (const std::size_t size : {wanted, least}) {
    auto address = call(GuestFunction::kAlloc, static_cast<std::uint32_t>(size));
    if (!address) return std::unexpected(std::move(address.error()));
    if (*address == 0) continue;
    const auto start = static_cast<std::uint32_t>(*address);
    if (!read(start, static_cast<std::uint32_t>(size))) {
      return std::unexpected(CallError{CallErrorKind::kTrap, fmt::format("alloc returned {} bytes at {:#x}, which is "
                                                                         "outside of the module's memory",
                                                                         size, start)});
    }
    input_address_ = start;
    input_capacity_ = size;
    return {};
  }
  return std::unexpected(no_room(least));
}

std::expected<void, CallError> Guest::grow_input(std::size_t wanted, std::size_t least) {
  const std::size_t end = memory_size();
  // The place grows where it stands while it is the end of the memory, else it is left to the guest's fresh pages.
  const bool extends = input_capacity_ > 0 && input_address_ + input_capacity_ == end;
  const std::size_t start = extends ? input_address_ : end;
  for (const std::size_t size : {wanted, least}) {
    const std::size_t pages = (start + size - end + kWasmPageBytes - 1) / kWasmPageBytes;
    std::uint64_t previous = 0;
    if (const ErrorHandle refused(wasmtime_memory_grow(context_, &memory_, pages, &previous)); refused) continue;
    input_address_ = static_cast<std::uint32_t>(start);
    input_capacity_ = end + pages * kWasmPageBytes - start;
    return {};
  }
  return std::unexpected(no_room(least));
}

std::optional<std::string_view> Guest::read(std::uint32_t address, std::uint32_t length) const noexcept {
  const std::size_t size = memory_size();
  if (address > size || length > size - address) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(memory_base_) + address, length);
}

}  // namespace secbeat::engine
