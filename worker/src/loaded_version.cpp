#include "loaded_version.hpp"

#include <utility>

#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/files.hpp"
#include "warm_up.hpp"

namespace secbeat::worker {
namespace {

// Bounds against a wrong file, far above what a module within its own limit compiles to.
constexpr std::size_t kMaxArtifactBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20U;

Result<std::string> read_config(const control::StatePaths& paths, const std::string& sha256) {
  if (sha256.empty()) return std::string();
  auto bytes = read_file(paths.config(sha256), kMaxConfigBytes);
  if (!bytes) return bytes;
  if (const std::string found = sha256_hex(*bytes); found != sha256) {
    return fail(ErrorCode::kIo, "the configuration " + paths.config(sha256).string() + " has SHA-256 " + found);
  }
  return bytes;
}

Result<std::shared_ptr<const engine::Artifact>> read_artifact(const LoadContext& context,
                                                              const control::Version& version,
                                                              const control::Slot& slot) {
  const auto bytes = read_file(context.paths.artifact(version.artifact_sha256), kMaxArtifactBytes);
  if (!bytes) return std::unexpected(bytes.error());
  fault_point("worker.artifact_read");
  return engine::Artifact::load(context.engine, *bytes, version.artifact_sha256, slot.isolation);
}

}  // namespace

Result<std::shared_ptr<LoadedVersion>> LoadedVersion::load(const LoadContext& context, const control::Version& version,
                                                           const control::Slot& slot,
                                                           std::shared_ptr<const engine::Artifact> artifact) {
  std::shared_ptr<LoadedVersion> loaded(new LoadedVersion(version, slot));
  auto config = read_config(context.paths, version.config_sha256);
  if (!config) return std::unexpected(config.error());
  loaded->config_ = std::move(*config);
  if (!artifact) {
    auto read = read_artifact(context, version, slot);
    if (!read) return std::unexpected(read.error());
    artifact = std::move(*read);
  }
  loaded->artifact_ = std::move(artifact);

  if (slot.isolation == engine::Isolation::kRequest) {
    if (auto prepared = loaded->prepare_maker(context); !prepared) return std::unexpected(prepared.error());
    return loaded;
  }
  auto instance = loaded->make_instance(context);
  if (!instance) return std::unexpected(instance.error());
  loaded->active_ = std::move(*instance);
  fault_point("worker.instance_made");
  loaded->needs_body_ = loaded->active_->needs_body();
  return loaded;
}

LoadedVersion::~LoadedVersion() {
  delete spare_.load(std::memory_order_acquire);
  delete broken_.load(std::memory_order_acquire);
}

bool LoadedVersion::is(const control::Version& version, const control::Slot& slot) const noexcept {
  return version_.id == version.id && version_.artifact_sha256 == version.artifact_sha256 &&
         version_.config_sha256 == version.config_sha256 && limits_ == slot.limits && isolation_ == slot.isolation;
}

// What is made here goes at once: it has warmed the code, and shown that one can be made.
Result<void> LoadedVersion::prepare_maker(const LoadContext& context) {
  const Ticker::Running running(context.lane);
  auto maker = engine::InstanceMaker::create(context.engine, artifact_, limits_);
  if (!maker) return std::unexpected(maker.error());
  if (auto instance = (*maker)->make()) static_cast<void>(warm_up(**instance));
  maker_ = std::move(*maker);
  needs_body_ = maker_->needs_body();
  return {};
}

std::expected<engine::Instance*, engine::CallError> LoadedVersion::fresh_instance() {
  active_.reset();  // its place in the pool is the one that is warm
  auto made = maker_->make();
  if (!made) return std::unexpected(std::move(made.error()));
  active_ = std::move(*made);
  return active_.get();
}

// A guest that fails on a sample request serves as it is: whether it may is decided by the rehearsal.
Result<std::unique_ptr<engine::Instance>> LoadedVersion::make_instance(const LoadContext& context) {
  const Ticker::Running running(context.lane);
  auto instance = engine::Instance::create(context.engine, artifact_, limits_, config_);
  if (!instance || fails_when_warmed_ || warm_up(**instance) == Warmth::kWarm) return instance;
  fails_when_warmed_ = true;
  return engine::Instance::create(context.engine, artifact_, limits_, config_);
}

engine::Instance* LoadedVersion::next_instance() noexcept {
  if (active_) {
    engine::Instance* none = nullptr;
    if (!broken_.compare_exchange_strong(none, active_.get(), std::memory_order_release, std::memory_order_relaxed)) {
      return nullptr;  // the helper thread has not taken the one before
    }
    static_cast<void>(active_.release());
  }
  active_failed_ = false;
  active_.reset(spare_.exchange(nullptr, std::memory_order_acq_rel));
  starved_.store(active_ == nullptr, std::memory_order_release);
  return active_.get();
}

Result<void> LoadedVersion::maintain(const LoadContext& context, Readiness readiness) {
  if (maker_) return {};
  delete broken_.exchange(nullptr, std::memory_order_acquire);
  if (readiness == Readiness::kAsIs && !starved_.load(std::memory_order_acquire)) {
    delete spare_.exchange(nullptr, std::memory_order_acquire);
    return {};
  }
  if (spare_.load(std::memory_order_relaxed) != nullptr) return {};
  auto instance = make_instance(context);
  if (!instance) return std::unexpected(instance.error());
  spare_.store(instance->release(), std::memory_order_release);  // only this thread puts one there
  return {};
}

}  // namespace secbeat::worker
