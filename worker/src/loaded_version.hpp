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
//
// With isolation "request" there is one place only: the event loop makes the active instance when it asks it and frees
// it when the request has been decided. That is what this option says, and the only case in which it does either.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
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
  // As `slot` says: limits and isolation. `artifact` is that of the version, already loaded for this isolation, or
  // null: then it is read and checked.
  static Result<std::shared_ptr<LoadedVersion>> load(const LoadContext& context, const control::Version& version,
                                                     const control::Slot& slot,
                                                     std::shared_ptr<const engine::Artifact> artifact = nullptr);
  ~LoadedVersion();
  LoadedVersion(const LoadedVersion&) = delete;
  LoadedVersion& operator=(const LoadedVersion&) = delete;

  // Any thread.
  [[nodiscard]] bool is(const control::Version& version, const control::Slot& slot) const noexcept;
  // What another version of the same artifact can share; else null.
  [[nodiscard]] std::shared_ptr<const engine::Artifact> artifact_for(const control::Version& version,
                                                                     const control::Slot& slot) const noexcept {
    const bool is_same = version_.artifact_sha256 == version.artifact_sha256 && isolation_ == slot.isolation;
    return is_same ? artifact_ : nullptr;
  }
  [[nodiscard]] bool needs_body() const noexcept { return needs_body_; }

  // Event loop. Whether this version can be asked.
  [[nodiscard]] bool ready() noexcept { return maker_ || (active_ && !active_failed_) || next_instance() != nullptr; }
  // Event loop. The instance that decides a request. An error where isolation is "request" and none can be made; may
  // throw std::bad_alloc then. REQUIRES: ready()
  std::expected<engine::Instance*, engine::CallError> instance_for_request() {
    if (maker_) return fresh_instance();
    return active_.get();
  }
  // Event loop. The one that has decided it. REQUIRES: it has, and neither give_up() nor end_request() came since.
  [[nodiscard]] engine::Instance& deciding() noexcept { return *active_; }
  // Event loop. The active instance failed: takes the spare in its place. Whether the helper thread has work then.
  [[nodiscard]] bool give_up() noexcept {
    if (maker_) {
      active_.reset();
      return false;
    }
    active_failed_ = true;
    next_instance();
    return true;
  }
  // Event loop.
  void end_request() noexcept {
    if (maker_) active_.reset();
  }

  enum class Readiness : std::uint8_t {
    kWithSpare,  // of a current version
    kAsIs,       // of any other: an instance, and no spare unless the loop has run out
  };
  // Helper thread. Destroys what the loop left and makes what it lacks.
  Result<void> maintain(const LoadContext& context, Readiness readiness);

 private:
  LoadedVersion(const control::Version& version, const control::Slot& slot)
      : version_(version), limits_(slot.limits), isolation_(slot.isolation) {}
  Result<void> prepare_maker(const LoadContext& context);
  Result<std::unique_ptr<engine::Instance>> make_instance(const LoadContext& context);
  engine::Instance* next_instance() noexcept;
  std::expected<engine::Instance*, engine::CallError> fresh_instance();

  // Constant after loading.
  control::Version version_;
  engine::Limits limits_;
  engine::Isolation isolation_;
  std::string config_;
  std::shared_ptr<const engine::Artifact> artifact_;
  std::unique_ptr<engine::InstanceMaker> maker_;  // of isolation "request" only
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
