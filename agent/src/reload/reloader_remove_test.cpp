#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chain_state.hpp"
#include "reloader_test_support.hpp"

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NodeTest;

class RemoveTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    open_or_fail();
    ASSERT_TRUE(upload({.name = "second", .salt = "1"}));
    ASSERT_TRUE(upload({.name = "third", .salt = "1"}));
  }

  Outcome<RemovalResult> remove(const std::string& name, const std::optional<std::string>& expected = std::nullopt) {
    return reloader_->remove({name, expected, "blocks the shop", {"api", "request-7"}});
  }
  Outcome<RollbackResult> bring_back(const std::string& name) {
    Rollback rollback;
    rollback.name = name;
    return reloader_->rollback(rollback);
  }
  std::vector<std::string> chain() {
    std::vector<std::string> names;
    for (const VersionView& view : reloader_->modules()) names.push_back(view.name);
    return names;
  }
};

TEST_F(RemoveTest, TakesTheModuleOutOfTheChainAndLeavesTheOthers) {
  const std::uint64_t before = reloader_->in_force().generation;
  const auto done = remove("second");
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->removed_version, "v1");
  EXPECT_EQ(done->generation, before + 1);
  EXPECT_EQ(done->workers.serving, 2U);
  EXPECT_THAT(done->modules, ElementsAre("waf", "third"));
  EXPECT_TRUE(done->warnings.empty());
  EXPECT_THAT(chain(), ElementsAre("waf", "third"));
  EXPECT_EQ(on_disk(), reloader_->in_force());
  EXPECT_EQ(serving("waf"), "v1");
  EXPECT_THAT(serving("second"), HasSubstr("second was removed; a rollback or an upload of that name brings it back"));
  EXPECT_TRUE(reloader_->ready());
  EXPECT_TRUE(reloader_->history("second", {})) << "what happened to it stays known";
}

TEST_F(RemoveTest, IsARowOfTheHistory) {
  ASSERT_TRUE(remove("second"));
  const HistoryRow row = history().front();
  EXPECT_EQ(row.kind, "remove");
  EXPECT_EQ(row.name, "second");
  EXPECT_TRUE(row.success);
  EXPECT_EQ(row.version, "");
  EXPECT_EQ(row.from_version, "v1");
  EXPECT_EQ(row.reason, "blocks the shop");
  EXPECT_EQ(row.request_id, "request-7");
  EXPECT_EQ(row.generation, on_disk().generation);
  std::uint64_t finished = 0;
  for (const ReloadTotals& total : reloader_->totals()) finished += total.module == "second" ? total.finished : 0;
  EXPECT_EQ(finished, 2U) << "the upload and the removal";
}

TEST_F(RemoveTest, ARollbackBringsItBackToItsPlace) {
  ASSERT_TRUE(upload({.name = "second", .salt = "2"}));
  ASSERT_TRUE(remove("second"));
  reopen();
  EXPECT_THAT(chain(), ElementsAre("waf", "third")) << "it stays removed over a restart";
  const std::size_t jobs = compiler_->jobs.size();
  const auto back = bring_back("second");
  ASSERT_TRUE(back) << back.error().error.message;
  EXPECT_EQ(back->rolled_back_to, "v2");
  EXPECT_EQ(back->from_version, "");
  EXPECT_EQ(compiler_->jobs.size(), jobs);
  EXPECT_THAT(chain(), ElementsAre("waf", "second", "third"));
  EXPECT_EQ(bring_back("second")->rolled_back_to, "v1") << "the line goes on where it was";
}

TEST_F(RemoveTest, AnUploadBringsItBackAsTheNextVersion) {
  ASSERT_TRUE(remove("second"));
  const auto again = upload({.name = "second", .salt = "2"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->version, "v2");
  EXPECT_EQ(again->previous_version, "v1");
  EXPECT_THAT(chain(), ElementsAre("waf", "second", "third"));
  EXPECT_EQ(bring_back("second")->rolled_back_to, "v1");
}

TEST_F(RemoveTest, TheModuleOfTheFileStaysRemovedOverARestart) {
  ASSERT_TRUE(remove("waf"));
  reopen();
  EXPECT_THAT(chain(), ElementsAre("second", "third"));
  EXPECT_EQ(told().substr(0, 15), "remove  success");
  EXPECT_EQ(roll_back()->name, "waf") << "a rollback without a name is about the module of the file";
  EXPECT_THAT(chain(), ElementsAre("waf", "second", "third"));
}

TEST_F(RemoveTest, WithoutAnyModuleTheNodeIsNotReady) {
  ASSERT_TRUE(remove("second"));
  ASSERT_TRUE(remove("third"));
  const auto last = remove("waf");
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->modules.empty());
  EXPECT_THAT(last->warnings, ElementsAre(HasSubstr("every request passes uninspected")));
  EXPECT_FALSE(reloader_->ready());
  ASSERT_TRUE(roll_back());
  EXPECT_TRUE(reloader_->ready());
}

TEST_F(RemoveTest, RefusesWhatIsNotThereOrHasChanged) {
  const auto unknown = remove("fourth");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().error.code, ErrorCode::kUnknownModule);
  EXPECT_THAT(unknown.error().names, ElementsAre("waf", "second", "third"));
  const auto changed = remove("second", "v2");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().error.message, "Version conflict: expected v2, got v1");
  EXPECT_EQ(changed.error().current_version, "v1");
  EXPECT_EQ(history().front().code, "version_conflict");
  ASSERT_TRUE(remove("second", "v1"));
  EXPECT_EQ(remove("second").error().error.code, ErrorCode::kUnknownModule) << "it is removed already";
  EXPECT_EQ(configure("{}", "second").error().error.code, ErrorCode::kUnknownModule);
  reloader_.reset();
  config_.hot_reload_enabled = false;
  open_or_fail();
  EXPECT_EQ(remove("third").error().error.code, ErrorCode::kHotReloadDisabled);
  EXPECT_TRUE(bring_back("second"));
}

TEST_F(RemoveTest, IsUndoneWhereAWorkerDoesNotFollow) {
  bool failed = false;
  hub_.on_commit = [&](std::uint64_t) {
    std::vector<WorkerFailure> failures;
    if (!std::exchange(failed, true)) failures.push_back({4711, "", {ErrorCode::kInternal, "hangs"}});
    return failures;
  };
  const auto lost = remove("second");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().error.code, ErrorCode::kWorkersDisagree);
  EXPECT_EQ(lost.error().current_version, "v1");
  EXPECT_THAT(chain(), ElementsAre("waf", "second", "third"));
  EXPECT_EQ(history().front().version, "v1");
  EXPECT_FALSE(history().front().success);
}

TEST_F(RemoveTest, WithNothingKeptOnlyAnUploadBringsItBack) {
  reloader_.reset();
  config_.keep_previous_versions = 0;
  open_or_fail();
  ASSERT_TRUE(remove("second"));
  EXPECT_EQ(bring_back("second").error().error.code, ErrorCode::kNoPreviousVersion);
  reopen();
  EXPECT_EQ(upload({.name = "second", .salt = "1"})->version, "v2");
  EXPECT_THAT(chain(), ElementsAre("waf", "second", "third"));
}

TEST_F(RemoveTest, AFullChainTakesThePlaceOfWhatWasRemovedLongestAgo) {
  for (std::size_t i = chain().size(); i < kMaxModules; ++i) {
    ASSERT_TRUE(upload({.name = "m" + std::to_string(i), .salt = "1"}));
  }
  EXPECT_EQ(upload({.name = "one-more", .salt = "1"}).error().error.code, ErrorCode::kBadRequest);
  ASSERT_TRUE(remove("waf"));
  EXPECT_EQ(upload({.name = "one-more", .salt = "1"}).error().error.code, ErrorCode::kBadRequest)
      << "the next start would load the module of the file";
  ASSERT_TRUE(remove("third"));
  ASSERT_TRUE(remove("second"));
  ASSERT_TRUE(upload({.name = "one-more", .salt = "1"}));
  EXPECT_EQ(bring_back("second").error().error.code, ErrorCode::kUnknownModule);
  EXPECT_TRUE(bring_back("third"));
  EXPECT_TRUE(bring_back("waf"));
  EXPECT_EQ(chain().size(), kMaxModules);
}

TEST_F(RemoveTest, KeepsAsManyVersionsAsAReloadWould) {
  for (const char* salt : {"2", "3", "4"}) ASSERT_TRUE(upload({.name = "second", .salt = salt}));
  ASSERT_TRUE(remove("second"));
  const control::Slot slot = *reloader_->in_force().find("second");
  std::vector<std::string> labels;
  for (const control::Version& version : slot.versions) labels.push_back(version.label);
  EXPECT_THAT(labels, ElementsAre("v4", "v3"));
  EXPECT_EQ(slot.previous_version()->label, "v4");
}

}  // namespace
}  // namespace secbeat::agent
