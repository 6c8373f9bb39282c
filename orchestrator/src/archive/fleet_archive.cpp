#include "secbeat/orchestrator/fleet_archive.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "fleet_versions.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

using archive::Manifest;
using archive::VersionArchive;
using Steady = std::chrono::steady_clock;

// In a name of what is put aside; the others begin with a module's, which has no blank.
constexpr std::string_view kDesiredState = " desired state ";
bool is_desired(std::string_view name) { return name.starts_with(kDesiredState); }

// A rollout that is taken back after its end ends once more, as something else.
std::string end_of(const archive::InForceTime& time) { return time.request_id + " " + time.kind; }

class FleetArchiveImpl final : public FleetArchive {
 public:
  FleetArchiveImpl(const archive::Location& location, fleet::Connection& connection, const Rollouts& rollouts,
                   ArchivedRollouts* archived, const ArchivePace& pace)
      : connection_(connection),
        rollouts_(rollouts),
        archived_(archived),
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
  // What could not be archived, and is left alone for a while so that it holds up nothing else.
  struct Aside {
    Steady::time_point until;
    std::chrono::milliseconds pause{0};
    std::string error;
  };
  enum class Kept : std::uint8_t { kThere, kGone };  // gone: JetStream says that nobody has it any more

  void run(const std::stop_token& ending);
  void look(const std::stop_token& ending);
  void look_at_rollouts(const std::vector<fleet::Rollout>& rollouts, const std::stop_token& ending);
  Result<void> look_at_desired(const fleet::Desired& desired, const std::stop_token& ending);
  void keep_manifest(const Manifest& manifest);
  Result<Kept> keep_version(const fleet::VersionRef& version);
  Result<Kept> keep_content(const std::string& sha256, std::uint64_t size, bool is_config);
  void forget_now_and_then();
  void note();

  [[nodiscard]] bool is_aside(const std::string& what) const;
  void put_aside(const std::string& what, const Error& error);
  void fail_here(const Error& error);
  [[nodiscard]] bool is_over() const { return !trouble_.empty(); }
  void set_pending(std::size_t pending);

  fleet::Connection& connection_;
  const Rollouts& rollouts_;
  ArchivedRollouts* const archived_;  // null: nobody asks
  const ArchivePace pace_;
  const std::shared_ptr<archive::Storage> storage_;
  const VersionArchive archive_;

  // Of the thread.
  std::set<std::string> contents_;                   // hashes that are in the archive
  std::set<std::string> ended_;                      // rollouts, as they ended, whose version and time are in it
  std::set<std::string> counted_;                    // of them: before contents_ and ended_ were forgotten
  std::set<std::string> gone_;                       // rollouts whose version nobody has any more
  std::set<std::string> told_gone_;                  // manifests of such
  std::map<std::string, Aside, std::less<>> aside_;  // by manifest, or "desired"
  fleet::Desired desired_;                           // the last one that is in it
  bool has_desired_ = false;
  bool is_open_ = true;  // a rollout goes on, or has not been looked at
  std::string trouble_;  // of this look: archive or NATS are away, nothing else is tried
  Steady::time_point whole_look_;
  Steady::time_point forget_at_ = Steady::now() + pace_.forget;

  mutable std::mutex mutex_;
  FleetArchiveStatus status_;  // guarded by mutex_
  std::condition_variable_any woken_;
  std::jthread thread_;  // last: it uses all the others
};

void FleetArchiveImpl::run(const std::stop_token& ending) {
  std::chrono::milliseconds retry = pace_.look;
  while (!ending.stop_requested()) {
    auto pause = pace_.look;
    // While NATS is away nothing is known: neither that all is well nor that it is not.
    if (connection_.connected()) {
      trouble_.clear();
      try {
        look(ending);
      } catch (const std::exception& error) {
        fail_here({ErrorCode::kInternal, error.what()});
      }
      if (ending.stop_requested()) return;
      note();
      pause = is_over() ? retry : pace_.look;
      retry = is_over() ? std::min(retry * 2, pace_.last_retry) : pace_.look;
    }
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, ending, pause, [] { return false; });
  }
}

void FleetArchiveImpl::note() {
  std::string error = trouble_;
  if (error.empty() && !aside_.empty()) error = aside_.begin()->second.error;
  const std::scoped_lock lock(mutex_);
  if (!trouble_.empty() && status_.error != error) {
    spdlog::warn("fleet: not everything is in the archive yet, tried again: {}", error);
  }
  if (error.empty() && !status_.error.empty()) spdlog::info("fleet: everything is in the archive");
  status_.error = std::move(error);
}

void FleetArchiveImpl::set_pending(std::size_t pending) {
  const std::scoped_lock lock(mutex_);
  status_.pending = pending;
}

bool FleetArchiveImpl::is_aside(const std::string& what) const {
  const auto found = aside_.find(what);
  return found != aside_.end() && Steady::now() < found->second.until;
}

void FleetArchiveImpl::fail_here(const Error& error) {
  trouble_ = error.message;
  const std::scoped_lock lock(mutex_);
  ++status_.failures;
}

// What fails by itself is put aside; where the archive or NATS are away, the look is over.
void FleetArchiveImpl::put_aside(const std::string& what, const Error& error) {
  const auto checked = storage_->check();
  // Who may write and not list is forbidden the check.
  const bool is_away = !checked && checked.error().code != ErrorCode::kForbidden;
  if (is_away || error.code == ErrorCode::kNotReady || !connection_.connected()) return fail_here(error);
  Aside& aside = aside_[what];
  aside.pause = aside.pause.count() == 0 ? pace_.look * 2 : std::min(aside.pause * 2, pace_.last_retry);
  aside.until = Steady::now() + aside.pause;
  std::string told = fmt::format("{}: {}", what.substr(what.find_first_not_of(' ')), error.message);
  if (aside.error != told) spdlog::warn("fleet: it is not in the archive yet, tried again: {}", told);
  aside.error = std::move(told);
  const std::scoped_lock lock(mutex_);
  ++status_.failures;
}

// What has left the archive since, by whatever hand, comes back.
void FleetArchiveImpl::forget_now_and_then() {
  if (Steady::now() < forget_at_) return;
  forget_at_ = Steady::now() + pace_.forget;
  contents_.clear();
  counted_ = std::exchange(ended_, {});
  gone_.clear();
  has_desired_ = false;
  is_open_ = true;
}

// The desired state comes first: it is what a fleet is rebuilt from. Rollouts are looked at where it has changed, one
// of them goes on, something was put aside, or once in a while.
void FleetArchiveImpl::look(const std::stop_token& ending) {
  forget_now_and_then();
  const auto desired = rollouts_.desired();
  if (!desired) return fail_here(desired.error());
  const bool is_new = desired->revision != 0 && (!has_desired_ || desired_ != *desired);
  const std::string name = fmt::format("{}{}", kDesiredState, desired->revision);
  std::erase_if(aside_, [&](const auto& one) { return is_desired(one.first) && one.first != name; });
  const bool is_wanted = is_new && !is_aside(name);
  if (is_wanted) {
    set_pending(1);
    const auto done = look_at_desired(*desired, ending);
    if (ending.stop_requested()) return;
    if (!done) put_aside(name, done.error());
    if (is_over()) return;
    if (done) aside_.erase(name);
  }
  const bool is_due = std::ranges::any_of(aside_, [&](const auto& one) { return !is_aside(one.first); });
  if (is_wanted || is_open_ || is_due || Steady::now() >= whole_look_) {
    const auto rollouts = rollouts_.list();
    if (!rollouts) return fail_here(rollouts.error());
    is_open_ = true;
    look_at_rollouts(*rollouts, ending);
    if (is_over()) return;
    is_open_ = std::ranges::any_of(*rollouts, [](const fleet::Rollout& one) { return !has_ended(one.state); });
    whole_look_ = Steady::now() + pace_.whole_look;
  }
  set_pending(aside_.size());
}

std::string name_of(const Manifest& manifest) {
  const archive::ForceRecord& record = manifest.record;
  return fmt::format("{} {} {} {}", record.module, record.label, record.sha256, record.config_sha256);
}

void FleetArchiveImpl::look_at_rollouts(const std::vector<fleet::Rollout>& rollouts, const std::stop_token& ending) {
  std::vector<Manifest> wanted = manifests_of(rollouts);
  std::erase_if(wanted, [this](const Manifest& manifest) {
    return std::ranges::all_of(manifest.record.times, [this](const auto& time) {
      return ended_.contains(end_of(time)) || gone_.contains(end_of(time));
    });
  });
  std::erase_if(aside_, [&](const auto& one) {
    return !is_desired(one.first) &&
           std::ranges::none_of(wanted, [&](const Manifest& manifest) { return name_of(manifest) == one.first; });
  });
  for (std::size_t done = 0; done < wanted.size() && !is_over() && !ending.stop_requested(); ++done) {
    set_pending(wanted.size() - done);
    if (!is_aside(name_of(wanted[done]))) keep_manifest(wanted[done]);
  }
  if (archived_ == nullptr) return;
  std::set<std::string> ends = ended_;
  ends.insert(gone_.begin(), gone_.end());
  ends.insert(counted_.begin(), counted_.end());
  archived_->set(std::move(ends));
}

void FleetArchiveImpl::keep_manifest(const Manifest& manifest) {
  const archive::ForceRecord& record = manifest.record;
  const auto kept = keep_version({.label = record.label,
                                  .sha256 = record.sha256,
                                  .size_bytes = record.size_bytes,
                                  .config_sha256 = record.config_sha256,
                                  .config_size_bytes = manifest.config_size_bytes});
  const bool is_gone = kept && *kept == Kept::kGone;
  const auto put = kept && !is_gone ? archive_.put_manifest(manifest) : Result<void>();
  if (!kept || !put) return put_aside(name_of(manifest), kept ? put.error() : kept.error());
  aside_.erase(name_of(manifest));
  bool is_first = false;
  for (const auto& time : record.times) {
    is_first = !counted_.contains(end_of(time)) || is_first;
    (is_gone ? gone_ : ended_).insert(end_of(time));
  }
  const bool is_news = is_gone && told_gone_.insert(name_of(manifest)).second;
  if (is_news) {
    spdlog::error("fleet: {} {} is not archived: it is no longer in {}", record.module, record.label,
                  fleet::kModulesBucket);
  }
  const std::scoped_lock lock(mutex_);
  status_.failures += is_news ? 1 : 0;
  status_.archived += !is_gone && is_first ? 1 : 0;
}

// Without what its modules run it is not put there: nothing could be restored from it. Without what they ran before, it
// is, and that is tried again.
Result<void> FleetArchiveImpl::look_at_desired(const fleet::Desired& desired, const std::stop_token& ending) {
  Result<void> whole;
  Result<void> others;
  // Each of many contents would wait for an archive, or for JetStream, that is away.
  bool is_there = true;
  const auto keep = [&](const fleet::VersionRef& version) {
    auto kept = keep_version(version);
    const auto checked = kept ? Result<void>() : storage_->check();
    is_there = is_there && (checked || checked.error().code == ErrorCode::kForbidden) &&
               (kept || kept.error().code != ErrorCode::kNotReady);
    return kept;
  };
  for (const fleet::DesiredModule& module : desired.modules) {
    if (ending.stop_requested()) return fail(ErrorCode::kShuttingDown, "the orchestrator ends");
    const auto kept = keep(module.version);
    if (!kept) whole = std::unexpected(kept.error());
    if (!is_there) return whole;
    if (kept && *kept == Kept::kGone) {
      whole = fail(ErrorCode::kIo, fmt::format("{} {} is desired and no longer in {}", module.name,
                                               module.version.label, fleet::kModulesBucket));
    }
    for (const auto* list : {&module.before, &module.after}) {
      for (const fleet::VersionRef& other : *list) {
        if (ending.stop_requested()) return fail(ErrorCode::kShuttingDown, "the orchestrator ends");
        if (const auto done = keep(other); !done) others = std::unexpected(done.error());
        if (!is_there) return whole ? others : whole;
      }
    }
  }
  if (!whole) return whole;
  if (auto put = put_desired(*storage_, desired); !put) return put;
  if (!others) return others;
  const bool is_first = desired_ != desired;
  desired_ = desired;
  has_desired_ = true;
  const std::scoped_lock lock(mutex_);
  status_.archived += is_first ? 1 : 0;
  return {};
}

Result<FleetArchiveImpl::Kept> FleetArchiveImpl::keep_version(const fleet::VersionRef& version) {
  const auto kept = keep_content(version.sha256, version.size_bytes, false);
  if (!kept || *kept == Kept::kGone || version.config_sha256.empty()) return kept;
  return keep_content(version.config_sha256, version.config_size_bytes, true);
}

Result<FleetArchiveImpl::Kept> FleetArchiveImpl::keep_content(const std::string& sha256, std::uint64_t size,
                                                              bool is_config) {
  if (contents_.contains(sha256)) return Kept::kThere;
  const std::string key = is_config ? archive::config_key(sha256) : archive::module_key(sha256);
  if (!storage_->holds(key, sha256, size)) {
    const auto bytes = connection_.get_object(fleet::kModulesBucket, sha256, VersionArchive::kMaxModuleBytes);
    // Only JetStream can say so: whatever the archive answers, the version is still there.
    if (!bytes && bytes.error().code == ErrorCode::kNotFound) return Kept::kGone;
    if (!bytes) return std::unexpected(bytes.error());
    auto put = is_config ? archive_.put_config(sha256, *bytes) : archive_.put_module(sha256, *bytes);
    if (!put) return std::unexpected(put.error());
  }
  contents_.insert(sha256);
  return Kept::kThere;
}

}  // namespace

bool ArchivedRollouts::has(const fleet::Rollout& rollout) const {
  const std::vector<Manifest> manifests = manifests_of({rollout});
  const std::scoped_lock lock(mutex_);
  return std::ranges::all_of(manifests, [this](const Manifest& manifest) {
    return std::ranges::all_of(manifest.record.times,
                               [this](const auto& time) { return ends_.contains(end_of(time)); });
  });
}

void ArchivedRollouts::set(std::set<std::string> ends) {
  const std::scoped_lock lock(mutex_);
  ends_ = std::move(ends);
}

std::unique_ptr<FleetArchive> FleetArchive::start(const archive::Location& location, fleet::Connection& connection,
                                                  const Rollouts& rollouts, ArchivedRollouts* archived,
                                                  const ArchivePace& pace) {
  return std::make_unique<FleetArchiveImpl>(location, connection, rollouts, archived, pace);
}

}  // namespace secbeat::orchestrator
