// The agent's end of the workers' socket: knows who is there and what each serves, stages and commits.
//
// One thread of its own owns the sockets. A worker that connects at any time is brought to the target.
//
// Thread safety: every method may be called from any thread; stage and commit by one caller at a time, abort also
// while stage waits: it ends the wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/protocol.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::agent {

struct WorkerStatus {
  std::int32_t pid = 0;
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  std::uint64_t serving_since_unix_ms = 0;
  bool connected = false;     // false: alive by the scoreboard, its helper thread has not connected (yet)
  bool in_scoreboard = true;  // false: it counts elsewhere (a scoreboard of another build), and sees no break-glass
  std::string failed_fallbacks = {};  // versions that it could not load, and why; empty: it has all of them
};

struct WorkerFailure {
  std::int32_t pid = 0;
  std::string module;
  Error error;
  bool late = false;  // it has said nothing
};

struct StageOutcome {
  std::vector<WorkerFailure> failures;  // empty: all live workers are ready
  std::size_t workers = 0;
};

struct CommitOutcome {
  std::vector<WorkerFailure> failures;  // empty: all live workers serve it
  std::size_t workers = 0;
  std::uint64_t max_pause_ns = 0;  // over the workers
};

class WorkerHub {
 public:
  using EventSink = std::function<void(std::int32_t pid, const control::Event&)>;  // on the hub's thread

  struct Options {
    gid_t worker_group = static_cast<gid_t>(-1);  // of the socket, 0660; -1: as it comes
    std::string build;                            // this agent's; workers of another one are told in the log
    EventSink sink;
  };

  // Binds the socket and starts the thread.
  static Result<std::unique_ptr<WorkerHub>> start(const control::StatePaths& paths, control::Scoreboard& scoreboard,
                                                  Options options);
  virtual ~WorkerHub() = default;

  // What workers that connect from now on are brought to. The initial target is "none": they are left alone.
  virtual void set_target(const control::InForce& in_force) = 0;

  // Asks every live worker to get ready and waits for all of them, at most `timeout`. A worker that dies
  // meanwhile is no failure; one that appears is waited for as well.
  virtual StageOutcome stage(const control::InForce& in_force, std::chrono::milliseconds timeout) = 0;
  // REQUIRES: set_target() has named this generation (a worker that starts now must arrive there as well).
  virtual CommitOutcome commit(std::uint64_t generation, std::chrono::milliseconds timeout) = 0;
  // Also of a generation whose stage() is yet to come: that one returns at once.
  virtual void abort(std::uint64_t generation) = 0;

  [[nodiscard]] virtual std::vector<WorkerStatus> workers() const = 0;
};

}  // namespace secbeat::agent
