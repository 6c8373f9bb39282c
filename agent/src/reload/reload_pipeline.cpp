#include "reload_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

constexpr std::string_view kWorkModule = "module.wasm";
constexpr std::string_view kWorkConfig = "config";
constexpr std::string_view kWorkArtifact = "artifact.cwasm";
constexpr mode_t kPrivate = 0600;

// The artifact of these bytes that is in use already and still what it is called; empty: none.
std::string artifact_in_use(const control::InForce& in_force, std::string_view sha256, const VersionStore& store) {
  for (const control::Slot& slot : in_force.slots) {
    for (const control::Version& version : slot.versions) {
      if (version.sha256 == sha256 && store.artifact_bytes(version.artifact_sha256)) return version.artifact_sha256;
    }
  }
  return {};
}

}  // namespace

Candidate make_candidate(std::string name, std::string bytes, std::string config, engine::ModuleInfo info) {
  Candidate candidate{.name = std::move(name),
                      .bytes = std::move(bytes),
                      .sha256 = {},
                      .config = std::move(config),
                      .config_sha256 = {},
                      .info = std::move(info),
                      .problem = {}};
  candidate.sha256 = sha256_hex(candidate.bytes);
  if (!candidate.config.empty()) candidate.config_sha256 = sha256_hex(candidate.config);
  return candidate;
}

Result<Checked> ReloadPipeline::check(const Candidate& candidate, const control::InForce& in_force,
                                      const CancelToken& cancel) {
  if (candidate.problem) return std::unexpected(*candidate.problem);
  const std::string known = artifact_in_use(in_force, candidate.sha256, store_);
  auto checked = run(candidate, known, cancel);
  if (!checked && checked.error().code == ErrorCode::kArtifactRejected && !known.empty()) {
    return run(candidate, {}, cancel);  // it was made by another build of the engine
  }
  return checked;
}

Result<Checked> ReloadPipeline::run(const Candidate& candidate, const std::string& known_artifact,
                                    const CancelToken& cancel) {
  const SteadyTime start = clock_.steady();
  engine::CompileJob job;
  job.max_module_bytes = config_.max_module_bytes;
  job.limits = config_.limits;
  job.rehearsal = config_.rehearse == Rehearse::kYes ? engine::Rehearsal::kRun : engine::Rehearsal::kSkip;
  if (known_artifact.empty()) {
    job.module = store_.work_path(kWorkModule);
    job.output = store_.work_path(kWorkArtifact);
    if (auto put = write_file_unsynced(job.module, candidate.bytes, kPrivate); !put) {
      return std::unexpected(put.error());
    }
  } else {
    job.artifact = store_.artifact_path(known_artifact);
    job.artifact_sha256 = known_artifact;
  }
  if (!candidate.config.empty()) {
    job.config = store_.work_path(kWorkConfig);
    if (auto put = write_file_unsynced(job.config, candidate.config, kPrivate); !put) {
      return std::unexpected(put.error());
    }
  }

  fault_point("reload.bytes_in_work");
  auto report = compiler_.run(job, cancel);
  fault_point("reload.checked");
  if (!report) return std::unexpected(report.error());
  if (report->error) return std::unexpected(*report->error);
  Checked checked{.artifact_sha256 = known_artifact.empty() ? report->artifact_sha256 : known_artifact,
                  .compiled = known_artifact.empty(),
                  .report = *std::move(report),
                  .stages = {}};
  // What the process itself costs belongs to the compile, where there was one.
  const double wall = std::chrono::duration<double, std::milli>(clock_.steady() - start).count();
  Stages& stages = checked.stages;
  stages.validate_ms = checked.report.validate_ms;
  stages.rehearse_ms = checked.report.rehearse_ms;
  double& rest = checked.compiled ? stages.compile_ms : stages.rehearse_ms;
  rest = std::max(rest, wall - stages.validate_ms - (checked.compiled ? stages.rehearse_ms : 0));
  return checked;
}

Result<std::uint64_t> ReloadPipeline::keep(const Candidate& candidate, const Checked& checked) {
  if (auto put = store_.put_module(candidate.sha256, candidate.bytes); !put) return std::unexpected(put.error());
  fault_point("reload.module_kept");
  if (!candidate.config.empty()) {
    if (auto put = store_.put_config(candidate.config_sha256, candidate.config); !put) {
      return std::unexpected(put.error());
    }
    fault_point("reload.config_kept");
  }
  if (checked.compiled) return store_.adopt_artifact(store_.work_path(kWorkArtifact), checked.artifact_sha256);
  auto bytes = store_.artifact_bytes(checked.artifact_sha256);
  if (!bytes) return std::unexpected(bytes.error());
  return bytes->size();
}

}  // namespace secbeat::agent
