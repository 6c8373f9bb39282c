#include "reloader_test_support.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/files.hpp"

namespace secbeat::agent::testing {
namespace {

bool among(const std::vector<WorkerFailure>& failures, std::int32_t pid) {
  return std::ranges::find(failures, pid, &WorkerFailure::pid) != failures.end();
}

std::string section(char id, const std::string& content) {
  return std::string{id, static_cast<char>(content.size())} + content;
}

std::string custom_section(const std::string& name, const std::string& content) {
  return section(0, static_cast<char>(name.size()) + name + content);
}

}  // namespace

void FakeHub::set_target(const control::InForce& in_force) {
  const std::lock_guard lock(mutex_);
  target_ = in_force;
}

StageOutcome FakeHub::stage(const control::InForce& in_force, std::chrono::milliseconds /*timeout*/) {
  StageOutcome outcome;
  if (on_stage) outcome.failures = on_stage(in_force);
  const std::lock_guard lock(mutex_);
  staged_ = in_force;
  outcome.workers = workers_.size();
  return outcome;
}

CommitOutcome FakeHub::commit(std::uint64_t generation, std::chrono::milliseconds /*timeout*/) {
  CommitOutcome outcome;
  if (on_commit) outcome.failures = on_commit(generation);
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(staged_.generation, generation) << "committed without having been staged";
  EXPECT_EQ(target_.generation, generation) << "committed without being the target";
  for (WorkerStatus& worker : workers_) {
    if (among(outcome.failures, worker.pid)) continue;
    worker.generation = generation;
    if (anew_ == Anew::kLoads) worker.failed_fallbacks.clear();
  }
  outcome.workers = workers_.size();
  outcome.max_pause_ns = pause_ns;
  return outcome;
}

void FakeHub::abort(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  aborted_.push_back(generation);
  changed_.notify_all();
}

void FakeHub::wait_for_abort(std::uint64_t generation) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::ranges::find(aborted_, generation) != aborted_.end(); });
}

std::vector<WorkerStatus> FakeHub::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_;
}

void FakeHub::start_workers(std::size_t count) {
  const std::lock_guard lock(mutex_);
  workers_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    workers_.push_back({.pid = 100 + static_cast<std::int32_t>(i),
                        .slot = static_cast<std::uint32_t>(i),
                        .generation = target_.generation,
                        .serving_since_unix_ms = 1763946003000,
                        .connected = true});
  }
}

void FakeHub::lack(const std::string& fallbacks, Anew anew) {
  const std::lock_guard lock(mutex_);
  workers_.at(0).failed_fallbacks = fallbacks;
  anew_ = anew;
}

std::uint64_t FakeHub::target() const {
  const std::lock_guard lock(mutex_);
  return target_.generation;
}

control::InForce FakeHub::staged() const {
  const std::lock_guard lock(mutex_);
  return staged_;
}

std::vector<std::uint64_t> FakeHub::aborted() const {
  const std::lock_guard lock(mutex_);
  return aborted_;
}

Result<engine::CompileReport> FakeCompiler::run(const engine::CompileJob& job, const CancelToken& cancel) {
  jobs.push_back(job);
  return work ? work(job, cancel) : succeed(job);
}

Result<engine::CompileReport> FakeCompiler::succeed(const engine::CompileJob& job) {
  engine::CompileReport report;
  if (!job.artifact.empty()) return report;
  auto bytes = read_file(job.module, job.max_module_bytes);
  if (!bytes) return std::unexpected(bytes.error());
  const std::string artifact = "artifact of " + *bytes;
  if (auto put = write_file_atomically(job.output, artifact); !put) return std::unexpected(put.error());
  report.artifact_sha256 = sha256_hex(artifact);
  report.artifact_bytes = artifact.size();
  return report;
}

std::string wasm(const WasmParts& parts) {
  std::string bytes("\0asm\1\0\0\0", 8);
  if (!parts.name.empty()) bytes += custom_section("secbeat.name", parts.name);
  if (!parts.version.empty()) bytes += custom_section("secbeat.version", parts.version);
  if (parts.configure) bytes += section(7, std::string("\1\11configure\0\0", 13));
  return bytes + custom_section("salt", parts.salt);
}

void NodeTest::SetUp() {
  std::string pattern = ::testing::TempDir() + "/node-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  std::filesystem::create_directories(folder_ / "run" / "workers");
  auto scoreboard = control::Scoreboard::create(folder_ / "run" / "workers" / "scoreboard", ::getuid(), ::getgid());
  ASSERT_TRUE(scoreboard) << scoreboard.error().message;
  scoreboard_ = *std::move(scoreboard);
  config_.file = folder_ / "secbeat.toml";
  config_.data_dir = folder_ / "data";
  config_.node_name = "node-1";
  config_.max_reload_frequency = std::chrono::seconds(0);
  write("waf.wasm", wasm({.salt = "first"}));
  name_module("waf.wasm");
  accepts_ = [](std::string_view, std::string_view) { return Result<void>(); };
}

void NodeTest::TearDown() {
  reloader_.reset();
  std::filesystem::remove_all(folder_);
}

Result<void> NodeTest::open() {
  auto compiler = std::make_unique<FakeCompiler>();
  compiler->work = work_;
  compiler_ = compiler.get();
  auto opened = open_reloader_with(config_, *scoreboard_, hub_, clock_, {std::move(compiler), accepts_}, ending_);
  if (!opened) return std::unexpected(opened.error());
  reloader_ = *std::move(opened);
  hub_.start_workers(2);
  return {};
}

void NodeTest::open_or_fail() {
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
}

void NodeTest::write(const std::string& name, std::string_view bytes) const {
  ASSERT_TRUE(write_file_atomically(folder_ / name, bytes));
}

void NodeTest::name_module(const std::string& file, const std::string& name) {
  ModuleConfig module;
  module.name = name;
  module.module = folder_ / file;
  config_.modules.push_back(std::move(module));
}

Outcome<ReloadResult> NodeTest::upload(const WasmParts& parts, const std::optional<std::string>& config) {
  Upload upload;
  upload.file = wasm(parts);
  upload.config = config;
  upload.origin = {"api", "request-1"};
  return reloader_->reload(upload);
}

Outcome<ReloadResult> NodeTest::configure(const std::string& config, const std::optional<std::string>& name) {
  Upload upload;
  upload.config = config;
  upload.name = name;
  return reloader_->reload(upload);
}

Outcome<RollbackResult> NodeTest::roll_back(const std::optional<std::string>& to) {
  Rollback rollback;
  rollback.to_version = to;
  return reloader_->rollback(rollback);
}

std::string NodeTest::serving(const std::optional<std::string>& name) const {
  const auto view = reloader_->version(name);
  return view ? view->version : "(" + view.error().error.message + ")";
}

std::vector<HistoryRow> NodeTest::history() const {
  return reloader_->history(std::nullopt, {.limit = 1000, .before = std::nullopt}).value();
}

std::string NodeTest::told() const {
  std::string text;
  for (const HistoryRow& row : history()) {
    text +=
        fmt::format("{}{} {} {}", text.empty() ? "" : "; ", row.kind, row.version, row.success ? "success" : row.code);
  }
  return text;
}

control::InForce NodeTest::on_disk() const {
  const auto text = read_file(config_.data_dir / "in_force.json", control::kMaxDocumentBytes);
  return control::in_force_from_json(text.value()).value();
}

std::size_t NodeTest::files_in(const std::string& folder) const {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(config_.data_dir / folder), {}));
}

}  // namespace secbeat::agent::testing
