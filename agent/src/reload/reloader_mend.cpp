// Artifacts that have gone from the disk, or are damaged, while the node runs. Workers that run have them in memory and
// miss nothing; one that starts would. They are made again from the module's bytes. Where the compiler gives the same
// artifact the file is all that was missing, and the hub brings the worker there; where it gives another one, the same
// versions come into force with it, as a new generation. So they do where a worker says that it could not load a
// version to fall back to: it loads what it lacks with the next generation, and not before.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "reloader_impl.hpp"

namespace secbeat::agent {
namespace {

bool files_are_whole(const VersionStore& store, const control::Version& version) {
  return store.artifact_bytes(version.artifact_sha256) &&
         (version.config_sha256.empty() || store.config_bytes(version.config_sha256));
}

}  // namespace

bool ReloaderImpl::is_whole(const control::InForce& document) const {
  return std::ranges::all_of(document.slots, [&](const control::Slot& slot) {
    return std::ranges::all_of(slot.versions,
                               [&](const control::Version& version) { return files_are_whole(store_, version); });
  });
}

std::string ReloaderImpl::missing_fallbacks() const {
  std::string text;
  for (const WorkerStatus& worker : hub_.workers()) {
    if (!worker.failed_fallbacks.empty()) text += fmt::format("worker {}: {}; ", worker.pid, worker.failed_fallbacks);
  }
  return text;
}

// Not so while an operation commits, which is why who finds it so waits for the turn and looks again.
bool ReloaderImpl::in_force_is_on_disk() const {
  const auto read = store_.read_in_force();
  return read && read->value_or(control::InForce{}) == in_force();
}

bool ReloaderImpl::needs_mending(const control::InForce& document) const {
  // A damaged file shows only when it is read, which is done where somebody complains.
  const std::vector<WorkerStatus> workers = hub_.workers();
  const std::string fallbacks = missing_fallbacks();
  const bool complaint = !fallbacks.empty() || std::ranges::any_of(workers, [&](const WorkerStatus& worker) {
    return worker.connected && worker.generation < document.generation;
  });
  if (!in_force_is_on_disk() || (!fallbacks.empty() && fallbacks != fallbacks_met_)) return true;
  for (const control::Slot& slot : document.slots) {
    for (const control::Version& version : slot.versions) {
      std::error_code error;
      const bool there = std::filesystem::exists(store_.artifact_path(version.artifact_sha256), error);
      if (!there || (complaint && !files_are_whole(store_, version))) return true;
    }
  }
  return false;
}

control::InForce ReloaderImpl::mended(control::InForce document, const CancelToken& cancel) {
  for (control::Slot& slot : document.slots) {
    for (control::Version& version : slot.versions) {
      const auto config = version.config_sha256.empty() ? Result<std::string>(std::string())
                                                        : store_.config_bytes(version.config_sha256);
      if (!config) {  // nothing can make it again but who has it
        spdlog::error("{} {} serves, but not in workers that start: {}; upload it again with its configuration",
                      slot.name, version.label, config.error().message);
        continue;
      }
      const auto bytes = store_.artifact_bytes(version.artifact_sha256);
      if (bytes || cancel.cancelled()) continue;
      auto again = recompiled(slot, version, cancel);
      if (again) {
        spdlog::warn("{} {} was compiled again: {}", slot.name, version.label, bytes.error().message);
        version = *std::move(again);
      } else if (!cancel.cancelled()) {
        spdlog::error("{} {} serves, but not in workers that start: {}, and it cannot be compiled again: {}", slot.name,
                      version.label, bytes.error().message, again.error().message);
      }
    }
  }
  return document;
}

void ReloaderImpl::mend() {
  if (!needs_mending(in_force())) return;
  auto turn = gate_.enter_in_turn();
  if (!turn) return;
  const control::InForce before = in_force();
  if (!in_force_is_on_disk() && !before.slots.empty()) {
    auto written = store_.write_in_force(before);
    spdlog::error("{} was not what is in force{}", store_.in_force_path().string(),
                  written ? ", and was written again" : " and cannot be written: " + written.error().message);
  }
  control::InForce next = mended(before, turn->cancel());
  if (turn->cancel().cancelled()) return;
  // Once: what a worker lacks afterwards is not for want of files.
  const std::string fallbacks = missing_fallbacks();
  const bool lacking = !fallbacks.empty() && fallbacks != fallbacks_met_ && is_whole(next);
  if (next == before && !lacking) return;
  const auto numbers = reserve(before);
  if (!numbers) return spdlog::error("artifacts cannot be mended: {}", numbers.error().message);
  next.generation = numbers->generation;
  if (auto staged = committer_.stage(next); !staged) {
    return spdlog::error("artifacts that were made again are not taken: {}", staged.error().error.message);
  }
  auto swapped = committer_.commit(before, next, {});
  remember(swapped ? next : swapped.error().in_force);
  if (!swapped) {
    return spdlog::error("artifacts that were made again are not taken: {}", swapped.error().failure.error.message);
  }
  if (lacking) fallbacks_met_ = fallbacks;
}

// A rollback leads to a file that workers cannot load. Made again, it is staged as another generation, because answers
// about the first one may still be on their way.
bool ReloaderImpl::make_whole(control::InForce& next, const Failure& failure, const CancelToken& cancel) {
  const bool about_files = std::ranges::any_of(failure.workers, [](const WorkerFailure& worker) {
    return worker.error.code == ErrorCode::kArtifactRejected || worker.error.code == ErrorCode::kIo;
  });
  if (!about_files || is_whole(next)) return false;
  control::InForce again = mended(next, cancel);
  const auto numbers = reserve(next);
  if (!numbers || cancel.cancelled()) return false;
  again.generation = numbers->generation;
  next = std::move(again);
  return true;
}

}  // namespace secbeat::agent
