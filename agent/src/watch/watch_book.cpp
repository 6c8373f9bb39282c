#include "watch_book.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>

#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

constexpr std::string_view kBy = "watch";
// A rollback fails where workers do not answer; they are given that long before they are asked again.
constexpr std::chrono::seconds kTryAgain{1};

std::optional<SystemTime> time_of(const std::string& rfc3339_text) {
  std::tm parts{};
  const char* const end = ::strptime(rfc3339_text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::time_point_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::from_time_t(::timegm(&parts)));
}

std::uint64_t newest_in(const control::InForce& document) {
  std::uint64_t newest = 0;
  for (const control::Slot& slot : document.slots) {
    for (const control::Version& version : slot.versions) newest = std::max(newest, version.id);
  }
  return newest;
}

// What was counted in the last `span` before `now`, as far as `steps` reach back.
Figures within(const std::deque<std::pair<SteadyTime, Figures>>& steps, SteadyTime now, SteadyTime::duration span) {
  const auto first = std::ranges::find_if(steps, [&](const auto& step) { return now - step.first <= span; });
  return first == steps.end() ? Figures{} : steps.back().second - first->second;
}

}  // namespace

WatchBook::WatchBook(const Config& config, const control::Scoreboard& scoreboard, Reloader& reloader,
                     const Clock& clock)
    : config_(config),
      scoreboard_(scoreboard),
      reloader_(reloader),
      clock_(clock),
      notes_file_(config.data_dir / "watches.json"),
      notes_(read_watch_notes(notes_file_)) {}

void WatchBook::look() {
  std::vector<Culprit> culprits;
  {
    const std::lock_guard lock(look_mutex_);
    const control::InForce document = notice();
    // While workers swap, the previous version may be asked about requests that the new one fails on.
    const auto operation = reloader_.operation();
    if (!operation || operation->stage != OperationStage::kSwap) note_baselines(document);
    culprits = judge_all();
  }
  for (const Culprit& culprit : culprits) take_back(culprit);
}

control::InForce WatchBook::notice() {
  control::InForce document = reloader_.in_force();
  if (!resumed_) resume(document);
  follow(document);
  return document;
}

// What a predecessor was watching. A version that is in force for the first time since it was made is one that was
// watched; what it and the one before it have counted in their lives is all that is known of them.
void WatchBook::resume(const control::InForce& document) {
  resumed_ = true;
  newest_id_ = newest_in(document);
  for (const control::Slot& slot : document.slots) {
    current_[slot.name] = slot.current;
    for (const control::Version& version : slot.versions) {
      Baseline& baseline = baselines_.of(version.id);
      baseline.begin(clock_.steady(), {});
      baseline.note(clock_.steady(), figures_of(scoreboard_, version.id));
      if (version.id != slot.current) baseline.end();
    }
    const control::Version* version = slot.current_version();
    const auto since = version == nullptr ? std::nullopt : time_of(version->loaded_at);
    if (!since || clock_.now() - *since >= config_.watch.seconds) continue;
    const auto known = reloader_.versions(slot.name, Page{.limit = 1, .before = std::nullopt});
    if (!known || known->versions.empty()) continue;
    const KnownVersion& newest = known->versions.front();
    if (static_cast<std::uint64_t>(newest.id) != version->id || newest.created_at != version->loaded_at) continue;
    const auto note = notes_.find(slot.name);
    const bool noted = note != notes_.end() && note->second.version_id == version->id;
    if (noted && note->second.state != WatchState::kRunning) continue;
    const auto left =
        std::min<std::chrono::milliseconds>(*since + config_.watch.seconds - clock_.now(), config_.watch.seconds);
    const WatchNote copy = noted ? note->second : WatchNote{};
    begin(slot, *since, left, noted ? &copy : nullptr);
  }
}

void WatchBook::follow(const control::InForce& document) {
  std::set<std::uint64_t> loaded;
  for (const control::Slot& slot : document.slots) {
    follow_slot(slot);
    for (const control::Version& version : slot.versions) loaded.insert(version.id);
  }
  newest_id_ = std::max(newest_id_, newest_in(document));
  baselines_.keep_only(loaded);
  std::erase_if(current_, [&](const auto& entry) { return document.find(entry.first) == nullptr; });
}

void WatchBook::follow_slot(const control::Slot& slot) {
  const std::uint64_t before = std::exchange(current_[slot.name], slot.current);
  if (before == slot.current) return;
  const bool is_new = slot.current > newest_id_;
  if (before != 0) {
    if (baselines_.find(before) != nullptr) baselines_.of(before).end();
    const std::lock_guard lock(mutex_);
    const auto watch = watches_.find(slot.name);
    if (watch != watches_.end() && watch->second.state == WatchState::kRunning) {
      finish(watch->second, is_new ? WatchState::kSuperseded : WatchState::kEnded,
             is_new              ? "a newer version came"
             : slot.current == 0 ? "the module was removed"
                                 : "the version was rolled back");
    }
  }
  if (slot.current == 0) return;
  // Before its first request it has counted nothing, however long ago that is.
  baselines_.of(slot.current).begin(clock_.steady(), is_new ? Figures{} : figures_of(scoreboard_, slot.current));
  if (is_new && config_.watch.seconds.count() > 0) begin(slot, clock_.now(), config_.watch.seconds, nullptr);
}

void WatchBook::note_baselines(const control::InForce& document) {
  const SteadyTime now = clock_.steady();
  for (const control::Slot& slot : document.slots) {
    if (slot.current != 0) baselines_.of(slot.current).note(now, figures_of(scoreboard_, slot.current));
  }
}

void WatchBook::begin(const control::Slot& slot, SystemTime since, std::chrono::milliseconds remaining,
                      const WatchNote* resumed) {
  Watch watch;
  watch.module = slot.name;
  watch.version_id = slot.current;
  watch.version = slot.current_version()->label;
  watch.since = since;
  watch.until = clock_.now() + remaining;
  watch.began = clock_.steady() - (clock_.now() - since);
  watch.ends = clock_.steady() + remaining;
  if (const control::Version* previous = slot.previous_version()) {
    watch.previous_version = previous->label;
    const Baseline* baseline = baselines_.find(previous->id);
    if (resumed != nullptr)
      watch.baseline = resumed->baseline;
    else if (baseline != nullptr)
      watch.baseline = baseline->figures(config_.watch.min_baseline_requests);
  }
  spdlog::info(
      "{}: Watching {} {} for {:.0f} s{}", config_.node_name, watch.module, watch.version,
      std::chrono::duration<double>(remaining).count(),
      watch.previous_version.empty() ? ": there is no version before it to go back to"
      : !is_enough(config_.watch, watch.baseline)
          ? fmt::format(": errors only, {} has decided too few requests to compare with", watch.previous_version)
          : std::string());
  const std::lock_guard lock(mutex_);
  notes_[watch.module] = {watch.version_id, watch.state, watch.baseline};
  watches_[watch.module] = std::move(watch);
  write_notes();
}

void WatchBook::measure(Watch& watch) const {
  watch.measured = figures_of(scoreboard_, watch.version_id);
  watch.measured.time = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - watch.began);
}

std::vector<WatchBook::Culprit> WatchBook::judge_all() {
  std::vector<Culprit> culprits;
  const std::lock_guard lock(mutex_);
  for (auto& [module, watch] : watches_) {
    if (watch.state != WatchState::kRunning) continue;
    if (auto culprit = judge_one(watch)) culprits.push_back(*std::move(culprit));
  }
  return culprits;
}

std::optional<WatchBook::Culprit> WatchBook::judge_one(Watch& watch) {
  const SteadyTime now = clock_.steady();
  measure(watch);
  if (watch.recent.empty()) watch.recent.emplace_back(now, Figures{});
  watch.recent.emplace_back(now, watch.measured);
  while (now - watch.recent.front().first > kRecent) watch.recent.pop_front();
  const auto evidence = judge(config_.watch, {.since_swap = watch.measured,
                                              .last_second = within(watch.recent, now, std::chrono::seconds(1)),
                                              .last_seconds = within(watch.recent, now, kRecent),
                                              .baseline = watch.baseline,
                                              .baseline_version = watch.previous_version});
  if (evidence && !watch.previous_version.empty()) {
    if (now < watch.try_again) return std::nullopt;
    return Culprit{watch.module, watch.version_id, *evidence};
  }
  if (evidence && watch.reason.empty()) {
    watch.reason = *evidence;
    spdlog::warn("{}: {} {} cannot be taken back, there is no version before it: {}", config_.node_name, watch.module,
                 watch.version, *evidence);
  }
  if (now < watch.ends) return std::nullopt;
  finish(watch, WatchState::kPassed, watch.reason);
  if (auto lifted = reloader_.lift_quarantine(watch.module, watch.version_id); !lifted && watch.reason.empty()) {
    spdlog::warn("{} {} stays in quarantine: {}", watch.module, watch.version, lifted.error().message);
  }
  return std::nullopt;
}

bool WatchBook::begin_taking_back(const Culprit& culprit) {
  const std::lock_guard lock(mutex_);
  const auto watch = watches_.find(culprit.module);
  if (watch == watches_.end() || watch->second.version_id != culprit.version_id ||
      watch->second.state != WatchState::kRunning) {
    return false;
  }
  return watch->second.taking_back = true;
}

void WatchBook::take_back(const Culprit& culprit) {
  spdlog::warn("{}: Taking back {}: {}", config_.node_name, culprit.module, culprit.evidence);
  fault_point("watch.judged");
  Rollback rollback;
  rollback.name = culprit.module;
  rollback.reason = culprit.evidence;
  rollback.origin.by = kBy;
  rollback.takes_back = culprit.version_id;
  // It waits for its turn, and somebody may end the watch meanwhile.
  rollback.still_wanted = [&] { return begin_taking_back(culprit); };
  const auto done = reloader_.rollback(rollback);
  const std::lock_guard lock(mutex_);
  const auto watch = watches_.find(culprit.module);
  if (watch == watches_.end() || watch->second.version_id != culprit.version_id) return;
  watch->second.taking_back = false;
  if (done) {
    ++rollbacks_[culprit.module];
    fault_point("watch.taken_back");
    finish(watch->second, WatchState::kRolledBack, culprit.evidence);
    fault_point("watch.noted");
    spdlog::warn("{}: Automatic rollback of {} from {} to {} ({}ms downtime); the version is quarantined",
                 config_.node_name, culprit.module, watch->second.version, done->rolled_back_to, done->downtime_ms);
    return;
  }
  // A version that serves no more is noticed at the next look.
  if (done.error().error.code == ErrorCode::kVersionConflict) return;
  watch->second.try_again = clock_.steady() + kTryAgain;
  spdlog::error("{}: Automatic rollback of {} failed: {}", config_.node_name, culprit.module,
                done.error().error.message);
}

void WatchBook::finish(Watch& watch, WatchState state, std::string reason) {
  watch.state = state;
  watch.reason = std::move(reason);
  watch.until = clock_.now();
  watch.recent.clear();
  notes_[watch.module] = {watch.version_id, state, std::nullopt};
  write_notes();
  spdlog::info("{}: Watch over {} {} {}: {} requests, {} errors{}{}", config_.node_name, watch.module, watch.version,
               word_of(state), watch.measured.requests(), watch.measured.failed(), watch.reason.empty() ? "" : "; ",
               watch.reason);
}

void WatchBook::write_notes() {
  if (auto written = write_watch_notes(notes_file_, notes_); !written) {
    spdlog::warn("watches are not remembered over a restart: {}", written.error().message);
  }
}

WatchView WatchBook::view_of(const Watch& watch) {
  WatchView view{.module = watch.module,
                 .state = watch.state,
                 .version = watch.version,
                 .previous_version = watch.previous_version,
                 .since = rfc3339(watch.since),
                 .until = rfc3339(watch.until),
                 .reason = watch.reason,
                 .measured = agent::view_of(watch.measured),
                 .baseline = std::nullopt};
  if (watch.baseline) view.baseline = agent::view_of(*watch.baseline);
  return view;
}

std::optional<WatchView> WatchBook::view(std::string_view module) {
  const std::lock_guard look(look_mutex_);
  notice();
  const std::lock_guard lock(mutex_);
  const auto watch = watches_.find(module);
  return watch == watches_.end() ? std::nullopt : std::optional(view_of(watch->second));
}

Result<WatchView> WatchBook::end(std::string_view module, const Origin& origin) {
  const std::lock_guard look(look_mutex_);
  notice();
  const std::lock_guard lock(mutex_);
  const auto watch = watches_.find(module);
  if (watch == watches_.end() || watch->second.state != WatchState::kRunning) {
    return fail(ErrorCode::kNoWatch,
                fmt::format("No watch over {} is running; a new version of it begins one", module));
  }
  if (watch->second.taking_back) {
    return fail(ErrorCode::kNoWatch,
                fmt::format("{} {} is being taken back at this moment; secbeat watch show tells when it is done",
                            module, watch->second.version));
  }
  measure(watch->second);
  finish(watch->second, WatchState::kEnded, fmt::format("ended by {}", origin.by));
  return view_of(watch->second);
}

std::vector<std::string> WatchBook::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> modules;
  for (const auto& [module, watch] : watches_) {
    if (watch.state == WatchState::kRunning) modules.push_back(module);
  }
  return modules;
}

std::vector<AutoRollbacks> WatchBook::rollbacks() const {
  const std::lock_guard lock(mutex_);
  std::vector<AutoRollbacks> rollbacks;
  for (const auto& [module, count] : rollbacks_) rollbacks.push_back({module, count});
  return rollbacks;
}

}  // namespace secbeat::agent
