#include "secbeat/control/scoreboard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <thread>

#include "process.hpp"

namespace secbeat::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ScoreboardTest : public ::testing::Test {
 protected:
  ScoreboardTest() {
    std::string name = (std::filesystem::temp_directory_path() / "secbeat-scoreboard-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ / "workers" / "scoreboard";
  }
  ~ScoreboardTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Scoreboard> create() {
    auto made = Scoreboard::create(path_, ::geteuid(), ::getegid());
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }

  mode_t mode_of(const std::filesystem::path& path) {
    struct stat st{};
    EXPECT_EQ(::stat(path.c_str(), &st), 0);
    return st.st_mode & 07777U;
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
};

// A process that has ended but whose pid nobody can have been given again: we have not reaped it.
class Zombie {
 public:
  Zombie() : pid_(::fork()) {
    if (pid_ == 0) ::_exit(0);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  ~Zombie() { ::waitpid(pid_, nullptr, 0); }
  Zombie(const Zombie&) = delete;
  Zombie& operator=(const Zombie&) = delete;
  [[nodiscard]] std::int32_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST_F(ScoreboardTest, IsMadeForTheWorkersOnly) {
  const auto scoreboard = create();
  EXPECT_EQ(mode_of(path_), 0660U);
  EXPECT_EQ(mode_of(path_.parent_path()), 0770U);
  EXPECT_EQ(std::filesystem::file_size(path_), sizeof(ScoreboardLayout));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_.parent_path()), {}), 1);
}

TEST_F(ScoreboardTest, KeepsItsCountersOverARestartOfTheAgent) {
  create()->layout().workers[3].requests.store(42);
  const auto again = create();
  EXPECT_EQ(again->total_requests(), 42U);
}

TEST_F(ScoreboardTest, WorkerSeesWhatTheAgentMade) {
  const auto agent = create();
  const auto worker = Scoreboard::open(path_);
  ASSERT_TRUE(worker.has_value()) << worker.error().message;
  (*worker)->layout().workers[0].requests.store(5);
  EXPECT_EQ(agent->total_requests(), 5U);
}

TEST_F(ScoreboardTest, OpenRefusesWhatIsMissingOrOfAnotherLayout) {
  EXPECT_EQ(Scoreboard::open(path_).error().code, ErrorCode::kIo);
  create()->layout().header.layout = kScoreboardLayoutVersion + 1;
  EXPECT_EQ(Scoreboard::open(path_).error().code, ErrorCode::kProtocol);
  std::ofstream(path_, std::ios::trunc) << "short";
  EXPECT_EQ(Scoreboard::open(path_).error().code, ErrorCode::kProtocol);
}

TEST_F(ScoreboardTest, AnotherLayoutIsReplacedAndOldMappingsStay) {
  const auto old = create();
  old->layout().workers[0].requests.store(7);
  old->layout().header.layout = kScoreboardLayoutVersion + 1;
  const auto replaced = create();
  EXPECT_EQ(replaced->total_requests(), 0U);
  EXPECT_EQ(old->total_requests(), 7U);
}

TEST_F(ScoreboardTest, WhatBreakGlassHasInEffectGoesIntoAnotherLayout) {
  const Note note{.action = Action::kRollback,
                  .version_id = 7,
                  .statement = {.since_unix_ms = 5, .until_unix_ms = 0, .by = "root", .reason = "errors"}};
  const auto write_old = [&](std::uint32_t layout, std::uint32_t form) {
    std::filesystem::remove(path_);
    const auto old = create();
    EXPECT_TRUE(old->notice().empty());
    EXPECT_TRUE(take_back(old->layout().break_glass, 7));
    EXPECT_TRUE(add_note(old->layout().break_glass, note));
    old->layout().header.layout = layout;
    old->layout().header.break_glass_form = form;
    // Of another size, as another layout is.
    std::filesystem::resize_file(path_, sizeof(ScoreboardLayout) - 4096);
  };
  write_old(kScoreboardLayoutVersion + 1, kBreakGlassForm);
  auto next = create();
  EXPECT_TRUE(is_taken_back(next->layout().break_glass, 7));
  EXPECT_TRUE(Flags::of(next->layout().break_glass).some_taken_back());
  EXPECT_EQ(waiting_notes(next->layout().break_glass).at(0).note, note);
  EXPECT_NE(next->notice().find("rollbacks that are in effect"), std::string::npos) << next->notice();
  write_old(kFirstBreakGlassLayout, 0);  // of a build that says no form
  EXPECT_TRUE(is_taken_back(create()->layout().break_glass, 7));

  write_old(kScoreboardLayoutVersion + 1, kBreakGlassForm + 1);
  next = create();
  EXPECT_TRUE(taken_back(next->layout().break_glass).empty());
  EXPECT_NE(next->notice().find("roll back again"), std::string::npos) << next->notice();
  EXPECT_TRUE(create()->notice().empty()) << "told once";

  write_old(kScoreboardLayoutVersion + 1, kBreakGlassForm);
  std::filesystem::resize_file(path_, offsetof(ScoreboardLayout, break_glass) + 100);
  next = create();
  EXPECT_TRUE(waiting_notes(next->layout().break_glass).empty());
  EXPECT_TRUE(taken_back(next->layout().break_glass).empty());
  EXPECT_NE(next->notice().find("roll back again"), std::string::npos) << next->notice();
}

TEST_F(ScoreboardTest, FollowsNoLinkThatAWorkerHasLaid) {
  const auto target = folder_ / "precious";
  std::ofstream(target) << "bytes";
  ASSERT_TRUE(std::filesystem::create_directory(path_.parent_path()));
  std::filesystem::create_symlink(target, path_);
  const auto scoreboard = create();
  ASSERT_NE(scoreboard, nullptr);
  EXPECT_FALSE(std::filesystem::is_symlink(path_));
  EXPECT_EQ(std::filesystem::file_size(target), 5U);
}

TEST_F(ScoreboardTest, EachFileHasASeedOfItsOwn) {
  const auto first = create();
  std::filesystem::remove(path_);
  const auto second = create();
  EXPECT_NE(first->layout().header.hash_seed[0], second->layout().header.hash_seed[0]);
}

TEST_F(ScoreboardTest, ASlotOfAProcessThatCannotBeIsFree) {
  const auto scoreboard = create();
  for (WorkerSlot& slot : scoreboard->layout().workers) slot.pid.store(std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(scoreboard->claim(::getpid(), ::getppid()), 0U);
}

TEST_F(ScoreboardTest, ClaimsAFreeSlotAndReleasesIt) {
  const auto scoreboard = create();
  const auto slot = scoreboard->claim(::getpid(), ::getppid());
  ASSERT_EQ(slot, 0U);
  const WorkerSlot& worker = scoreboard->layout().workers[0];
  EXPECT_EQ(worker.pid.load(), ::getpid());
  EXPECT_EQ(worker.start_ticks.load(), stat_of(::getpid())->start_ticks);
  EXPECT_EQ(worker.respawns.load(), 1U);
  EXPECT_THAT(scoreboard->live_slots(), ElementsAre(0U));
  scoreboard->release(*slot);
  EXPECT_THAT(scoreboard->live_slots(), IsEmpty());
}

TEST_F(ScoreboardTest, ASlotOfTheDeadIsNotLiveAndIsClaimedLastWithItsCounters) {
  const auto scoreboard = create();
  const Zombie dead;
  WorkerSlot& worker = scoreboard->layout().workers[0];
  ASSERT_EQ(scoreboard->claim(dead.pid(), 1), 0U);
  worker.requests.store(9);
  worker.generation.store(4);
  EXPECT_THAT(scoreboard->live_slots(), IsEmpty());

  for (std::uint32_t i = 1; i < kMaxWorkers; ++i) ASSERT_EQ(scoreboard->claim(::getpid(), 1), i);
  ASSERT_EQ(scoreboard->claim(::getpid(), 1), 0U);
  EXPECT_EQ(worker.requests.load(), 9U);
  EXPECT_EQ(worker.generation.load(), 0U);  // what the dead one served says nothing about its successor
  EXPECT_EQ(scoreboard->claim(::getpid(), 1), std::nullopt);
}

TEST_F(ScoreboardTest, APidThatWasGivenAgainIsNotTheOldWorker) {
  const auto scoreboard = create();
  ASSERT_EQ(scoreboard->claim(::getpid(), 1), 0U);
  scoreboard->layout().workers[0].start_ticks.fetch_sub(1);
  EXPECT_THAT(scoreboard->live_slots(), IsEmpty());
}

TEST_F(ScoreboardTest, AClaimThatItsProcessDidNotFinishIsTakenOver) {
  const auto scoreboard = create();
  for (std::uint32_t i = 0; i < kMaxWorkers; ++i) ASSERT_EQ(scoreboard->claim(::getpid(), 1), i);
  pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(gone, nullptr, 0), gone);
  scoreboard->layout().workers[5].pid.store(-gone);
  EXPECT_EQ(scoreboard->claim(::getpid(), 1), 5U);
  scoreboard->layout().workers[5].pid.store(-::getpid());
  EXPECT_EQ(scoreboard->claim(::getpid(), 1), std::nullopt);
}

TEST_F(ScoreboardTest, EverySlotIsClaimedOnce) {
  const auto scoreboard = create();
  std::vector<std::optional<std::uint32_t>> claimed(kMaxWorkers);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < kMaxWorkers; i += 8) claimed[i] = scoreboard->claim(::getpid(), 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint32_t> distinct;
  for (const auto& slot : claimed) {
    ASSERT_TRUE(slot.has_value());
    distinct.insert(*slot);
  }
  EXPECT_EQ(distinct.size(), kMaxWorkers);
}

TEST_F(ScoreboardTest, SeriesAreFoundTakenAndTakenOverOnceUnwanted) {
  const auto scoreboard = create();
  WorkerSlot& slot = scoreboard->layout().workers[0];
  std::vector<std::uint64_t> keep;
  for (std::uint64_t id = 1; id <= kMaxSeries; ++id) {
    keep.push_back(id);
    ASSERT_NE(Scoreboard::series_for(slot, id, keep), nullptr);
  }
  Series* const second = Scoreboard::series_for(slot, 2, keep);
  ASSERT_EQ(second, &slot.series[1]);
  second->verdicts[1].store(3);
  second->sum_ns.store(3);
  EXPECT_EQ(Scoreboard::series_for(slot, kMaxSeries + 1, keep), nullptr);
  keep.erase(keep.begin() + 1);
  EXPECT_EQ(Scoreboard::series_for(slot, kMaxSeries + 1, keep), second);
  EXPECT_EQ(second->verdicts[1].load() + second->sum_ns.load(), 0U);
  EXPECT_EQ(second->version_id.load(), kMaxSeries + 1);
}

TEST(ProcessStat, ReadsTheStartTimeBehindAnyName) {
  std::string text = "17 (a) b (c) S";
  for (int field = 4; field <= 52; ++field) text += " " + std::to_string(field * 10);
  const auto stat = parse_stat(text);
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->start_ticks, 220U);
  EXPECT_FALSE(parse_stat("").has_value());
  EXPECT_FALSE(parse_stat("17 (a)").has_value());
  EXPECT_FALSE(parse_stat("17 (a) S 1 2").has_value());
}

TEST(ProcessStat, KnowsTheLivingTheDeadAndStrangers) {
  EXPECT_TRUE(is_alive(::getpid(), stat_of(::getpid())->start_ticks));
  EXPECT_TRUE(is_alive(1, stat_of(1)->start_ticks));
  EXPECT_FALSE(is_alive(0, 0));
  EXPECT_FALSE(is_alive(-1, 0));
  const Zombie dead;
  EXPECT_FALSE(is_alive(dead.pid(), stat_of(dead.pid())->start_ticks));
}

}  // namespace
}  // namespace secbeat::control
