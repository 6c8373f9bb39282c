#include "secbeat/orchestrator/fleet_archive.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "fleet_versions.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using archive::Manifest;
using archive::VersionArchive;
using Steady = std::chrono::steady_clock;

class FleetArchiveImpl final : public FleetArchive {
 public:
  FleetArchiveImpl(const archive::Location& location, fleet::Connection& connection, const Rollouts& rollouts,
                   const ArchivePace& pace)
      : connection_(connection),
        rollouts_(rollouts),
        pace_(pace),
        storage_(archive::open_storage(location)),
        archive_(storage_),
        thread_([this](const std::stop_token& ending) { run(ending); }) {}
  ~FleetArchiveImpl() override {
    thread_.request_stop();
    storage_->cancel();
  }
  FleetArchiveImpl(const FleetArchiveImpl&) = delete;
  FleetArchiveImpl& operator=(const FleetArchiveImpl&) = delete;

  [[nodiscard]] FleetArchiveStatus status() const override {
    const std::scoped_lock lock(mutex_);
    return status_;
  }

 private:
  void run(const std::stop_token& ending);
  Result<void> look();
  Result<void> look_at_rollouts(const std::vector<fleet::Rollout>& rollouts);
  Result<void> look_at_desired(const fleet::Desired& desired);
  Result<void> keep_version(const fleet::VersionRef& version);
  Result<void> keep_content(const std::string& sha256, std::uint64_t size, bool is_config);
  void note(const Result<void>& done);

  fleet::Connection& connection_;
  const Rollouts& rollouts_;
  const ArchivePace pace_;
  const std::shared_ptr<archive::Storage> storage_;
  const VersionArchive archive_;

  // Of the thread.
  std::set<std::string> contents_;  // hashes that are in the archive
  std::set<std::string> ended_;     // rollouts whose version and time are in it
  fleet::Desired desired_;          // the last one that is in it
  bool has_desired_ = false;
  bool is_open_ = true;  // a rollout goes on, or has not been looked at
  Steady::time_point whole_look_;

  mutable std::mutex mutex_;
  FleetArchiveStatus status_;  // guarded by mutex_
  std::condition_variable_any woken_;
  std::jthread thread_;  // last: it uses all the others
};

void FleetArchiveImpl::run(const std::stop_token& ending) {
  std::chrono::milliseconds retry = pace_.look;
  while (!ending.stop_requested()) {
    Result<void> done;
    try {
      if (connection_.connected()) done = look();
    } catch (const std::exception& error) {
      done = fail(ErrorCode::kInternal, error.what());
    }
    if (ending.stop_requested()) return;
    note(done);
    const auto pause = done ? pace_.look : retry;
    retry = done ? pace_.look : std::min(retry * 2, pace_.last_retry);
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, pause, [] { return false; });
  }
}

void FleetArchiveImpl::note(const Result<void>& done) {
  const std::scoped_lock lock(mutex_);
  if (!done) {
    ++status_.failures;
    if (status_.error != done.error().message) {
      spdlog::warn("fleet: not everything is in the archive yet, tried again: {}", done.error().message);
    }
    status_.error = done.error().message;
  } else if (!status_.error.empty()) {
    spdlog::info("fleet: everything is in the archive");
    status_.error.clear();
  }
}

// Rollouts are looked at where the desired state has changed, one of them goes on, or once in a while.
Result<void> FleetArchiveImpl::look() {
  const auto desired = rollouts_.desired();
  if (!desired) return std::unexpected(desired.error());
  const bool is_new = desired->revision != 0 && (!has_desired_ || desired_ != *desired);
  if (is_new || is_open_ || Steady::now() >= whole_look_) {
    const auto rollouts = rollouts_.list();
    if (!rollouts) return std::unexpected(rollouts.error());
    is_open_ = true;
    if (auto done = look_at_rollouts(*rollouts); !done) return done;
    is_open_ = std::ranges::any_of(*rollouts, [](const fleet::Rollout& one) { return !has_ended(one.state); });
    whole_look_ = Steady::now() + pace_.whole_look;
  }
  return is_new ? look_at_desired(*desired) : Result<void>();
}

Result<void> FleetArchiveImpl::look_at_rollouts(const std::vector<fleet::Rollout>& rollouts) {
  std::vector<Manifest> wanted = manifests_of(rollouts);
  std::erase_if(wanted, [this](const Manifest& manifest) {
    return std::ranges::all_of(manifest.record.times,
                               [this](const auto& time) { return ended_.contains(time.request_id); });
  });
  for (std::size_t done = 0; done < wanted.size(); ++done) {
    {
      const std::scoped_lock lock(mutex_);
      status_.pending = wanted.size() - done;
    }
    const Manifest& manifest = wanted[done];
    const archive::ForceRecord& record = manifest.record;
    const fleet::VersionRef version{.label = record.label,
                                    .sha256 = record.sha256,
                                    .size_bytes = record.size_bytes,
                                    .config_sha256 = record.config_sha256,
                                    .config_size_bytes = manifest.config_size_bytes};
    auto kept = keep_version(version);
    if (kept) kept = archive_.put_manifest(manifest);
    // What nobody has any more holds up nothing.
    const bool is_gone = !kept && kept.error().code == ErrorCode::kNotFound;
    if (is_gone) spdlog::error("fleet: {} {} is not archived: {}", record.module, record.label, kept.error().message);
    if (!kept && !is_gone) return kept;
    for (const auto& time : record.times) ended_.insert(time.request_id);
    const std::scoped_lock lock(mutex_);
    if (is_gone) {
      ++status_.failures;
    } else {
      ++status_.archived;
    }
  }
  const std::scoped_lock lock(mutex_);
  status_.pending = 0;
  return {};
}

Result<void> FleetArchiveImpl::look_at_desired(const fleet::Desired& desired) {
  {
    const std::scoped_lock lock(mutex_);
    status_.pending = 1;
  }
  for (const fleet::DesiredModule& module : desired.modules) {
    if (auto kept = keep_version(module.version); !kept) return kept;
    for (const auto* others : {&module.before, &module.after}) {
      for (const fleet::VersionRef& other : *others) {
        const auto kept = keep_version(other);
        if (!kept && kept.error().code != ErrorCode::kNotFound) return kept;
      }
    }
  }
  if (auto put = put_desired(*storage_, desired); !put) return put;
  desired_ = desired;
  has_desired_ = true;
  const std::scoped_lock lock(mutex_);
  ++status_.archived;
  status_.pending = 0;
  return {};
}

Result<void> FleetArchiveImpl::keep_version(const fleet::VersionRef& version) {
  if (auto kept = keep_content(version.sha256, version.size_bytes, false); !kept) return kept;
  if (version.config_sha256.empty()) return {};
  return keep_content(version.config_sha256, version.config_size_bytes, true);
}

Result<void> FleetArchiveImpl::keep_content(const std::string& sha256, std::uint64_t size, bool is_config) {
  if (contents_.contains(sha256)) return {};
  const std::string key = is_config ? archive::config_key(sha256) : archive::module_key(sha256);
  if (!storage_->holds(key, sha256, size)) {
    const auto bytes = connection_.get_object(fleet::kModulesBucket, sha256, VersionArchive::kMaxModuleBytes);
    if (!bytes) return std::unexpected(bytes.error());
    auto put = is_config ? archive_.put_config(sha256, *bytes) : archive_.put_module(sha256, *bytes);
    if (!put) return put;
  }
  contents_.insert(sha256);
  return {};
}

}  // namespace

std::unique_ptr<FleetArchive> FleetArchive::start(const archive::Location& location, fleet::Connection& connection,
                                                  const Rollouts& rollouts, const ArchivePace& pace) {
  return std::make_unique<FleetArchiveImpl>(location, connection, rollouts, pace);
}

}  // namespace secbeat::orchestrator
