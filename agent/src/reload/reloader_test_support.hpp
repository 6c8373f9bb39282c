// A node without processes: workers, compiler and clock are fakes, ledger and files are real.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "reloader_impl.hpp"

namespace secbeat::agent::testing {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] SystemTime now() const override { return SystemTime{std::chrono::milliseconds(now_ms_.load())}; }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime{std::chrono::milliseconds(now_ms_.load())}; }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ms_{1763946003000};  // 2025-11-24T01:00:03Z
};

// Workers that do what they are told, unless a test says otherwise.
class FakeHub final : public WorkerHub {
 public:
  void set_target(const control::InForce& in_force) override;
  StageOutcome stage(const control::InForce& in_force, std::chrono::milliseconds timeout) override;
  CommitOutcome commit(std::uint64_t generation, std::chrono::milliseconds timeout) override;
  void abort(std::uint64_t generation) override;
  [[nodiscard]] std::vector<WorkerStatus> workers() const override;

  void start_workers(std::size_t count);  // they serve the target
  // The first worker could not load something else than what it serves; with `anew` it can in the next generation.
  enum class Anew : bool { kFails, kLoads };
  void lack(const std::string& fallbacks, Anew anew);
  [[nodiscard]] std::uint64_t target() const;
  [[nodiscard]] control::InForce staged() const;
  [[nodiscard]] std::vector<std::uint64_t> aborted() const;

  void wait_for_abort(std::uint64_t generation);  // for on_stage: as a worker that never gets ready

  // What goes wrong next; called without the lock held. Null: nothing.
  std::function<std::vector<WorkerFailure>(const control::InForce&)> on_stage;
  std::function<std::vector<WorkerFailure>(std::uint64_t generation)> on_commit;
  std::atomic<std::uint64_t> pause_ns{2600};

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WorkerStatus> workers_;
  Anew anew_ = Anew::kLoads;
  control::InForce target_;
  control::InForce staged_;
  std::vector<std::uint64_t> aborted_;
};

// "Compiles" by writing "artifact of <bytes>".
class FakeCompiler final : public Compiler {
 public:
  using Work = std::function<Result<engine::CompileReport>(const engine::CompileJob&, const CancelToken&)>;
  Result<engine::CompileReport> run(const engine::CompileJob& job, const CancelToken& cancel) override;
  static Result<engine::CompileReport> succeed(const engine::CompileJob& job);

  Work work;                             // null: succeed
  std::vector<engine::CompileJob> jobs;  // read it while nothing runs
};

struct WasmParts {
  std::string name = {};     // empty: none embedded
  std::string version = {};  // empty: none embedded
  std::string salt = {};     // makes the bytes differ
  bool configure = false;
};
std::string wasm(const WasmParts& parts);

class NodeTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // What is in config_ as it is now; the ledger and the files are those of before.
  Result<void> open();
  void open_or_fail();
  // A second start after a crash: nothing is told to the reloader that runs.
  void reopen() {
    reloader_.reset();
    open_or_fail();
  }
  void write(const std::string& name, std::string_view bytes) const;
  void name_module(const std::string& file, const std::string& name = "");

  Outcome<ReloadResult> upload(const WasmParts& parts, const std::optional<std::string>& config = std::nullopt);
  Outcome<ReloadResult> configure(const std::string& config, const std::optional<std::string>& name = std::nullopt);
  Outcome<RollbackResult> roll_back(const std::optional<std::string>& to = std::nullopt);
  [[nodiscard]] std::string serving(const std::optional<std::string>& name = std::nullopt) const;
  [[nodiscard]] std::vector<HistoryRow> history() const;
  // "kind version success" of the rows, newest first, separated by "; ".
  [[nodiscard]] std::string told() const;
  [[nodiscard]] control::InForce on_disk() const;
  [[nodiscard]] std::size_t files_in(const std::string& folder) const;

  std::filesystem::path folder_;
  Config config_;
  ManualClock clock_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  FakeHub hub_;
  FakeCompiler* compiler_ = nullptr;  // of the reloader that is open
  FakeCompiler::Work work_;           // for the compiler of the next open()
  std::function<Result<void>(std::string_view, std::string_view)> accepts_;
  CancelToken ending_;
  std::unique_ptr<Reloader> reloader_;
};

}  // namespace secbeat::agent::testing
