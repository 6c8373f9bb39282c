#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <wasmtime/config.h>

#include <atomic>
#include <chrono>
#include <future>
#include <utility>

#include "compile_parts.hpp"
#include "engine_impl.hpp"
#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/module_info.hpp"
#include "settings.hpp"

namespace secbeat::engine {
namespace {

// Read whole into memory; far above what compiles from a module of the largest size.
constexpr std::size_t kMaxArtifactBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20U;

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// An engine that compiles: the shared settings, and what only concerns how the compiler works.
EngineHandle compiling_engine() {
  wasm_config_t* const settings = new_settings();
  wasmtime_config_strategy_set(settings, WASMTIME_STRATEGY_CRANELIFT);
  wasmtime_config_cranelift_opt_level_set(settings, WASMTIME_OPT_LEVEL_SPEED);
  // A guest is one or two large functions: threads gain nothing and take the cores from the traffic.
  wasmtime_config_parallel_compilation_set(settings, false);
  return EngineHandle(wasm_engine_new_with_config(settings));
}

std::unexpected<Error> invalid_module(const wasmtime_error_t* error) {
  return fail(ErrorCode::kInvalidWasm, "Invalid WASM module: " + reason_of(error));
}

// The compiler reads once more, and refuses a few encodings that validation lets pass, such as a limit of a memory in
// more bytes than 32 bits take. What comes from reading names its place.
std::unexpected<Error> not_compiled(const wasmtime_error_t* error) {
  const std::string reason = reason_of(error);
  if (reason.find("(at offset ") != std::string::npos) return invalid_module(error);
  return fail(ErrorCode::kCompileFailed, "The module does not compile: " + reason);
}

Result<void> open_file(UniqueFd& out, const std::filesystem::path& path, int flags) {
  static constexpr mode_t kPrivate = 0600;
  if (path.empty()) return {};
  out = UniqueFd(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, kPrivate));
  if (!out) return std::unexpected(io_error("cannot open " + path.string()));
  return {};
}

Result<JobFiles> open_inputs(const CompileJob& job) {
  if (job.module.empty() && job.artifact.empty()) {
    return fail(ErrorCode::kInternal, "A compile job needs a module or an artifact");
  }
  JobFiles files;
  if (auto opened = open_file(files.module, job.module, O_RDONLY); !opened) return std::unexpected(opened.error());
  if (auto opened = open_file(files.artifact, job.artifact, O_RDONLY); !opened) return std::unexpected(opened.error());
  if (auto opened = open_file(files.config, job.config, O_RDONLY); !opened) return std::unexpected(opened.error());
  if (auto opened = open_file(files.rule_tests, job.rule_tests, O_RDONLY); !opened) {
    return std::unexpected(opened.error());
  }
  if (auto opened = open_file(files.counting, job.counting, O_RDONLY); !opened) return std::unexpected(opened.error());
  return files;
}

const std::uint8_t* as_bytes(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

// What a job does to one module; each step adds to the report, and a failed check ends it.
class Job {
 public:
  Job(const CompileJob& job, const JobFiles& files, CompileReport& report)
      : job_(job), files_(files), report_(report) {}
  ~Job() { allow_counting(false); }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // The outer result: whether the job could be done. The module's own error is in the report.
  Result<void> run();

 private:
  Result<std::string> compile(std::string_view module);
  // What the job has: a new artifact or one made earlier, with its checksum.
  Result<void> obtain_artifact(std::string& artifact, std::string& sha256);
  Result<void> rehearse(std::string_view artifact, std::string_view sha256, std::string_view config);
  Result<void> read_module(std::string& bytes);
  [[nodiscard]] bool wants_cost() const { return job_.rehearsal == Rehearsal::kRun && job_.costing == Costing::kRun; }
  // Whether an artifact for it has to be made.
  [[nodiscard]] bool wants_counting() const { return wants_cost() && job_.counting.empty(); }
  struct Counted {
    Result<std::string> artifact;
    std::string sha256;
    Result<Cost> cost;
  };
  Counted count(std::string_view config);
  // Counts beside the samples, on a second core: both read the same configuration, and counting waits for the end of
  // the real code's configure only.
  void begin_to_count(std::string_view config);
  void allow_counting(bool is_configured) {
    if (!std::exchange(has_told_, true)) told_.set_value(is_configured);
  }
  Result<void> take_count();

  // The rule tests of the job. A file of tests that cannot be read is no fault of the module's.
  Result<void> read_tests();

  const CompileJob& job_;
  const JobFiles& files_;
  CompileReport& report_;
  std::string config_;  // until the counting thread has ended, which looks at it
  std::vector<RuleTest> tests_;
  std::optional<CountingCompile>
      counting_;  // under way, where the cost is to be counted and no artifact is there for it
  std::atomic<bool> given_up_{false};
  bool has_told_ = false;
  std::promise<bool> told_;  // whether the module is configured
  std::future<bool> is_configured_ = told_.get_future();
  std::future<Counted> counted_;  // the last member: where it ends early it waits for its thread, which uses the others
};

Result<void> Job::read_module(std::string& bytes) {
  struct stat st{};
  if (::fstat(files_.module.get(), &st) == 0 && static_cast<std::size_t>(st.st_size) > job_.max_module_bytes) {
    report_.error = Error{ErrorCode::kTooLarge, fmt::format("The module has {} bytes, the limit is {} bytes",
                                                            st.st_size, job_.max_module_bytes)};
    return {};
  }
  auto read = read_descriptor(files_.module.get(), job_.module.string(), job_.max_module_bytes);
  if (!read) return std::unexpected(read.error());
  bytes = std::move(*read);
  if (auto advice = size_advice(bytes.size())) report_.warnings.push_back(*std::move(advice));
  return {};
}

Result<void> Job::read_tests() {
  if (job_.rule_tests.empty()) return {};
  const auto text = read_descriptor(files_.rule_tests.get(), job_.rule_tests.string(), kMaxRuleTestsBytes);
  if (!text) return std::unexpected(text.error());
  auto tests = read_rule_tests(*text);
  if (!tests) return fail(tests.error().code, job_.rule_tests.string() + ": " + tests.error().message);
  tests_ = *std::move(tests);
  return {};
}

Result<void> Job::run() {
  if (!job_.config.empty()) {
    auto read = read_descriptor(files_.config.get(), job_.config.string(), kMaxConfigBytes);
    if (!read) return std::unexpected(read.error());
    config_ = std::move(*read);
  }

  if (auto read = read_tests(); !read) return read;
  std::string artifact;
  std::string sha256 = job_.artifact_sha256;
  if (auto obtained = obtain_artifact(artifact, sha256); !obtained) return obtained;
  if (report_.error) return {};
  report_.artifact_sha256 = sha256;
  report_.artifact_bytes = artifact.size();

  if (auto rehearsed = rehearse(artifact, sha256, config_); !rehearsed) {
    report_.error = std::move(rehearsed.error());
    given_up_ = true;
    return {};
  }
  fault_point("child.rehearsed");
  if (counted_.valid()) {
    if (auto counted = take_count(); !counted) return counted;
  }
  if (job_.output.empty()) return {};
  auto written = files_.output ? write_descriptor(files_.output.get(), artifact, job_.output.string())
                               : write_file_unsynced(job_.output, artifact);
  fault_point("child.artifact_written");
  return written;
}

Result<void> Job::obtain_artifact(std::string& artifact, std::string& sha256) {
  if (job_.artifact.empty()) {
    std::string module;
    if (auto read = read_module(module); !read) return read;
    if (report_.error) return {};
    auto compiled = compile(module);
    if (!compiled) {
      report_.error = std::move(compiled.error());
      return {};
    }
    artifact = *std::move(compiled);
    sha256 = sha256_hex(artifact);
    fault_point("child.compiled");
    return {};
  }
  if (!job_.module.empty() && wants_counting()) {
    auto module = read_descriptor(files_.module.get(), job_.module.string(), kMaxArtifactBytes);
    if (!module) return std::unexpected(module.error());
    counting_.emplace(*std::move(module), CountingCompile::Runs::kMany);
  }
  auto read = read_descriptor(files_.artifact.get(), job_.artifact.string(), kMaxArtifactBytes);
  if (!read) return std::unexpected(read.error());
  artifact = *std::move(read);
  return {};
}

void Job::begin_to_count(std::string_view config) {
  if (!wants_cost() || (!counting_ && job_.counting.empty())) return;
  const bool beside = !counting_ || counting_->beside();
  counted_ = std::async(beside ? std::launch::async : std::launch::deferred, [this, config] { return count(config); });
}

Job::Counted Job::count(std::string_view config) {
  Counted counted{counting_ ? counting_->artifact()
                            : read_descriptor(files_.counting.get(), job_.counting.string(), kMaxArtifactBytes),
                  job_.counting_sha256, fail(ErrorCode::kInternal, "not counted")};
  if (!counted.artifact) {
    counted.cost = std::unexpected(counted.artifact.error());
    return counted;
  }
  if (counting_) counted.sha256 = sha256_hex(*counted.artifact);
  counted.cost = count_cost(
      *counted.artifact, counted.sha256, job_.limits, config, [this] { return is_configured_.get(); }, given_up_);
  return counted;
}

// A fault here is not the module's: it has been rehearsed.
Result<void> Job::take_count() {
  const auto start = std::chrono::steady_clock::now();
  Counted counted = counted_.get();
  report_.rehearse_ms += ms_since(start);
  if (!counted.cost) {
    report_.warnings.push_back("what requests cost is not known: " + counted.cost.error().message);
    return {};
  }
  report_.cost = *std::move(counted.cost);
  if (!counting_ || job_.counting_output.empty()) return {};
  report_.counting_sha256 = counted.sha256;
  return files_.counting_output
             ? write_descriptor(files_.counting_output.get(), *counted.artifact, job_.counting_output.string())
             : write_file_unsynced(job_.counting_output, *counted.artifact);
}

Result<std::string> Job::compile(std::string_view module) {
  const auto start = std::chrono::steady_clock::now();
  // Its sections and labels first: for bytes that are no binary at all this has the clearer words.
  const auto info = read_module_info(module);
  if (!info) return std::unexpected(info.error());
  const EngineHandle engine = compiling_engine();
  if (!engine) return fail(ErrorCode::kInternal, "Wasmtime could not make an engine");
  if (const ErrorHandle error(wasmtime_module_validate(engine.get(), as_bytes(module), module.size())); error) {
    report_.validate_ms = ms_since(start);
    return invalid_module(error.get());
  }
  report_.validate_ms = ms_since(start);
  if (wants_counting()) {
    using Runs = CountingCompile::Runs;
    counting_.emplace(std::string(module), info->exports_configure ? Runs::kMany : Runs::kOnce);
  }

  const auto compile_start = std::chrono::steady_clock::now();
  wasmtime_module_t* raw = nullptr;
  const ErrorHandle error(wasmtime_module_new(engine.get(), as_bytes(module), module.size(), &raw));
  report_.compile_ms = ms_since(compile_start);
  if (error) return not_compiled(error.get());
  const ModuleHandle compiled(raw);

  if (auto imports = check_imports(*compiled); !imports) return std::unexpected(imports.error());
  auto exports = read_exports(*compiled);
  if (!exports) return std::unexpected(exports.error());
  if (auto memory = check_initial_memory(*exports, job_.limits.memory_bytes); !memory) {
    return std::unexpected(memory.error());
  }

  wasm_byte_vec_t bytes{};
  const ErrorHandle refused(wasmtime_module_serialize(compiled.get(), &bytes));
  if (refused) return fail(ErrorCode::kCompileFailed, "The module cannot be stored: " + reason_of(refused.get()));
  std::string artifact(bytes.data, bytes.size);
  wasm_byte_vec_delete(&bytes);
  report_.compile_ms = ms_since(compile_start);
  return artifact;
}

// Loads the artifact as a worker does, from sealed memory, and runs it.
Result<void> Job::rehearse(std::string_view artifact, std::string_view sha256, std::string_view config) {
  const auto start = std::chrono::steady_clock::now();
  begin_to_count(config);
  auto engine = Engine::create();
  if (!engine) return std::unexpected(engine.error());
  auto loaded = Artifact::load(**engine, artifact, sha256);
  if (!loaded) return std::unexpected(loaded.error());
  const ModuleExports& exports = (*loaded)->impl().exports;
  report_.exports_configure = exports.has(GuestFunction::kConfigure);
  if (auto memory = check_initial_memory(exports, job_.limits.memory_bytes); !memory) return memory;
  if (job_.rehearsal == Rehearsal::kSkip) return {};
  auto rehearsed = rehearse_samples(**engine, *loaded, job_.limits, config, [this] { allow_counting(true); }, report_);
  if (rehearsed && !job_.rule_tests.empty()) {
    auto tested = run_rule_tests(**engine, *loaded, job_.limits, config, tests_, job_.rule_tests_time);
    if (!tested) return std::unexpected(tested.error());
    report_.rule_tests = *std::move(tested);
  }
  report_.rehearse_ms = ms_since(start);
  return rehearsed;
}

}  // namespace

Result<JobFiles> open_job_files(const CompileJob& job) {
  static constexpr int kFresh = O_WRONLY | O_CREAT | O_TRUNC;
  auto files = open_inputs(job);
  if (!files) return files;
  if (auto opened = open_file(files->output, job.output, kFresh); !opened) return std::unexpected(opened.error());
  if (auto opened = open_file(files->counting_output, job.counting_output, kFresh); !opened) {
    return std::unexpected(opened.error());
  }
  return files;
}

Result<CompileReport> run_compile_job(const CompileJob& job) {
  const auto files = open_inputs(job);
  if (!files) return std::unexpected(files.error());
  return run_compile_job(job, *files);
}

Result<CompileReport> run_compile_job(const CompileJob& job, const JobFiles& files) {
  CompileReport report;
  if (auto done = Job(job, files, report).run(); !done) return std::unexpected(done.error());
  return report;
}

}  // namespace secbeat::engine
