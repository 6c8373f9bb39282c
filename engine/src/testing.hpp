// What the tests of this component share: modules from WebAssembly text, jobs in a temporary folder, instances.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/engine.hpp"
#include "ticker.hpp"

namespace secbeat::engine::testing {

// The binary of a module in text form; fails the test where it does not parse.
std::string wasm(std::string_view wat);

// A module of one page with `body` as inspect_request and `more` as further definitions.
std::string guest(std::string_view body, std::string_view more = "");

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::filesystem::path file(std::string_view name) const { return path_ / name; }
  // Writes a file and gives its path.
  std::filesystem::path with(std::string_view name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

// Compiles and rehearses a binary as the compile child does.
CompileReport compile(std::string_view module, std::string_view config = "", const Limits& limits = {},
                      Rehearsal rehearsal = Rehearsal::kRun);

// The artifact of a binary, compiled without a rehearsal.
std::string artifact_of(std::string_view module, std::size_t memory_bytes = Limits{}.memory_bytes);

// An engine that is ticked, and instances in it.
class Host {
 public:
  Host();
  [[nodiscard]] Engine& engine() { return *engine_; }
  // The artifact of a binary; it must load.
  std::shared_ptr<const Artifact> load(std::string_view module, Isolation isolation = Isolation::kInstance);
  Result<std::unique_ptr<Instance>> create(std::string_view module, const Limits& limits = {},
                                           std::string_view config = "");
  // For modules that must start.
  std::unique_ptr<Instance> instance(std::string_view module, const Limits& limits = {}, std::string_view config = "");

 private:
  std::unique_ptr<Engine> engine_;
  std::optional<Ticker> ticker_;
};

// GET / with the headers of a browser; what it points at is static.
RequestView browser_get();

}  // namespace secbeat::engine::testing
