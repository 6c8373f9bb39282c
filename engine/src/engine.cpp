#include "secbeat/engine/engine.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "engine_impl.hpp"
#include "settings.hpp"

namespace secbeat::engine {

std::string_view word_of(CallErrorKind kind) noexcept {
  switch (kind) {
    case CallErrorKind::kTrap:
      return "trap";
    case CallErrorKind::kDeadline:
      return "deadline";
    case CallErrorKind::kMemory:
      return "memory";
    case CallErrorKind::kBadVerdict:
      return "bad_verdict";
  }
  return "trap";
}

Result<std::unique_ptr<Engine>> Engine::create(Fuel fuel) {
  rlimit stack{};
  if (::getrlimit(RLIMIT_STACK, &stack) != 0) return std::unexpected(io_error("getrlimit(RLIMIT_STACK)"));
  if (stack.rlim_cur != RLIM_INFINITY && stack.rlim_cur < kMinThreadStackBytes) {
    return fail(ErrorCode::kConfig, fmt::format("The stack limit is {} bytes; rule modules need threads with {} bytes: "
                                                "raise it (ulimit -s {})",
                                                stack.rlim_cur, kMinThreadStackBytes, kMinThreadStackBytes >> 10U));
  }
  EngineHandle handle(wasm_engine_new_with_config(fuel == Fuel::kCounted ? new_counting_settings() : new_settings()));
  if (!handle) return fail(ErrorCode::kInternal, "Wasmtime could not make an engine");
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(std::move(handle), fuel)));
}

Result<wasm_engine_t*> Engine::Impl::pooling() {
  const std::lock_guard lock(mutex_);
  if (pooling_) return pooling_.get();
  // Wasmtime ends the process where it cannot reserve the pool's addresses.
  void* const room = ::mmap(nullptr, kPoolAddressBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return fail(ErrorCode::kMemoryLimit,
                fmt::format("isolation = \"request\" needs {} GiB of address space, which this process may not have: "
                            "lift its limit (ulimit -v), or set isolation = \"instance\"",
                            kPoolAddressBytes >> 30U));
  }
  ::munmap(room, kPoolAddressBytes);
  pooling_.reset(wasm_engine_new_with_config(new_pooling_settings()));
  if (!pooling_) return fail(ErrorCode::kInternal, "Wasmtime could not make an engine");
  pooling_now.store(pooling_.get(), std::memory_order_release);
  return pooling_.get();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

void Engine::tick() noexcept {
  wasmtime_engine_increment_epoch(impl_->handle.get());
  if (wasm_engine_t* const pooling = impl_->pooling_now.load(std::memory_order_acquire); pooling != nullptr) {
    wasmtime_engine_increment_epoch(pooling);
  }
}

}  // namespace secbeat::engine
