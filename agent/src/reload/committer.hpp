// Brings a document into force: stage in every worker, then ledger intent, in-force file, "go", acknowledgements.
// Where a worker does not follow, every worker is brought back.
//
// Thread safety: owned by the operation that holds the gate's turn.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <span>
#include <vector>

#include "ledger.hpp"
#include "secbeat/agent/worker_hub.hpp"
#include "version_store.hpp"

namespace secbeat::agent {

// What becomes of an operation where a worker says nothing, because it hangs. It is brought to the target when it
// answers again.
enum class Late : std::uint8_t {
  kRefuse,  // it is an error of the operation
  kGoOn,    // a rollback waits for none
};

struct Staged {
  std::size_t workers = 0;  // the late ones included
  std::vector<WorkerFailure> late;
};

struct Swapped {
  std::vector<std::int64_t> rows;  // the intents' history rows, to be finished
  WorkerCount workers;
  std::uint64_t max_pause_ns = 0;
  std::vector<WorkerFailure> late;
};

// What went wrong, and what is in force after it.
struct SwapFailure {
  Failure failure;
  control::InForce in_force;       // the old content, under a new generation where it had to be brought back
  std::vector<std::int64_t> rows;  // of intents that were written, to be withdrawn
};

class Committer {
 public:
  // How long a worker may take to load and instantiate what is new, and to swap. A worker does both in
  // milliseconds; configure alone may use 2 s of CPU time.
  static constexpr std::chrono::milliseconds kStageTimeout{15000};
  static constexpr std::chrono::milliseconds kCommitTimeout{10000};
  // Of an operation that goes on without the late ones: what a rollback needs is loaded, and it may not wait.
  static constexpr std::chrono::milliseconds kShortTimeout{2000};

  Committer(Ledger& ledger, VersionStore& store, WorkerHub& hub) : ledger_(ledger), store_(store), hub_(hub) {}

  // Every live worker gets `next` ready, and the files that it names are durable. kNoWorker never: who needs one asks
  // the count. The workers that could not are told to forget it, and nothing has changed.
  std::expected<Staged, Failure> stage(const control::InForce& next, Late late = Late::kRefuse);
  void abort(const control::InForce& next) { hub_.abort(next.generation); }
  // REQUIRES: stage(next) has succeeded; next.generation is a reserved one.
  std::expected<Swapped, SwapFailure> commit(const control::InForce& old, const control::InForce& next,
                                             std::span<const Intent> intents, Late late = Late::kRefuse);
  // Without workers: they load the file when they start, or are brought to it when they connect.
  std::expected<std::vector<std::int64_t>, SwapFailure> put_in_force(const control::InForce& old,
                                                                     const control::InForce& next,
                                                                     std::span<const Intent> intents);

 private:
  SwapFailure bring_back(const control::InForce& old, std::uint64_t failed_generation, SwapFailure back);

  Ledger& ledger_;
  VersionStore& store_;
  WorkerHub& hub_;
};

}  // namespace secbeat::agent
