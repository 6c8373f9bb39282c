#include "reload_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/scheduling.hpp"

namespace secbeat::agent {
namespace {

constexpr std::string_view kWorkModule = "module.wasm";
constexpr std::string_view kWorkConfig = "config";
constexpr std::string_view kWorkArtifact = "artifact.cwasm";
constexpr std::string_view kWorkCounting = "counting.cwasm";
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

bool is_kept(const control::InForce& in_force, const std::string& artifact, const std::string& config) {
  return std::ranges::any_of(in_force.slots, [&](const control::Slot& slot) {
    return std::ranges::any_of(slot.versions, [&](const control::Version& version) {
      return version.artifact_sha256 == artifact && version.config_sha256 == config;
    });
  });
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
                                      const CancelToken& cancel, engine::Costing costing,
                                      const std::filesystem::path& rule_tests) {
  if (candidate.problem) return std::unexpected(*candidate.problem);
  const std::string known = artifact_in_use(in_force, candidate.sha256, store_);
  std::erase_if(costs_, [&](const auto& cost) { return !is_kept(in_force, cost.first.first, cost.first.second); });
  auto checked = run(candidate, known, cancel, costing, rule_tests);
  if (!checked && checked.error().code == ErrorCode::kArtifactRejected && !known.empty()) {
    return run(candidate, {}, cancel, costing, rule_tests);  // it was made by another build of the engine
  }
  return checked;
}

// What the child is to do, and with what; the module where anything is to be compiled.
engine::CompileJob ReloadPipeline::job_for(const Candidate& candidate, const std::string& known_artifact,
                                           engine::Costing costing) {
  engine::CompileJob job;
  job.max_module_bytes = config_.max_module_bytes;
  job.limits = config_.limits;
  job.rehearsal = config_.rehearse == Rehearse::kYes ? engine::Rehearsal::kRun : engine::Rehearsal::kSkip;
  const bool counts = config_.rehearse == Rehearse::kYes && config_.gates.costing == engine::Costing::kRun &&
                      costing == engine::Costing::kRun;
  job.costing = counts ? engine::Costing::kRun : engine::Costing::kSkip;
  std::erase_if(counting_, [this](const auto& kept) { return !store_.has_counting(kept.first); });
  const auto kept = counting_.find(candidate.sha256);
  const bool makes_counting = counts && kept == counting_.end();
  if (makes_counting) job.counting_output = store_.work_path(kWorkCounting);
  if (counts && !makes_counting) {
    job.counting = store_.counting_path(candidate.sha256);
    job.counting_sha256 = kept->second;
  }
  if (known_artifact.empty()) {
    job.output = store_.work_path(kWorkArtifact);
  } else {
    job.artifact = store_.artifact_path(known_artifact);
    job.artifact_sha256 = known_artifact;
  }
  if (known_artifact.empty() || makes_counting) job.module = store_.work_path(kWorkModule);
  if (!candidate.config.empty()) job.config = store_.work_path(kWorkConfig);
  return job;
}

std::optional<engine::Cost> ReloadPipeline::known_cost(const Candidate& candidate, const std::string& artifact,
                                                       engine::Costing costing) const {
  if (costing == engine::Costing::kSkip || config_.gates.costing == engine::Costing::kSkip) return std::nullopt;
  const auto found = costs_.find({artifact, candidate.config_sha256});
  return found == costs_.end() ? std::nullopt : std::optional(found->second);
}

// Without it the next change of the configuration has to compile again, no more.
void ReloadPipeline::keep_counting(const Candidate& candidate, const engine::CompileJob& job,
                                   const engine::CompileReport& report) {
  if (!job.counting.empty() && !report.cost) counting_.erase(candidate.sha256);  // it is damaged
  if (job.counting_output.empty() || report.counting_sha256.empty()) return;
  if (store_.keep_counting(job.counting_output, candidate.sha256)) {
    counting_.insert_or_assign(candidate.sha256, report.counting_sha256);
  }
}

Result<Checked> ReloadPipeline::run(const Candidate& candidate, const std::string& known_artifact,
                                    const CancelToken& cancel, engine::Costing costing,
                                    const std::filesystem::path& rule_tests) {
  const SteadyTime start = clock_.steady();
  const std::optional<engine::Cost> known = known_cost(candidate, known_artifact, costing);
  engine::CompileJob job = job_for(candidate, known_artifact, known ? engine::Costing::kSkip : costing);
  if (job.rehearsal == engine::Rehearsal::kRun) job.rule_tests = rule_tests;
  for (const auto& [file, bytes] :
       {std::pair(&job.module, &candidate.bytes), std::pair(&job.config, &candidate.config)}) {
    if (file->empty()) continue;
    if (auto put = write_file_unsynced(*file, *bytes, kPrivate); !put) return std::unexpected(put.error());
  }
  fault_point("reload.bytes_in_work");
  auto report = quietly([&] { return compiler_.run(job, cancel); });
  fault_point("reload.checked");
  if (!report) return std::unexpected(report.error());
  keep_counting(candidate, job, *report);
  if (report->error) return std::unexpected(*report->error);
  if (known) report->cost = known;
  Checked checked{.artifact_sha256 = known_artifact.empty() ? report->artifact_sha256 : known_artifact,
                  .compiled = known_artifact.empty(),
                  .report = *std::move(report),
                  .stages = {}};
  if (checked.report.cost) {
    costs_.insert_or_assign({checked.artifact_sha256, candidate.config_sha256}, *checked.report.cost);
  }
  // What the process itself costs belongs to the compile, where there was one.
  const double wall = std::chrono::duration<double, std::milli>(clock_.steady() - start).count();
  Stages& stages = checked.stages;
  stages.validate_ms = checked.report.validate_ms;
  stages.rehearse_ms = checked.report.rehearse_ms;
  double& rest = checked.compiled ? stages.compile_ms : stages.rehearse_ms;
  rest = std::max(rest, wall - stages.validate_ms - (checked.compiled ? stages.rehearse_ms : 0));
  return checked;
}

Result<void> ReloadPipeline::keep_artifact(const Checked& checked) {
  auto adopted = store_.adopt_artifact(store_.work_path(kWorkArtifact), checked.artifact_sha256);
  return adopted ? Result<void>() : std::unexpected(adopted.error());
}

Result<std::uint64_t> ReloadPipeline::keep(const Candidate& candidate, const Checked& checked) {
  return quietly([&] { return put(candidate, checked); });
}

Result<std::uint64_t> ReloadPipeline::put(const Candidate& candidate, const Checked& checked) {
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
