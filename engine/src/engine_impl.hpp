// The insides of Engine and Artifact, for the sources of this component.
#pragma once

#include "exports.hpp"
#include "secbeat/engine/engine.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine {

struct Engine::Impl {
  EngineHandle handle;
};

struct Artifact::Impl {
  ModuleHandle module;
  ModuleExports exports;
};

}  // namespace secbeat::engine
