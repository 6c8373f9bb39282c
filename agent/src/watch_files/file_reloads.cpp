#include "file_reloads.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxConfigurationBytes = std::size_t{1} << 20U;  // as over the API
constexpr seconds kFirstRetry{5};
constexpr seconds kLastRetry{300};

// Reasons that lie in the node and not in the file.
bool passes_by_itself(ErrorCode code) {
  return code == ErrorCode::kNoWorker || code == ErrorCode::kWorkersDisagree || code == ErrorCode::kIo ||
         code == ErrorCode::kBusy;
}

bool is_about_signature(ErrorCode code) {
  return code == ErrorCode::kSignatureRequired || code == ErrorCode::kBadSignature;
}

std::string names_of(const std::vector<WatchedFile*>& files) {
  std::string names;
  for (const WatchedFile* file : files) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", file->path().filename().string());
  }
  return names;
}

std::string hashes_of(const std::vector<WatchedFile*>& files) {
  std::string hashes;
  for (const WatchedFile* file : files) hashes += file->content().sha256 + " ";
  return hashes;
}

// The text of the file .sig; empty where it cannot be read.
std::string signature_beside(const std::filesystem::path& module) {
  return read_file(signature_path(module), kMaxSignatureBytes).value_or(std::string());
}

std::optional<SteadyTime> sooner(std::optional<SteadyTime> a, std::optional<SteadyTime> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

FileReloads::FileReloads(const Config& config, const Clock& clock)
    : config_(config), clock_(clock), patience_{.settled = config.file_settle} {
  modules_.reserve(config.modules.size());
  for (const ModuleConfig& module : config.modules) {
    Module& watched =
        modules_.emplace_back(module, WatchedFile(module.module, FileKind::kModule, config.max_module_bytes));
    watched.file.accept_as_it_is();
    if (module.config.empty()) continue;
    watched.configuration.emplace(module.config, FileKind::kConfiguration, kMaxConfigurationBytes);
    watched.configuration->accept_as_it_is();
  }
}

std::vector<std::filesystem::path> FileReloads::files() const {
  std::vector<std::filesystem::path> files;
  for (const Module& module : modules_) {
    files.push_back(module.file.path());
    if (module.configuration) files.push_back(module.configuration->path());
  }
  return files;
}

std::optional<SteadyTime> FileReloads::look(Reloader& reloader, const WriterOf& writer_of) {
  const std::vector<std::string> names = reloader.configured_names();
  std::optional<SteadyTime> next;
  for (std::size_t i = 0; i < modules_.size() && i < names.size(); ++i) {
    next = sooner(next, look_at(modules_[i], names[i], reloader, writer_of));
  }
  return next;
}

std::optional<SteadyTime> FileReloads::look_at(Module& module, const std::string& name, Reloader& reloader,
                                               const WriterOf& writer_of) {
  std::vector<WatchedFile*> changed;
  std::optional<SteadyTime> next;
  if (module.refused_with && *module.refused_with != signature_beside(module.file.path())) {
    module.refused_with.reset();
    module.file.look_again();
  }
  for (WatchedFile* file : {&module.file, module.configuration ? &*module.configuration : nullptr}) {
    if (file == nullptr) continue;
    const auto state = file->look(clock_.steady(), patience_, writer_of(file->path()));
    if (state == WatchedFile::State::kChanged) changed.push_back(file);
    if (state == WatchedFile::State::kSettling) next = sooner(next, file->due());
  }
  if (changed.empty()) module.unsigned_since.reset();
  // A module and its configuration that change together come into force together.
  if (next || changed.empty()) return next;
  if (const auto wait = wait_for_signature(module, changed)) return wait;
  if (module.retry_at && module.retry_of == hashes_of(changed) && clock_.steady() < *module.retry_at) {
    return module.retry_at;
  }
  bring_into_force(module, name, changed, reloader);
  return module.retry_at;
}

std::optional<SteadyTime> FileReloads::wait_for_signature(Module& module,
                                                          const std::vector<WatchedFile*>& changed) const {
  if (!config_.require_signature || changed.front() != &module.file) return std::nullopt;
  const auto signature = signature_from_text(signature_beside(module.file.path()));
  if (signature && signature->sha256 == module.file.content().sha256) {
    module.unsigned_since.reset();
    return std::nullopt;
  }
  if (!module.unsigned_since) module.unsigned_since = clock_.steady();
  if (clock_.steady() < *module.unsigned_since + patience_.broken) return *module.unsigned_since + patience_.broken;
  module.unsigned_since.reset();
  return std::nullopt;
}

// The default configuration file, where the module takes none: at start it is not looked at either.
bool FileReloads::nobody_asked_for(const Module& module, const std::vector<WatchedFile*>& changed,
                                   const std::string& name, const Reloader& reloader) const {
  if (module.config.config_is_explicit || changed.front() == &module.file) return false;
  const control::InForce in_force = reloader.in_force();
  const control::Slot* slot = in_force.find(name);
  const control::Version* current = slot == nullptr ? nullptr : slot->current_version();
  if (current == nullptr) return true;
  const auto bytes = reloader.module_bytes(current->sha256);
  const auto info = bytes ? engine::read_module_info(*bytes) : fail(ErrorCode::kIo, "");
  return info && !info->exports_configure;
}

Upload FileReloads::upload_of(const Module& module, const std::string& name,
                              const std::vector<WatchedFile*>& changed) const {
  Upload upload;
  upload.kind = UploadKind::kFileChange;
  upload.name = name;
  upload.reason = "File changed: " + names_of(changed);
  upload.origin = {"file", {}};
  upload.received = clock_.steady();
  for (const WatchedFile* file : changed) {
    const WatchedFile::Content& content = file->content();
    if (!upload.problem && content.problem) upload.problem = content.problem;
    (file == &module.file ? upload.file : upload.config) = content.bytes;
  }
  if (upload.file) {
    if (std::string signature = signature_beside(module.file.path()); !signature.empty()) {
      upload.signature = std::move(signature);
    }
  }
  if (upload.problem || !upload.file || !module.config.name.empty()) return upload;
  const auto info = engine::read_module_info(*upload.file);
  if (info && info->embedded_name && *info->embedded_name != name) {
    upload.problem =
        Error{ErrorCode::kBadRequest,
              fmt::format("{} embeds the name {} and stands for {}: give it a name in {}, or upload it over "
                          "the API to add it to the chain",
                          module.file.path().string(), *info->embedded_name, name, config_.file.string())};
  }
  return upload;
}

void FileReloads::bring_into_force(Module& module, const std::string& name, const std::vector<WatchedFile*>& changed,
                                   Reloader& reloader) {
  const std::string hashes = hashes_of(changed);
  const bool again = module.retry_at && module.retry_of == hashes;
  module.retry_at.reset();
  const std::string files = names_of(changed);
  const auto settle = [&] { std::ranges::for_each(changed, &WatchedFile::dealt_with); };
  if (nobody_asked_for(module, changed, name, reloader)) {
    spdlog::info("{} has changed; {} takes no configuration", files, name);
    return settle();
  }
  const Upload upload = upload_of(module, name, changed);
  spdlog::info("{} has changed: reloading {}", files, name);
  const auto done = reloader.reload(upload);
  if (done) {
    for (const std::string& warning : done->warnings) spdlog::warn("{}: {}", name, warning);
    if (done->unchanged) spdlog::info("{} holds what {} serves already", files, name);
    return settle();
  }
  const Failure& failure = done.error();
  if (failure.error.code == ErrorCode::kShuttingDown) return;
  spdlog::error("{} has changed and is not taken: {}; {}", files, failure.error.message,
                failure.current_version ? fmt::format("{} {} goes on serving", name, *failure.current_version)
                                        : fmt::format("{} serves nothing", name));
  if (is_about_signature(failure.error.code)) module.refused_with = upload.signature.value_or(std::string());
  if (upload.problem || !passes_by_itself(failure.error.code)) return settle();
  module.retry_after = again ? std::min(module.retry_after * 2, kLastRetry) : kFirstRetry;
  module.retry_at = clock_.steady() + module.retry_after;
  module.retry_of = hashes;
  spdlog::info("{}: tried again in {} s", files, module.retry_after.count());
}

}  // namespace secbeat::agent
