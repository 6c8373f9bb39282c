#include "secbeat/engine/engine.hpp"

#include <fmt/format.h>
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

Result<std::unique_ptr<Engine>> Engine::create() {
  rlimit stack{};
  if (::getrlimit(RLIMIT_STACK, &stack) != 0) return std::unexpected(io_error("getrlimit(RLIMIT_STACK)"));
  if (stack.rlim_cur != RLIM_INFINITY && stack.rlim_cur < kMinThreadStackBytes) {
    return fail(ErrorCode::kConfig, fmt::format("The stack limit is {} bytes; rule modules need threads with {} bytes: "
                                                "raise it (ulimit -s {})",
                                                stack.rlim_cur, kMinThreadStackBytes, kMinThreadStackBytes >> 10U));
  }
  EngineHandle handle(wasm_engine_new_with_config(new_settings()));
  if (!handle) return fail(ErrorCode::kInternal, "Wasmtime could not make an engine");
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(std::move(handle))));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

void Engine::tick() noexcept { wasmtime_engine_increment_epoch(impl_->handle.get()); }

}  // namespace secbeat::engine
