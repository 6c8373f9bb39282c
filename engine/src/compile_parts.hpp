// Steps of a compile job that stand alone.
#pragma once

#include <memory>
#include <string_view>

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {

// Configures an instance and lets it decide the sample requests. Adds what the module says about itself to `report`.
Result<void> rehearse_samples(Engine& engine, std::shared_ptr<const Artifact> artifact, const Limits& limits,
                              std::string_view config, CompileReport& report);

}  // namespace secbeat::engine
