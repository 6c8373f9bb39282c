// Configurations: versions of the same bytes.
#include <gtest/gtest.h>

#include "reloader_test_support.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using testing::NodeTest;

class ReloaderConfigTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    write("waf.wasm", testing::wasm({.salt = "first", .configure = true}));
    open_or_fail();
  }
};

TEST_F(ReloaderConfigTest, AConfigurationAloneIsANewVersionWithoutACompile) {
  const auto done = configure("{\"rules\":[]}");
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->version, "v2");
  EXPECT_EQ(done->previous_version, "v1");
  EXPECT_EQ(done->config_sha256, sha256_hex("{\"rules\":[]}"));
  EXPECT_EQ(told(), "config v2 success; load v1 success");
  const engine::CompileJob job = compiler_->jobs.back();
  EXPECT_TRUE(job.output.empty());
  EXPECT_EQ(job.artifact_sha256, reloader_->in_force().slots[0].current_version()->artifact_sha256);
  EXPECT_FALSE(job.config.empty());
  EXPECT_EQ(files_in("artifacts"), 1U);
  EXPECT_EQ(read_file(config_.data_dir / "configs" / done->config_sha256, 100).value(), "{\"rules\":[]}");
}

TEST_F(ReloaderConfigTest, TheConfigurationInForceIsKeptWithNewBytes) {
  ASSERT_TRUE(configure("{\"a\":1}"));
  const auto done = upload({.salt = "second", .configure = true});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->config_sha256, sha256_hex("{\"a\":1}"));
  EXPECT_TRUE(configure("{\"a\":1}")->unchanged);
}

TEST_F(ReloaderConfigTest, TheSameBytesWithAnotherConfigurationAreAConfigurationChange) {
  ASSERT_TRUE(upload({.salt = "first", .configure = true}, "{}"));
  EXPECT_EQ(told(), "config v2 success; load v1 success");
}

TEST_F(ReloaderConfigTest, AChangedFileTellsWhichRulesAreGone) {
  ASSERT_TRUE(configure(R"({"rules":[{"id":"kept"},{"id":"added-over-the-api"}]})"));
  Upload change;
  change.kind = UploadKind::kFileChange;
  change.name = "waf";
  change.config = R"({"rules":[{"id":"kept"}]})";
  change.reason = "File changed: waf-config.json";
  ASSERT_TRUE(reloader_->reload(change));
  EXPECT_EQ(history()[0].reason, "File changed: waf-config.json; rules that are gone: added-over-the-api");
}

TEST_F(ReloaderConfigTest, AModuleWithoutConfigureTakesNone) {
  ASSERT_TRUE(upload({.salt = "second"}));
  const auto alone = configure("{}", "waf");
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().error.code, ErrorCode::kConfigureFailed);
  const auto with_bytes = upload({.salt = "third"}, "{}");
  ASSERT_FALSE(with_bytes);
  EXPECT_EQ(with_bytes.error().error.code, ErrorCode::kConfigureFailed);
  EXPECT_EQ(configure("{}").error().error.code, ErrorCode::kBadRequest) << "nobody could be meant";
}

TEST_F(ReloaderConfigTest, AFreshInstanceForEachRequestIsForModulesWithoutConfigure) {
  config_.isolation = engine::Isolation::kRequest;  // of modules that the file does not name
  reopen();
  const auto with = upload({.name = "added", .salt = "with", .configure = true});
  ASSERT_FALSE(with);
  EXPECT_EQ(with.error().error.code, ErrorCode::kConfigureFailed);
  EXPECT_NE(with.error().error.message.find("isolation = \"request\""), std::string::npos);
  ASSERT_TRUE(upload({.name = "added", .salt = "without"}));
  EXPECT_EQ(on_disk().find("added")->isolation, engine::Isolation::kRequest);
  EXPECT_EQ(on_disk().find("waf")->isolation, engine::Isolation::kInstance);
}

TEST_F(ReloaderConfigTest, WithoutANameOnlyOneModuleCanBeMeant) {
  ASSERT_TRUE(upload({.name = "plain", .salt = "x"}));
  EXPECT_EQ(configure("{\"a\":1}")->name, "waf");
  ASSERT_TRUE(upload({.name = "second", .salt = "x", .configure = true}));
  const auto ambiguous = configure("{\"a\":2}");
  ASSERT_FALSE(ambiguous);
  EXPECT_EQ(ambiguous.error().error.code, ErrorCode::kBadRequest);
  EXPECT_EQ(ambiguous.error().names, (std::vector<std::string>{"waf", "second"}));
  EXPECT_EQ(configure("{\"a\":2}", "second")->name, "second");
}

TEST_F(ReloaderConfigTest, AnUploadOfNothingIsRefused) {
  EXPECT_EQ(reloader_->reload(Upload{}).error().error.code, ErrorCode::kMissingFile);
}

TEST_F(ReloaderConfigTest, ConfigurationsDoNotPushOutTheModuleToGoBackTo) {
  ASSERT_TRUE(upload({.salt = "second", .configure = true}));
  for (const char* config : {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":4}"}) ASSERT_TRUE(configure(config));
  EXPECT_EQ(reloader_->version(std::nullopt)->kept, (std::vector<std::string>{"v5", "v4", "v1"}));
  EXPECT_EQ(roll_back("v1")->rolled_back_to, "v1");
}

TEST_F(ReloaderConfigTest, AnArtifactThatIsDamagedOrRefusedIsMadeAgain) {
  const std::string artifact = reloader_->in_force().slots[0].current_version()->artifact_sha256;
  ASSERT_TRUE(write_file_atomically(config_.data_dir / "artifacts" / (artifact + ".cwasm"), "damaged"));
  ASSERT_TRUE(configure("{\"a\":1}"));
  EXPECT_TRUE(compiler_->jobs.back().artifact.empty());
  EXPECT_NE(read_file(config_.data_dir / "artifacts" / (artifact + ".cwasm"), 1000).value(), "damaged");

  compiler_->work = [](const engine::CompileJob& job, const CancelToken&) {
    if (job.artifact.empty()) return testing::FakeCompiler::succeed(job);
    engine::CompileReport report;
    report.error = Error{ErrorCode::kArtifactRejected, "made by another version"};
    return Result<engine::CompileReport>(report);
  };
  EXPECT_TRUE(configure("{\"a\":2}"));
  EXPECT_TRUE(compiler_->jobs.back().artifact.empty());
}

}  // namespace
}  // namespace secbeat::agent
