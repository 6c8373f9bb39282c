// What runs in each nginx worker, without nginx: the versions that are loaded, the swap, the decision.
//
// Two threads. The *event loop* decides requests and swaps one pointer; it never compiles, loads, frees, sends
// or waits. The *helper thread* talks to the agent: it loads and configures what a stage message names, hands a
// finished chain to the loop, acknowledges once the loop serves it, and destroys what is no longer wanted. It
// also keeps a spare instance ready for each current version, because an instance that failed is thrown away.
// A *ticker thread* advances the engine's epochs while calls run and sleeps otherwise.
//
// Thread safety: start, on_wake, decide, needs_body, stop: the event loop only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/engine/request.hpp"

namespace secbeat::worker {

enum class Action : std::uint8_t {
  kPass,
  kBlock,        // 403
  kTooMany,      // 429, Retry-After
  kUnavailable,  // 503: a module with on_error = closed failed
};

// Views stay valid until the next on_wake() or decide().
struct Decision {
  Action action = Action::kPass;
  engine::Verdict verdict = engine::Verdict::kAllow;  // of the module that decided
  std::string_view module;                            // that decided; empty where no module is in force
  std::string_view version;                           // its label
  std::string_view sha256;                            // of its bytes
  std::string_view rule;  // that it names, and why; empty where it allows or names none. Each one line
  std::string_view message;
  std::uint32_t retry_after_seconds = 0;
};

class Worker {
 public:
  struct Options {
    std::filesystem::path state_dir;
    std::int32_t pid = 0;
    std::int32_t parent_pid = 0;
    std::string build = "unknown";  // said to the agent
    // Tells a person (nginx' error log) what went wrong at the start; called on the event loop, during start().
    std::function<void(std::string_view)> log;
  };

  // Loads what is in force before it returns, then starts the threads. A node without state, or with a version
  // that does not load, still serves: what is missing counts as an error of its module, and on_error applies.
  static Result<std::unique_ptr<Worker>> start(Options options);
  virtual ~Worker() = default;

  // Readable when on_wake() has something to do. Owned by the worker; level-triggered.
  [[nodiscard]] virtual int wake_fd() const noexcept = 0;
  virtual void on_wake() noexcept = 0;

  // Whether a module in force wants request bodies, and how much of one.
  [[nodiscard]] virtual bool needs_body() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t max_body_bytes() const noexcept = 0;
  [[nodiscard]] virtual control::BodyOverLimit body_over_limit() const noexcept = 0;
  [[nodiscard]] virtual bool has_modules() const noexcept = 0;  // whether anything is in force
  // Of the request that has come: whether there is anything to ask about it. Where not, nothing is in force or a bypass
  // is on (which counts the request), and it passes: callers skip decide() and the work before it.
  [[nodiscard]] virtual bool inspects() noexcept = 0;

  // Runs the chain on one request: one uninterrupted call, decided by the versions that are current now.
  virtual Decision decide(const engine::RequestView& request) noexcept = 0;

  // A request that could not be put before the modules, for want of memory say; of `head`, what there is for an event.
  // Every module counts an error of memory, and on_error applies: kClosed refuses the request, and a version before
  // could not be asked either.
  virtual Decision decide_unread(const engine::RequestView& head, std::string_view why) noexcept = 0;

  // Ends the threads and frees the slot. The event loop must have stopped watching wake_fd().
  virtual void stop() noexcept = 0;
};

}  // namespace secbeat::worker
