// The insides of Engine and Artifact, for the sources of this component.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "exports.hpp"
#include "secbeat/engine/engine.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine {

// Two of Wasmtime's engines: how instances are allocated is a property of an engine, and artifacts fit both.
struct Engine::Impl {
  Impl(EngineHandle made, Fuel counted) : handle(std::move(made)), fuel(counted) {}

  // The one whose instances come from a pool; made at the first call. kMemoryLimit where there is no room for it.
  Result<wasm_engine_t*> pooling();

  const EngineHandle handle;
  const Fuel fuel;
  std::atomic<wasm_engine_t*> pooling_now{nullptr};  // what tick() sees

 private:
  std::mutex mutex_;
  EngineHandle pooling_;  // guarded by mutex_
};

struct Artifact::Impl {
  wasm_engine_t* engine = nullptr;  // of `module`
  Fuel fuel = Fuel::kNotCounted;
  ModuleHandle module;
  ModuleExports exports;
};

}  // namespace secbeat::engine
