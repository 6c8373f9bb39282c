// Steps of a compile job that stand alone.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "samples.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {

// The request as this instance is given it: without its body where the module needs none.
RequestView given_to(const Instance& instance, const Sample& sample);

// Configures an instance and lets it decide the sample requests. Adds what the module says about itself to `report`.
Result<void> rehearse_samples(Engine& engine, const std::shared_ptr<const Artifact>& artifact, const Limits& limits,
                              std::string_view config, CompileReport& report);

// The artifact of a checked module that counts fuel, made in a thread of its own beside the real one. Cheaply: such
// code runs a few dozen times.
class CountingCompile {
 public:
  explicit CountingCompile(std::string module);
  // Waits for it. REQUIRES: called once.
  Result<std::string> artifact() { return made_.get(); }

 private:
  std::future<Result<std::string>> made_;
};

// The fuel of the most expensive of all sample requests. An error is no error of the module's: the cost is not known.
Result<Cost> count_cost(std::string_view counting_artifact, std::string_view sha256, const Limits& limits,
                        std::string_view config);

}  // namespace secbeat::engine
