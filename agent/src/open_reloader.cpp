// The reloader with the parts of production: the compile child and this build's engine.
#include "reloader_impl.hpp"
#include "secbeat/engine/engine.hpp"

namespace secbeat::agent {
namespace {

// The engine is made when the first artifact is to be judged.
std::function<Result<void>(std::string_view, std::string_view)> artifact_check() {
  std::shared_ptr<engine::Engine> engine;
  return [engine](std::string_view bytes, std::string_view sha256) mutable -> Result<void> {
    if (engine == nullptr) {
      auto created = engine::Engine::create();
      if (!created) return std::unexpected(created.error());
      engine = *std::move(created);
    }
    auto artifact = engine::Artifact::load(*engine, bytes, sha256);
    if (!artifact) return std::unexpected(artifact.error());
    return {};
  };
}

}  // namespace

Result<std::unique_ptr<Reloader>> open_reloader(const Config& config, control::Scoreboard& scoreboard, WorkerHub& hub,
                                                const Clock& clock) {
  CompileChildOptions options;
  options.timeout = config.compile_timeout;
  options.data_bytes = config.compile_memory_bytes;
  return open_reloader_with(config, scoreboard, hub, clock,
                            {std::make_unique<CompileChild>(std::move(options)), artifact_check()});
}

}  // namespace secbeat::agent
