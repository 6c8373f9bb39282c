// One version of a module, loaded: its artifact, its configuration, and up to three instances of it.
//
// An instance that failed a call is of no more use, and the event loop neither frees nor makes one. So it moves
// instances between three places:
//
//   active   answers requests; only the event loop touches it
//   spare    made by the helper thread; the loop takes it when the active one failed
//   broken   left by the loop; the helper thread destroys it
//
// Each place holds one: while the helper thread is behind, a version without a spare has no instance ready.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/engine/engine.hpp"
#include "ticker.hpp"

namespace secbeat::worker {

// What loading needs; each thread that loads has its own.
struct LoadContext {
  const engine::Engine& engine;
  Ticker::Lane& lane;  // of the thread
  control::StatePaths paths;
};

// Thread safety: by method, as said. Made and destroyed off the event loop, except at start and stop.
class LoadedVersion {
 public:
  static Result<std::shared_ptr<LoadedVersion>> load(const LoadContext& context, const control::Version& version,
                                                     const engine::Limits& limits);
  ~LoadedVersion();
  LoadedVersion(const LoadedVersion&) = delete;
  LoadedVersion& operator=(const LoadedVersion&) = delete;

  // Any thread.
  [[nodiscard]] bool is(const control::Version& version, const engine::Limits& limits) const noexcept;
  [[nodiscard]] bool needs_body() const noexcept { return needs_body_; }

  // Event loop. The instance that answers; null where none is ready.
  [[nodiscard]] engine::Instance* ready() noexcept {
    return active_ && !active_failed_ ? active_.get() : next_instance();
  }
  // Event loop. The active instance failed: takes the spare in its place. The helper thread has work then.
  void give_up() noexcept {
    active_failed_ = true;
    next_instance();
  }

  enum class Readiness : std::uint8_t {
    kWithSpare,  // of a current version
    kAsIs,       // of any other: an instance, and no spare unless the loop has run out
  };
  // Helper thread. Destroys what the loop left and makes what it lacks.
  Result<void> maintain(const LoadContext& context, Readiness readiness);

 private:
  LoadedVersion(const control::Version& version, const engine::Limits& limits) : version_(version), limits_(limits) {}
  Result<std::unique_ptr<engine::Instance>> make_instance(const LoadContext& context);
  engine::Instance* next_instance() noexcept;

  // Constant after loading.
  control::Version version_;
  engine::Limits limits_;
  std::string config_;
  std::shared_ptr<const engine::Artifact> artifact_;
  bool needs_body_ = false;

  // Of whoever makes instances: the thread that loads, then the helper thread.
  bool fails_when_warmed_ = false;

  // Of the event loop.
  std::unique_ptr<engine::Instance> active_;
  bool active_failed_ = false;

  // Handed over by exchange; each owns what it points at.
  std::atomic<engine::Instance*> spare_{nullptr};   // helper → loop
  std::atomic<engine::Instance*> broken_{nullptr};  // loop → helper
  std::atomic<bool> starved_{false};                // the loop looked for a spare and found none
};

}  // namespace secbeat::worker
