#include "secbeat/agent/archive.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "archive_thread.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace fs = std::filesystem;
namespace {

using archive::Manifest;
using archive::VersionArchive;
using std::chrono::milliseconds;

// Kinds of history rows after which row.version is in force.
const std::set<std::string, std::less<>> kBringIntoForce = {"load",        "reload",   "config",       "sync",
                                                            "file_change", "rollback", "auto_rollback"};

bool same_version(const ForceRecord& a, const ForceRecord& b) {
  return a.module == b.module && a.label == b.label && a.sha256 == b.sha256 && a.config_sha256 == b.config_sha256;
}

void add_times(ForceRecord& to, const ForceRecord& from) {
  for (const InForceTime& time : from.times) {
    if (std::ranges::find(to.times, time) == to.times.end()) to.times.push_back(time);
  }
}

fs::path module_in(const fs::path& data_dir, const ForceRecord& record) {
  return data_dir / "modules" / (record.sha256 + ".wasm");
}
fs::path config_in(const fs::path& data_dir, const ForceRecord& record) {
  return data_dir / "configs" / record.config_sha256;
}

// What owner and thread share; lives as long as the longer one, because a thread that hangs in a file system is left
// behind.
class Work {
 public:
  Work(const Config& config, const ArchivePatience& patience)
      : storage_(archive::open_storage(config.archive)),
        archive_(storage_),
        data_dir_(config.data_dir),
        node_(config.node_name),
        patience_(patience),
        retry_after_(patience.first_retry) {}

  void enter(ForceRecord record) {
    const std::lock_guard lock(mutex_);
    const auto there = std::ranges::find_if(pending_, [&](const auto& other) { return same_version(other, record); });
    if (there != pending_.end()) {
      add_times(*there, record);
    } else {
      pending_.push_back(std::move(record));
    }
    if (pending_.size() > kMostPending) give_up("more than the archive can catch up with are waiting");
    changed_.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto ready = [&] { return ending_ || (!pending_.empty() && SteadyClock::now() >= retry_at_); };
      while (!ready()) {
        if (pending_.empty()) {
          changed_.wait(lock);
        } else {
          changed_.wait_until(lock, retry_at_);
        }
      }
      if (abandoned_) return;
      if (pending_.empty() || (ending_ && failed_)) break;
      const ForceRecord record = pending_.front();
      lock.unlock();
      const Result<void> stored = store(record);
      lock.lock();
      if (abandoned_) return;
      finish(record, stored);
    }
    ended_ = true;
    changed_.notify_all();
  }

  // False: the thread has not come to its end.
  bool end() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    const auto has_ended = [&] { return ended_; };
    if (changed_.wait_for(lock, patience_.at_the_end, has_ended)) return true;
    storage_->cancel();  // a network can be let go of, a file system cannot
    abandoned_ = !changed_.wait_for(lock, patience_.after_cancel, has_ended);
    return !abandoned_;
  }

  [[nodiscard]] ArchiveStatus status() const {
    const std::lock_guard lock(mutex_);
    return {pending_.size(), archived_, failures_, error_};
  }

  [[nodiscard]] std::vector<control::Version> wanted() const {
    const std::lock_guard lock(mutex_);
    std::vector<control::Version> versions;
    for (const ForceRecord& record : pending_) {
      control::Version& version = versions.emplace_back();
      version.sha256 = record.sha256;
      version.config_sha256 = record.config_sha256;
    }
    return versions;
  }

 private:
  using SteadyClock = std::chrono::steady_clock;

  // Without the lock: takes as long as the file system does.
  [[nodiscard]] Result<void> store(const ForceRecord& record) const {
    auto module = read_file(module_in(data_dir_, record), VersionArchive::kMaxModuleBytes);
    if (!module || sha256_hex(*module) != record.sha256) return gone();
    Manifest manifest{.node = node_, .record = record, .config_size_bytes = 0};
    if (!record.config_sha256.empty()) {
      auto config = read_file(config_in(data_dir_, record), VersionArchive::kMaxConfigBytes);
      if (!config || sha256_hex(*config) != record.config_sha256) return gone();
      manifest.config_size_bytes = config->size();
      if (auto put = archive_.put_config(record.config_sha256, *config); !put) return put;
    }
    manifest.record.size_bytes = module->size();
    if (auto put = archive_.put_module(record.sha256, *module); !put) return put;
    return archive_.put_manifest(manifest);
  }

  static std::unexpected<Error> gone() {
    return fail(ErrorCode::kNotFound, "its files are no longer in the data directory");
  }

  // REQUIRES: the lock is held, as in give_up().
  void finish(const ForceRecord& record, const Result<void>& stored) {
    failed_ = !stored;
    if (!stored && stored.error().code == ErrorCode::kNotFound) {
      failed_ = false;
      return give_up(stored.error().message);
    }
    if (!stored) {
      ++failures_;
      error_ = stored.error().message;
      spdlog::warn("{} {} is not in the archive yet: {}; {} versions wait, the next attempt is in {:g} s",
                   record.module, record.label, stored.error().message, pending_.size(),
                   static_cast<double>(retry_after_.count()) / 1000);
      retry_at_ = SteadyClock::now() + retry_after_;
      retry_after_ = std::min(retry_after_ * 2, patience_.last_retry);
      return;
    }
    retry_after_ = patience_.first_retry;
    error_.clear();
    ++archived_;
    spdlog::debug("{} {} is in the archive", record.module, record.label);
    // It may have come into force once more meanwhile, or have given way to others.
    const auto there = std::ranges::find_if(pending_, [&](const auto& other) { return same_version(other, record); });
    if (there == pending_.end()) return;
    std::erase_if(there->times,
                  [&](const InForceTime& time) { return std::ranges::find(record.times, time) != record.times.end(); });
    if (there->times.empty()) pending_.erase(there);
  }

  void give_up(std::string_view why) {
    ++failures_;
    spdlog::error("{} {} is not archived: {}", pending_.front().module, pending_.front().label, why);
    pending_.pop_front();
  }

  const std::shared_ptr<archive::Storage> storage_;
  const VersionArchive archive_;
  const fs::path data_dir_;
  const std::string node_;
  const ArchivePatience patience_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ForceRecord> pending_;  // guarded by mutex_, as is what follows; oldest first
  milliseconds retry_after_;
  SteadyClock::time_point retry_at_;
  bool failed_ = false;  // the last attempt
  bool ending_ = false;
  bool ended_ = false;
  bool abandoned_ = false;  // nobody waits for the thread any more: it touches nothing of the process
  std::uint64_t archived_ = 0;
  std::uint64_t failures_ = 0;
  std::string error_;  // of the last attempt
};

class ArchiveImpl final : public Archive {
 public:
  ArchiveImpl(const Config& config, const ArchivePatience& patience)
      : data_dir_(config.data_dir),
        work_(std::make_shared<Work>(config, patience)),
        thread_([work = work_] { work->run(); }) {}
  ~ArchiveImpl() override { ArchiveImpl::stop(); }

  void came_into_force(ForceRecord record) override { work_->enter(std::move(record)); }
  [[nodiscard]] std::vector<control::Version> wanted() const override { return work_->wanted(); }
  [[nodiscard]] ArchiveStatus status() const override { return work_->status(); }
  void catch_up(const Reloader& reloader) override;

  void stop() override {
    if (!thread_.joinable()) return;
    if (work_->end()) return thread_.join();
    spdlog::warn("the archive does not answer: {} versions are archived after the next start", work_->status().pending);
    thread_.detach();
  }

 private:
  const fs::path data_dir_;
  const std::shared_ptr<Work> work_;
  std::thread thread_;
};

void ArchiveImpl::catch_up(const Reloader& reloader) {
  constexpr std::uint32_t kRows = 1000;
  const auto versions = reloader.versions(std::nullopt, Page{kRows, std::nullopt});
  const auto history = reloader.history(std::nullopt, Page{kRows, std::nullopt});
  if (!versions || !history) {
    spdlog::error("the archive cannot be caught up: {}", (versions ? history.error() : versions.error()).error.message);
    return;
  }
  std::map<std::pair<std::string, std::string>, std::vector<InForceTime>> times;  // by module and label
  for (const HistoryRow& row : *history) {
    if (!row.success || !kBringIntoForce.contains(row.kind)) continue;
    std::vector<InForceTime>& of_version = times[{row.name, row.version}];
    of_version.insert(of_version.begin(), InForceTime{.since = row.timestamp,
                                                      .generation = row.generation,
                                                      .kind = row.kind,
                                                      .reason = row.reason,
                                                      .by = row.by,
                                                      .request_id = row.request_id});
  }
  for (auto version = versions->versions.rbegin(); version != versions->versions.rend(); ++version) {
    ForceRecord record{.module = version->name,
                       .label = version->version,
                       .sha256 = version->sha256,
                       .size_bytes = version->size_bytes,
                       .config_sha256 = version->config_sha256,
                       .created_at = version->created_at,
                       .signature = version->signature,
                       .times = times[{version->name, version->version}]};
    std::error_code error;
    const bool config_there = record.config_sha256.empty() || fs::exists(config_in(data_dir_, record), error);
    if (config_there && fs::exists(module_in(data_dir_, record), error)) work_->enter(std::move(record));
  }
}

}  // namespace

std::unique_ptr<Archive> start_archive(const Config& config, const ArchivePatience& patience) {
  return std::make_unique<ArchiveImpl>(config, patience);
}

std::unique_ptr<Archive> Archive::start(const Config& config) { return start_archive(config, {}); }

}  // namespace secbeat::agent
