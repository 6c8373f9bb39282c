// Steps of a compile job that stand alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "samples.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {

// The request as this instance is given it: without its body where the module needs none.
RequestView given_to(const Instance& instance, const Sample& sample);

// Configures an instance, calls `configured`, and lets the instance decide the sample requests. Adds what the module
// says about itself to `report`.
Result<void> rehearse_samples(Engine& engine, const std::shared_ptr<const Artifact>& artifact, const Limits& limits,
                              std::string_view config, const std::function<void()>& configured, CompileReport& report);

// Lets the artifact decide the requests of tests, and begins none after `time`. An Error: there was no instance.
Result<RuleTestReport> run_rule_tests(Engine& engine, const std::shared_ptr<const Artifact>& artifact,
                                      const Limits& limits, std::string_view config, const std::vector<RuleTest>& tests,
                                      std::chrono::milliseconds time);

// The artifact of a checked module that counts fuel, made in a thread of its own beside the real one. Cheaply: such
// code runs a few dozen times.
class CountingCompile {
 public:
  // kMany: for a module whose configuration may change, and is then counted with this artifact.
  enum class Runs : std::uint8_t { kOnce, kMany };
  CountingCompile(std::string module, Runs runs);
  // Waits for it. REQUIRES: called once.
  Result<std::string> artifact() { return made_.get(); }
  // Whether it runs beside the real compile; else artifact() makes it.
  [[nodiscard]] bool beside() const noexcept { return beside_; }

 private:
  bool beside_;
  std::future<Result<std::string>> made_;
};

// The fuel of the most expensive of all sample requests. An error is no error of the module's: the cost is not known.
// Loads the artifact, and runs it once `is_configured` has returned, where that is true: the real code's `configure` is
// known to end. Ends soon after `given_up` is set, with what has been counted until then.
Result<Cost> count_cost(std::string_view counting_artifact, std::string_view sha256, const Limits& limits,
                        std::string_view config, const std::function<bool()>& is_configured,
                        const std::atomic<bool>& given_up);

}  // namespace secbeat::engine
