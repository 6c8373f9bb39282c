// The archive of a fleet, and the way back: a real nats-server, stand-ins for nodes, an archive in a folder.
#include "secbeat/orchestrator/fleet_archive.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>

#include "fleet_versions.hpp"
#include "rollouts_fixture.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/orchestrator/restore.hpp"

namespace secbeat::orchestrator {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FleetArchiveTest : public FleetTest {
 protected:
  void SetUp() override {
    FleetTest::SetUp();
    spdlog::set_level(spdlog::level::off);
    std::string pattern = ::testing::TempDir() + "/fleet-archive-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    location_.folder = base_ / "archive";
    add_nodes(2);
  }
  void TearDown() override {
    following_.reset();
    fs::remove_all(base_);
  }

  void start(std::chrono::milliseconds forget = std::chrono::hours(1)) {
    using std::chrono::milliseconds;
    following_ = FleetArchive::start(
        location_, *connection_, rollouts_, &archived_,
        {.look = milliseconds(5), .whole_look = milliseconds(50), .last_retry = milliseconds(20), .forget = forget});
  }
  [[nodiscard]] archive::VersionArchive opened() const {
    return archive::VersionArchive(archive::open_storage(location_));
  }
  // The newest desired state in the archive; 0: none.
  [[nodiscard]] std::uint64_t archived_revision() const {
    const auto all = archived_desired(opened().storage());
    return !all || all->empty() ? 0 : all->back().revision;
  }
  // The desired state comes first, and the manifests of what was deployed after it.
  [[nodiscard]] bool archives(std::uint64_t revision, std::size_t manifests = 0) const {
    return fleet::eventually([&] {
      const auto contents = opened().list();
      return archived_revision() == revision && contents && contents->manifests.size() >= manifests;
    });
  }
  void deploy(int number) {
    const auto done = rollouts_.reload(wanted(number));
    ASSERT_TRUE(done) << done.error().error.message;
  }
  // As after the loss of NATS' disks. Nodes go on.
  void lose_nats() {
    following_.reset();
    for (const std::string_view bucket : {fleet::kDesiredBucket, fleet::kRolloutsBucket}) {
      const std::vector<fleet::Entry> entries = connection_->list(bucket).value();
      for (const fleet::Entry& entry : entries) ASSERT_TRUE(connection_->remove(bucket, entry.key));
    }
  }
  [[nodiscard]] Result<RestoreSource> source(std::optional<std::uint64_t> revision = {}) const {
    return read_restore_source(opened(), revision, [](std::string_view, std::size_t, std::size_t) {});
  }
  [[nodiscard]] Result<RestorePlan> planned(RestoreChoice choice = {}) const {
    return plan_restore(*connection_, source().value(), choice);
  }
  [[nodiscard]] Result<void> restored(RestoreChoice choice = {}) const {
    return restore(*connection_, opened(), source().value(), planned(choice).value(), 1,
                   [](std::string_view, std::size_t, std::size_t) {});
  }
  // A node that reports this of the module.
  void report(const std::string& name, const std::string& label, const std::string& bytes, std::uint64_t reached) {
    const fleet::NodeStatus status{
        .node = name,
        .ready = true,
        .modules = {{.name = FakeNode::kModule,
                     .version = {.label = label, .sha256 = sha256_hex(bytes), .config_sha256 = sha256_hex("{}")},
                     .reached = reached}}};
    ASSERT_TRUE(connection_->put(fleet::kNodesBucket, name, to_json(status)));
  }

  fs::path base_;
  archive::Location location_;
  ArchivedRollouts archived_;
  std::unique_ptr<FleetArchive> following_;
};

TEST_F(FleetArchiveTest, KeepsWhatWasDeployedWithWhoWhenAndWhy) {
  start();
  deploy(2);
  deploy(3);
  const std::uint64_t revision = rollouts_.desired().value().revision;
  ASSERT_TRUE(archives(revision, 2));
  const auto contents = opened().list().value();
  ASSERT_THAT(contents.manifests, SizeIs(2));
  const archive::Manifest& manifest = contents.manifests[0];
  EXPECT_EQ(manifest.node, kFleetAsNode);
  EXPECT_EQ(manifest.record.sha256, sha256_hex("bytes 2"));
  ASSERT_THAT(manifest.record.times, SizeIs(1));
  EXPECT_EQ(manifest.record.times[0].reason, "test");
  EXPECT_EQ(manifest.record.times[0].by, "test");
  EXPECT_EQ(manifest.record.times[0].kind, "reload");
  EXPECT_THAT(manifest.record.times[0].request_id, HasSubstr("-"));
  const auto verdict = opened().verify().value();
  EXPECT_THAT(verdict.contents.problems, IsEmpty());
  EXPECT_EQ(opened().module_bytes(sha256_hex("bytes 3")), "bytes 3");
  EXPECT_TRUE(following_->status().error.empty());
}

TEST_F(FleetArchiveTest, AnArchiveThatIsAwayHoldsUpNoRolloutAndIsCaughtUp) {
  std::ofstream(location_.folder) << "a file where the folder should be";
  start();
  deploy(2);
  ASSERT_TRUE(fleet::eventually([&] { return following_->status().failures >= 2; }));
  EXPECT_THAT(following_->status().error, HasSubstr("cannot make the folder"));
  following_.reset();
  fs::remove(location_.folder);
  start();  // another orchestrator, or this one after a restart
  EXPECT_TRUE(archives(rollouts_.desired().value().revision, 1));
}

TEST_F(FleetArchiveTest, OneVersionThatCannotBeArchivedHoldsUpNothingElse) {
  deploy(2);
  // Nothing can be put where a folder lies.
  fs::create_directories(location_.folder / archive::module_key(sha256_hex("bytes 2")) / "x");
  deploy(3);
  start();
  ASSERT_TRUE(archives(rollouts_.desired().value().revision, 1));
  ASSERT_TRUE(fleet::eventually([&] { return following_->status().failures >= 4; })) << "and it is tried again";
  EXPECT_GE(following_->status().pending, 1U);
  EXPECT_THAT(following_->status().error, HasSubstr(sha256_hex("bytes 2")));
  fs::remove_all(location_.folder / archive::module_key(sha256_hex("bytes 2")));
  ASSERT_TRUE(fleet::eventually([&] { return following_->status().error.empty(); }));
  EXPECT_THAT(opened().list().value().manifests, SizeIs(2));
}

TEST_F(FleetArchiveTest, WhatLeavesTheArchiveComesBack) {
  start(std::chrono::milliseconds(20));
  deploy(2);
  ASSERT_TRUE(archives(rollouts_.desired().value().revision));
  const auto is_whole = [&] {
    const auto verdict = opened().verify();
    return verdict && verdict->contents.problems.empty() && verdict->modules == 1 && archived_revision() != 0 &&
           verdict->contents.manifests.size() == 1;
  };
  ASSERT_TRUE(fleet::eventually(is_whole));
  fs::rename(location_.folder, base_ / "away");  // at once: it is written meanwhile
  EXPECT_TRUE(fleet::eventually(is_whole));
}

TEST_F(FleetArchiveTest, ARolloutThatIsTakenBackLaterIsToldAsTakenBack) {
  start();
  deploy(2);
  const auto kind = [&] {
    const auto contents = opened().list();
    return contents && contents->manifests.size() == 1 && contents->manifests[0].record.times.size() == 1
               ? contents->manifests[0].record.times[0].kind
               : std::string();
  };
  ASSERT_TRUE(fleet::eventually([&] { return kind() == "reload"; }));
  const auto back = rollouts_.rollback({.module = FakeNode::kModule, .reason = "bad", .by = "test"});
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_TRUE(fleet::eventually([&] { return kind() == "reverted"; })) << kind();
}

TEST_F(FleetArchiveTest, RolloutsStayUntilTheyAreArchived) {
  constexpr std::size_t kMany = 52;
  Settings with = settings();
  with.is_archived = [this](const fleet::Rollout& rollout) { return archived_.has(rollout); };
  Rollouts keeping(*connection_, with);
  for (std::size_t i = 0; i < kMany; ++i) {
    const auto done = keeping.reload(wanted(static_cast<int>(i) + 2));
    ASSERT_TRUE(done) << done.error().error.message;
  }
  EXPECT_THAT(keeping.list().value(), SizeIs(kMany));
  start();
  ASSERT_TRUE(fleet::eventually([&] {
    const auto contents = opened().list();
    return contents && contents->manifests.size() == kMany && archived_.has(keeping.list().value().back());
  }));
  ASSERT_TRUE(keeping.reload(wanted(1000)));
  EXPECT_TRUE(fleet::eventually([&] { return keeping.list().value().size() < kMany; }));
}

TEST_F(FleetArchiveTest, AVersionThatWasTakenBackIsKeptAsWhatItWas) {
  node(2).fails_to_commit = true;
  const auto refused = rollouts_.reload(wanted(4));
  ASSERT_FALSE(refused);
  start();
  ASSERT_TRUE(fleet::eventually([&] {
    const auto contents = opened().list();
    return contents && contents->manifests.size() == 1;
  }));
  EXPECT_EQ(opened().list().value().manifests[0].record.times.at(0).kind, "reverted");
}

TEST_F(FleetArchiveTest, AFleetComesBackWithItsRevisionsAndNoNodeIsTakenBack) {
  start();
  deploy(2);
  deploy(3);
  const fleet::Desired before = rollouts_.desired().value();
  ASSERT_TRUE(archives(before.revision, 2));
  lose_nats();
  report("ahead", "v9", "bytes 9", before.revision + 1);
  report("behind", "v1", "bytes 1", before.revision - 1);
  const auto plan = planned();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->there, IsEmpty());
  ASSERT_THAT(plan->ahead, SizeIs(1));
  EXPECT_EQ(plan->ahead[0].node, "ahead");
  ASSERT_TRUE(restored());
  EXPECT_EQ(rollouts_.desired().value(), before);
  EXPECT_EQ(connection_->get_object(fleet::kModulesBucket, sha256_hex("bytes 3"), 100).value(), "bytes 3");
  const auto next = rollouts_.reload(wanted(5));
  ASSERT_TRUE(next) << next.error().error.message;
  EXPECT_GT(next->revision, before.revision + 1) << "above what any node has reached";
  const auto entry = connection_->get(fleet::kDesiredBucket, fleet::running_key(FakeNode::kModule)).value();
  ASSERT_TRUE(entry);
  EXPECT_THAT(fleet::running_from_json(entry->value).value().given, SizeIs(3)) << "labels mean one version for ever";
}

TEST_F(FleetArchiveTest, AnewIsNewerThanWhatAnyNodeHasReached) {
  start();
  deploy(2);
  const fleet::Desired before = rollouts_.desired().value();
  ASSERT_TRUE(archives(before.revision));
  lose_nats();
  report("ahead", "v9", "bytes 9", before.revision + 5);
  ASSERT_TRUE(restored({.anew = true}));
  const fleet::Desired after = rollouts_.desired().value();
  EXPECT_EQ(after.modules.at(0).revision, before.revision + 6 + kBlindStep);
  EXPECT_EQ(after.modules.at(0).version, before.modules.at(0).version);
}

TEST_F(FleetArchiveTest, AnewWithoutAnyReportTakesABigStep) {
  start();
  deploy(2);
  const fleet::Desired before = rollouts_.desired().value();
  ASSERT_TRUE(archives(before.revision));
  lose_nats();
  nodes_.clear();
  const std::vector<fleet::Entry> known = connection_->list(fleet::kNodesBucket).value();
  for (const fleet::Entry& node : known) ASSERT_TRUE(connection_->remove(fleet::kNodesBucket, node.key));
  EXPECT_EQ(hear_nodes(*connection_, 1, std::chrono::milliseconds(0)).value(), 0U);
  const auto plan = planned({.anew = true}).value();
  EXPECT_EQ(plan.nodes, 0U);
  EXPECT_GE(plan.desired.modules.at(0).revision, before.revision + kBlindStep);
  report("late", "v9", "bytes 9", before.revision + 5);
  EXPECT_EQ(hear_nodes(*connection_, 1, std::chrono::hours(1)).value(), 1U) << "who is known is not waited for";
}

TEST_F(FleetArchiveTest, AnEarlierStateBecomesTheNewestOfTheArchive) {
  start();
  deploy(2);
  const fleet::Desired good = rollouts_.desired().value();
  ASSERT_TRUE(archives(good.revision));
  deploy(3);
  const std::uint64_t bad = rollouts_.desired().value().revision;
  ASSERT_TRUE(archives(bad));
  lose_nats();
  const RestoreSource earlier = source(good.revision).value();
  EXPECT_FALSE(earlier.archived_at.empty());
  const RestorePlan plan = plan_restore(*connection_, earlier, {}).value();
  EXPECT_GT(plan.desired.revision, bad);
  EXPECT_EQ(plan.desired.modules.at(0).revision, good.modules.at(0).revision) << "no node is taken back";
}

TEST_F(FleetArchiveTest, ALaterStateOfALowerRevisionIsTold) {
  const auto storage = archive::open_storage(location_);
  ASSERT_TRUE(put_desired(*storage, fleet::Desired{.revision = 400, .modules = {}}));
  ASSERT_TRUE(put_desired(*storage, fleet::Desired{.revision = 12, .modules = {}}));
  const fs::path old = location_.folder / "fleet/desired/00000000000000000400.json";
  fs::last_write_time(old, fs::last_write_time(old) - std::chrono::hours(1));
  EXPECT_EQ(source().value().newer, "fleet/desired/00000000000000000012.json");
  EXPECT_EQ(source(12).value().newer, "");
}

TEST_F(FleetArchiveTest, LabelsThatCannotBeReadEndNoRestore) {
  start();
  deploy(2);
  ASSERT_TRUE(archives(rollouts_.desired().value().revision, 1));
  following_.reset();
  const fs::path folder = location_.folder / "manifests" / FakeNode::kModule;
  std::ofstream(folder / "v7@fleet.json") << "{";
  std::ofstream(folder / "v7@node-1.json") << "{";
  const auto read = source();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->unread, ElementsAre(HasSubstr("v7@fleet.json"))) << "nodes' are not even looked at";
  EXPECT_THAT(read->given, SizeIs(1));
}

TEST_F(FleetArchiveTest, AModuleThatOnlyNatsWantsIsTold) {
  start();
  deploy(2);
  ASSERT_TRUE(archives(rollouts_.desired().value().revision));
  following_.reset();
  const auto entry = connection_->get(fleet::kDesiredBucket, fleet::kDesiredKey).value();
  fleet::Desired more = fleet::desired_from_json(entry->value).value();
  more.modules.push_back({.name = "other", .version = {.label = "v1", .sha256 = std::string(64, 'a')}, .revision = 1});
  ASSERT_TRUE(connection_->put_if(fleet::kDesiredBucket, fleet::kDesiredKey, to_json(more), entry->revision));
  EXPECT_THAT(planned().value().no_longer, ElementsAre("other"));
}

TEST_F(FleetArchiveTest, DesiredStatesAreVerified) {
  start();
  deploy(2);
  deploy(3);
  const std::uint64_t revision = rollouts_.desired().value().revision;
  ASSERT_TRUE(archives(revision, 2));
  following_.reset();
  fs::remove_all(location_.folder / "manifests");
  const auto problems = [&] {
    auto verdict = opened().verify().value();
    EXPECT_TRUE(check_desired(opened(), verdict));
    for (const auto& note : verdict.notes) EXPECT_NE(note.what, archive::kNobodyNamesIt) << note.file;
    return verdict.contents.problems;
  };
  EXPECT_THAT(problems(), IsEmpty()) << "what only a desired state names is needed";
  fs::remove(location_.folder / archive::module_key(sha256_hex("bytes 3")));
  EXPECT_THAT(problems(), SizeIs(1));
  std::ofstream(location_.folder / archived_desired(opened().storage()).value().back().key) << "{";
  EXPECT_THAT(problems(), SizeIs(1));
}

TEST_F(FleetArchiveTest, WhatNatsHasIsToldAndReplacedBySomethingNewerOnly) {
  start();
  deploy(2);
  ASSERT_TRUE(archives(rollouts_.desired().value().revision));
  following_.reset();
  deploy(3);
  const std::uint64_t now = rollouts_.desired().value().revision;
  const auto plan = planned();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->there, SizeIs(2)) << "a desired state and rollouts";
  EXPECT_GT(plan->desired.modules.at(0).revision, now);
  // Somebody else is faster.
  deploy(4);
  const auto late =
      restore(*connection_, opened(), source().value(), *plan, 1, [](std::string_view, std::size_t, std::size_t) {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kPreconditionFailed);
}

TEST_F(FleetArchiveTest, WhatIsDamagedOrMissingIsNotRestored) {
  EXPECT_THAT(source().error().message, HasSubstr("there is no archive"));
  start();
  deploy(2);
  deploy(3);
  const std::uint64_t revision = rollouts_.desired().value().revision;
  ASSERT_TRUE(archives(revision));
  following_.reset();
  EXPECT_EQ(source(revision + 1).error().code, ErrorCode::kNotFound);
  const fs::path module = location_.folder / archive::module_key(sha256_hex("bytes 3"));
  std::ofstream(module) << "bytes 4";
  EXPECT_THAT(source().error().message, HasSubstr("is damaged"));
  fs::remove(module);
  EXPECT_THAT(source().error().message, HasSubstr("cannot be restored"));
  std::ofstream(module) << "bytes 3";
  fs::remove(location_.folder / archive::module_key(sha256_hex("bytes 2")));
  const auto without_old = source();
  ASSERT_TRUE(without_old) << without_old.error().message;
  EXPECT_THAT(without_old->left_out, SizeIs(1)) << "only the way back is shorter";
  std::ofstream(location_.folder / without_old->file) << "{\"format\":1";
  EXPECT_EQ(source().error().code, ErrorCode::kProtocol);
}

TEST_F(FleetArchiveTest, TwoDesiredStatesOfOneRevisionAreBothKept) {
  const auto storage = archive::open_storage(location_);
  fleet::Desired one{.revision = 7, .modules = {}};
  ASSERT_TRUE(put_desired(*storage, one));
  ASSERT_TRUE(put_desired(*storage, one));
  fleet::Desired other = one;
  other.modules.push_back({.name = "waf", .version = {.label = "v1", .sha256 = std::string(64, 'a')}, .revision = 7});
  ASSERT_TRUE(put_desired(*storage, other));
  const auto all = archived_desired(*storage).value();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[1].key, "fleet/desired/00000000000000000007~2.json");
  EXPECT_EQ(read_desired_at(*storage, all[1]).value(), other);
}

}  // namespace
}  // namespace secbeat::orchestrator
