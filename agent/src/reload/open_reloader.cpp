// The reloader with the parts of production: the compile child and this build's engine.
#include "reloader_impl.hpp"
#include "secbeat/base/own_programs.hpp"
#include "secbeat/engine/engine.hpp"

namespace secbeat::agent {
namespace {

// An engine for each artifact: it takes 50 µs, at start only, and holds no memory while the node serves.
Result<void> check_artifact(std::string_view bytes, std::string_view sha256) {
  auto engine = engine::Engine::create();
  if (!engine) return std::unexpected(engine.error());
  auto artifact = engine::Artifact::load(**engine, bytes, sha256);
  if (!artifact) return std::unexpected(artifact.error());
  return {};
}

}  // namespace

Result<std::unique_ptr<Reloader>> open_reloader(const Config& config, control::Scoreboard& scoreboard, WorkerHub& hub,
                                                const Clock& clock, const CancelToken& ending) {
  auto program = find_own_program(kCompileProgram);
  if (!program) return std::unexpected(program.error());
  CompileChildOptions options;
  options.program = *std::move(program);
  options.timeout = config.compile_timeout;
  options.data_bytes = config.compile_memory_bytes;
  auto compiler = CompileChild::open(std::move(options));
  if (!compiler) return std::unexpected(compiler.error());
  return open_reloader_with(config, scoreboard, hub, clock, {*std::move(compiler), check_artifact}, ending);
}

}  // namespace secbeat::agent
