#include "watch_test_support.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

namespace secbeat::agent::testing {

Figures counted(const Counts& counts) {
  Figures figures;
  figures.verdicts = {counts.allowed, counts.blocked, 0, counts.limited};
  figures.errors[0] = counts.traps;
  figures.errors[1] = counts.deadlines;
  figures.buckets[counts.bucket] = counts.allowed + counts.blocked + counts.limited + counts.traps + counts.deadlines;
  figures.time = std::chrono::seconds(counts.seconds);
  return figures;
}

control::Slot& ScriptedReloader::slot_of(const std::string& module) {
  const auto found = std::ranges::find(document.slots, module, &control::Slot::name);
  if (found != document.slots.end()) return *found;
  control::Slot& slot = document.slots.emplace_back();
  slot.name = module;
  return slot;
}

std::uint64_t ScriptedReloader::bring_in(const std::string& module) {
  control::Slot& slot = slot_of(module);
  const std::uint64_t id = next_id_++;
  control::Version version;
  version.id = id;
  version.label = "v" + std::to_string(id);
  version.loaded_at = rfc3339(clock_.now());
  created_[id] = version.loaded_at;
  slot.previous = slot.current;
  slot.current = id;
  slot.versions.insert(slot.versions.begin(), version);
  ++document.generation;
  return id;
}

void ScriptedReloader::go_back(const std::string& module) {
  control::Slot& slot = slot_of(module);
  slot.current = std::exchange(slot.previous, 0);
  const auto back = std::ranges::find(slot.versions, slot.current, &control::Version::id);
  back->loaded_at = rfc3339(clock_.now() + std::chrono::seconds(1));
  ++document.generation;
}

Outcome<RollbackResult> ScriptedReloader::rollback(const Rollback& rollback) {
  rollbacks.push_back(rollback);
  if (refusal) {
    if (auto failure = refusal()) return std::unexpected(*std::move(failure));
  }
  if (rollback.still_wanted && !rollback.still_wanted()) {
    Failure failure;
    failure.error = {ErrorCode::kVersionConflict, "not wanted"};
    return std::unexpected(std::move(failure));
  }
  if (swapping) swapping();
  go_back(*rollback.name);
  RollbackResult result;
  result.name = *rollback.name;
  result.rolled_back_to = slot_of(*rollback.name).current_version()->label;
  return result;
}

Outcome<KnownVersions> ScriptedReloader::versions(const std::optional<std::string>& name, Page) const {
  KnownVersions known;
  const control::Slot* slot = document.find(name.value_or(""));
  if (slot == nullptr || slot->versions.empty()) return known;
  const auto newest = std::ranges::max_element(slot->versions, {}, &control::Version::id);
  KnownVersion& version = known.versions.emplace_back();
  version.id = static_cast<std::int64_t>(newest->id);
  version.created_at = created_.at(newest->id);
  return known;
}

Result<void> ScriptedReloader::lift_quarantine(std::string_view, std::uint64_t version_id) {
  lifted.push_back(version_id);
  return {};
}

WatchTest::WatchTest() {
  spdlog::set_level(spdlog::level::off);
  std::string name = (std::filesystem::temp_directory_path() / "secbeat-watch-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  config_.data_dir = folder_;
  auto scoreboard = control::Scoreboard::create(folder_ / "scoreboard", ::getuid(), static_cast<gid_t>(-1));
  EXPECT_TRUE(scoreboard);
  scoreboard_ = std::move(*scoreboard);
  for (std::size_t worker = 0; worker < 2; ++worker) scoreboard_->layout().workers[worker].respawns = 1;
}

WatchTest::~WatchTest() {
  book_.reset();
  std::filesystem::remove_all(folder_);
}

void WatchTest::count(std::uint64_t version_id, const Figures& figures, std::size_t worker) {
  control::Series& series =
      *control::Scoreboard::series_for(scoreboard_->layout().workers[worker], version_id, {version_id});
  for (std::size_t i = 0; i < control::kVerdicts; ++i) series.verdicts[i] += figures.verdicts[i];
  for (std::size_t i = 0; i < control::kErrorKinds; ++i) series.errors[i] += figures.errors[i];
  for (std::size_t i = 0; i < control::kInspectionBuckets; ++i) series.buckets[i] += figures.buckets[i];
}

void WatchTest::open() { book_ = std::make_unique<WatchBook>(config_, *scoreboard_, reloader_, clock_); }

void WatchTest::look_after(std::chrono::milliseconds time) {
  clock_.advance(time);
  book_->look();
}

WatchState WatchTest::state(const std::string& module) const {
  const auto view = book_->view(module);
  EXPECT_TRUE(view) << "nothing of " << module << " was watched";
  return view ? view->state : WatchState::kPassed;
}

}  // namespace secbeat::agent::testing
