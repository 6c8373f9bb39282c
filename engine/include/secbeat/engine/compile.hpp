// From a module's bytes to a checked artifact. Only in builds with the compiler (secbeat::compiler), and
// in production only in the compile child: a compile cannot be cancelled, a process can.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/engine/cost.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/engine/inventory.hpp"
#include "secbeat/engine/limits.hpp"
#include "secbeat/engine/rule_tests.hpp"

namespace secbeat::engine {

enum class Rehearsal : std::uint8_t { kRun, kSkip };

// One job of the compile child. `module`, `artifact` or both are given.
struct CompileJob {
  std::filesystem::path module;    // the WebAssembly binary: validate, compile, write `output`
  std::filesystem::path artifact;  // an artifact made of it earlier: only rehearse; `module` serves the costing alone
  std::string artifact_sha256;     // of `artifact`
  // Another artifact of the same module, which counts fuel: instead of making one for the costing.
  std::filesystem::path counting;
  std::string counting_sha256;                        // of `counting`
  std::filesystem::path counting_output;              // where one that is made goes, as `output`
  std::filesystem::path config;                       // empty: none
  std::filesystem::path rule_tests;                   // empty: none; part of the rehearsal
  std::chrono::milliseconds rule_tests_time{15'000};  // for all of them; what comes after it is not run
  std::filesystem::path output;  // where the artifact goes: whole or not at all, and not synced; empty: nowhere
  std::size_t max_module_bytes = std::size_t{4} << 20U;
  Limits limits;
  Rehearsal rehearsal = Rehearsal::kRun;
  Costing costing = Costing::kRun;  // part of the rehearsal
};

struct CompileReport {
  std::optional<Error> error;  // the first check that failed
  std::string artifact_sha256;
  std::uint64_t artifact_bytes = 0;
  std::string counting_sha256;         // of `counting_output`, where that was written
  std::optional<Cost> cost;            // nothing: it was not counted
  std::optional<Inventory> inventory;  // nothing: the module lists no rules, or a warning says why they do not count
  std::optional<RuleTestReport> rule_tests;  // nothing: none were asked for, or the module did not get so far
  int abi = 1;
  bool exports_configure = false;
  bool needs_body = true;
  double validate_ms = 0;
  double compile_ms = 0;
  double rehearse_ms = 0;
  std::vector<std::string> warnings;
};

// Does the job in this process. An error of the module is in the report; only a broken job (a file
// that cannot be read or written) is an Error of the result.
Result<CompileReport> run_compile_job(const CompileJob& job);

// Every file of a job that is read or written, for a process that opens them first and then gives up the right to open
// any (confine.hpp): a job that opened one later would fail in the compile child.
struct JobFiles {
  UniqueFd module;
  UniqueFd artifact;
  UniqueFd config;
  UniqueFd rule_tests;
  UniqueFd counting;
  UniqueFd output;           // empty at first; what a job that fails leaves in it is for nobody
  UniqueFd counting_output;  // the same
};
Result<JobFiles> open_job_files(const CompileJob& job);
Result<CompileReport> run_compile_job(const CompileJob& job, const JobFiles& files);

// The report as one JSON object, and back. Texts over their bound are cut, warnings over theirs left out. Who reads it
// trusts nothing in it, because the child has run a stranger's code: whatever is not as to_json() writes it is
// kProtocol.
inline constexpr std::size_t kMaxReportTextBytes = 8192;
inline constexpr std::size_t kMaxReportWarnings = 100;
std::string to_json(const CompileReport& report);
Result<CompileReport> compile_report_from_json(std::string_view text);

// Names of the built-in sample requests, in the order in which they are rehearsed ("get-root", …), and of those that
// are made to be expensive.
std::vector<std::string_view> sample_names();
std::vector<std::string_view> cost_request_names();

}  // namespace secbeat::engine
