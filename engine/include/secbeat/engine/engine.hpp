// Running modules: engine, artifact, instance. The only component that sees Wasmtime.
//
// An *artifact* is a module compiled for this machine (compile.hpp makes it). It is executable code, so it
// is loaded only from memory that nobody can change and only when its SHA-256 is the expected one.
// An *instance* is a running copy of it with its own memory. It serves one call at a time; after any
// error it must be thrown away, because Wasmtime does not restore the guest's stack pointer.
//
// CPU time is bounded by epochs: somebody calls Engine::tick() about every millisecond while calls run,
// and at a tick the running call compares its thread's CPU time with its budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/limits.hpp"
#include "secbeat/engine/request.hpp"

namespace secbeat::engine {

// kTrap: the guest ended by itself or broke a rule of WebAssembly. kDeadline: over its CPU budget. kMemory: it trapped
// while its memory could not grow by another page, or there was no room for the input; a guest that handles a refused
// memory.grow has made no error. kBadVerdict: an answer outside of 0 to 3.
enum class CallErrorKind : std::uint8_t { kTrap, kDeadline, kMemory, kBadVerdict };
inline constexpr std::size_t kCallErrorKinds = 4;
// "trap", "deadline", "memory", "bad_verdict"
std::string_view word_of(CallErrorKind kind) noexcept;

struct CallError {
  CallErrorKind kind;
  std::string message;
};

// kCounted: what each call costs is counted (Instance::fuel), a number for each instruction; for rehearsals, because it
// makes code slower. Artifacts are compiled for one or the other.
enum class Fuel : std::uint8_t { kNotCounted, kCounted };

// Thread safety: tick() may be called from any thread and from signal-free timers; the rest of the
// object is constant. Create after fork: 50 µs. Outlives every artifact and instance made from it.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(Fuel fuel = Fuel::kNotCounted);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void tick() noexcept;

  struct Impl;
  [[nodiscard]] Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Thread safety: constant after load; instances may be made from any thread.
class Artifact {
 public:
  // `bytes` is the file's content; it is sealed in memory, checked against `sha256` and then mapped.
  // kArtifactRejected when the checksum differs or Wasmtime refuses (other version or settings).
  // For kRequest its instances come from a pool, which is made when the first such artifact is loaded.
  static Result<std::shared_ptr<const Artifact>> load(const Engine& engine, std::string_view bytes,
                                                      std::string_view sha256,
                                                      Isolation isolation = Isolation::kInstance);
  ~Artifact();
  Artifact(const Artifact&) = delete;
  Artifact& operator=(const Artifact&) = delete;

  struct Impl;
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Artifact(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What the guest says about its last verdict; empty where it says nothing. Copied, bounded, and fit for a line of a
// log: what is no UTF-8 is U+FFFD, and so is what steers a terminal or a reader (secbeat/base/text.hpp), line breaks
// before all.
struct VerdictDetail {
  std::string rule;
  std::string message;
  std::int32_t score = 0;
  bool dropped = false;  // the guest pointed outside its memory
};

// Thread safety: owned by one thread at a time; handing it over needs a happens-before edge.
class Instance {
 public:
  // Instantiates and, where the module exports it, calls configure. `config` may be empty.
  // kConfigureFailed with the guest's reason; kMemoryLimit where the limit is too small; kSampleTimeout
  // never: a configure over its budget is kConfigureFailed and says so.
  static Result<std::unique_ptr<Instance>> create(const Engine& engine, std::shared_ptr<const Artifact> artifact,
                                                  const Limits& limits, std::string_view config);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Decides one request. After an error the instance is of no more use (usable() is false).
  // Allocates nothing once its buffers have grown to the requests' sizes (ABI 2).
  // REQUIRES: usable().
  std::expected<Verdict, CallError> inspect(const RequestView& request);

  // About the verdict of the last inspect(). Costs a call into the guest: ask only when it is needed.
  // May make the instance unusable (a trap in verdict_detail is not the request's error).
  VerdictDetail verdict_detail();
  // The same into memory that is there: allocates nothing once its texts have grown to the guest's.
  void verdict_detail(VerdictDetail& detail);

  // The rules in force as the module lists them: at most kMaxInventoryBytes, for read_inventory(); nothing where the
  // module does not say. kBadJson where it is longer or outside of the memory; kMemoryLimit or kConfigureFailed, and
  // an unusable instance, where the call fails. REQUIRES: usable().
  Result<std::optional<std::string>> inventory();

  // With Fuel::kCounted: what is left of the fuel, without which calls trap. At first there is more than any call
  // takes.
  [[nodiscard]] std::uint64_t fuel() const noexcept;
  void set_fuel(std::uint64_t fuel) noexcept;

  [[nodiscard]] bool usable() const noexcept;
  [[nodiscard]] bool needs_body() const noexcept;  // secbeat_needs bit 0; true where absent
  [[nodiscard]] int abi() const noexcept;          // 1 or 2

 private:
  friend class InstanceMaker;
  struct Impl;
  explicit Instance(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Makes the instances of isolation "request", one for each. What a module says of itself is asked once.
// Thread safety: constant after creation, but an instance is made by one thread at a time.
class InstanceMaker {
 public:
  // Makes one for a trial. kConfigureFailed for a module that exports configure: configuring for each request would
  // take longer than most inspections. REQUIRES: `artifact` was loaded for Isolation::kRequest.
  static Result<std::unique_ptr<InstanceMaker>> create(const Engine& engine, std::shared_ptr<const Artifact> artifact,
                                                       const Limits& limits);

  // 3 to 5 µs for a small module. A start function runs within the budget of a call.
  [[nodiscard]] std::expected<std::unique_ptr<Instance>, CallError> make() const;
  [[nodiscard]] bool needs_body() const noexcept { return needs_body_; }

 private:
  InstanceMaker(std::shared_ptr<const Artifact> artifact, const Limits& limits, const Instance& trial)
      : artifact_(std::move(artifact)), limits_(limits), abi_(trial.abi()), needs_body_(trial.needs_body()) {}

  const std::shared_ptr<const Artifact> artifact_;
  const Limits limits_;
  const int abi_;
  const bool needs_body_;
};

// Loads a known artifact and runs it: proves that this build's settings accept what the compiler makes.
// Called at start; a failure names the setting where Wasmtime does.
Result<void> self_test(const Engine& engine);

}  // namespace secbeat::engine
