// From an upload to a version that can be staged: files in work/, the compile child, files in their places.
//
// Thread safety: owned by the operation that holds the gate's turn.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "compile_child.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/engine/module_info.hpp"
#include "version_store.hpp"

namespace secbeat::agent {

// The module's bytes and configuration that are to come into force under a name.
struct Candidate {
  std::string name;
  std::string bytes;
  std::string sha256;
  std::string config;         // empty: none
  std::string config_sha256;  // empty: none
  engine::ModuleInfo info;
  std::optional<std::string> label = {};  // that it should have
  std::optional<Error> problem;           // what is wrong with it, as far as that shows without the compiler
};

// Hashes what has to be hashed.
Candidate make_candidate(std::string name, std::string bytes, std::string config, engine::ModuleInfo info);

struct Checked {
  std::string artifact_sha256;
  bool compiled = false;  // a new artifact lies in work/
  engine::CompileReport report;
  Stages stages;  // validate, compile, rehearse
};

class ReloadPipeline {
 public:
  ReloadPipeline(const Config& config, VersionStore& store, Compiler& compiler, const Clock& clock)
      : config_(config), store_(store), compiler_(compiler), clock_(clock) {}

  // Validates, compiles (not where `in_force` has an artifact of the same bytes) and rehearses.
  // `costing` is what the rehearsal may do; the configuration may say less.
  Result<Checked> check(const Candidate& candidate, const control::InForce& in_force, const CancelToken& cancel,
                        engine::Costing costing = engine::Costing::kRun, const std::filesystem::path& rule_tests = {});
  // Puts an artifact that was compiled where check() and keep() find it later.
  Result<void> keep_artifact(const Checked& checked);
  // Puts the files where workers find them; the size of the artifact.
  Result<std::uint64_t> keep(const Candidate& candidate, const Checked& checked);

 private:
  Result<std::uint64_t> put(const Candidate& candidate, const Checked& checked);
  Result<Checked> run(const Candidate& candidate, const std::string& known_artifact, const CancelToken& cancel,
                      engine::Costing costing, const std::filesystem::path& rule_tests);
  engine::CompileJob job_for(const Candidate& candidate, const std::string& known_artifact, engine::Costing costing);
  [[nodiscard]] std::optional<engine::Cost> known_cost(const Candidate& candidate, const std::string& artifact,
                                                       engine::Costing costing) const;
  void keep_counting(const Candidate& candidate, const engine::CompileJob& job, const engine::CompileReport& report);

  const Config& config_;
  VersionStore& store_;
  Compiler& compiler_;
  const Clock& clock_;
  // Checksums of the artifacts that count fuel, by the module's. In memory alone: what a file says of itself on the
  // disk would not make it safe to run.
  std::map<std::string, std::string, std::less<>> counting_;
  // What versions that are kept have cost, by artifact and configuration: fuel is the same each time.
  std::map<std::pair<std::string, std::string>, engine::Cost> costs_;
};

}  // namespace secbeat::agent
