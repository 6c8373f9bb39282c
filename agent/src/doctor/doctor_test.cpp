#include "secbeat/agent/doctor.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>

#include "doctor_parts.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "supervisor_listener.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() : folder_(*TemporaryFolder::make()) {
    config_ = default_config();
    config_.data_dir = folder_.path() / "data";
    config_.state_dir = folder_.path() / "state";
    config_.api.port = 0;
    config_.proxy.port = 0;
    fs::permissions(folder_.path(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  }

  [[nodiscard]] Finding finding(const std::string& check) const {
    const auto findings = examine_node(config_);
    const auto found = std::ranges::find(findings, check, &Finding::check);
    EXPECT_NE(found, findings.end()) << check;
    return found == findings.end() ? Finding{} : *found;
  }

  TemporaryFolder folder_;
  Config config_;
};

TEST_F(DoctorTest, HasNothingToSayAgainstWhatANodeWouldMake) {
  for (const Finding& found : examine_node(config_)) {
    if (found.check == "configuration" || found.check == "disk") continue;
    EXPECT_EQ(found.health, Health::kOk) << found.check << ": " << found.found << ": " << found.advice;
  }
  EXPECT_THAT(finding("data_dir").found, HasSubstr("made when the node starts"));
  EXPECT_FALSE(fs::exists(config_.data_dir)) << "it leaves nothing behind";
}

TEST_F(DoctorTest, FindsAFileWhereAFolderBelongs) {
  std::ofstream(config_.data_dir) << "x";
  EXPECT_EQ(finding("data_dir").health, Health::kFailure);
  EXPECT_THAT(finding("data_dir").advice, HasSubstr("in the way"));
}

TEST_F(DoctorTest, FindsAFolderThatWorkersCannotPass) {
  if (::geteuid() != 0) GTEST_SKIP() << "workers are another user only where root starts the node";
  fs::create_directory(config_.state_dir);
  fs::permissions(folder_.path(), fs::perms::owner_all);
  EXPECT_EQ(finding("state_dir").health, Health::kFailure);
  EXPECT_THAT(finding("state_dir").advice, HasSubstr("cannot pass the folder " + folder_.path().string()));
}

TEST_F(DoctorTest, FindsWhoHasAPort) {
  const auto taken = bind_listener({"127.0.0.1", 0});
  ASSERT_TRUE(taken);
  config_.proxy = address_of(*taken);
  // This test is "this program" to it, as a node that runs would be.
  EXPECT_THAT(finding("site port").found, HasSubstr("a node runs here"));
  config_.proxy.host = "203.0.113.7";  // of documentation: no machine has it
  config_.proxy.port = 1;
  EXPECT_EQ(finding("site port").health, Health::kFailure);
}

TEST_F(DoctorTest, FindsModuleFilesThatAreMissing) {
  config_.modules.push_back({.name = "waf",
                             .module = folder_.path() / "waf.wasm",
                             .config = folder_.path() / "waf.json",
                             .config_is_explicit = true,
                             .on_error = control::OnError::kPrevious});
  EXPECT_EQ(finding("module file").health, Health::kFailure);
  EXPECT_EQ(finding("module configuration").health, Health::kFailure);
  std::ofstream(folder_.path() / "waf.wasm") << "x";
  EXPECT_EQ(finding("module file").health, Health::kOk);
}

TEST_F(DoctorTest, FindsAUserThatDoesNotExist) {
  if (::geteuid() != 0) GTEST_SKIP() << "workers are another user only where root starts the node";
  config_.worker_user = "no-such-user-here";
  EXPECT_EQ(finding("workers' user").health, Health::kFailure);
}

TEST(TemporaryFolderTest, IsGoneWithItsOwner) {
  fs::path path;
  {
    const auto folder = TemporaryFolder::make();
    ASSERT_TRUE(folder);
    path = folder->path();
    std::ofstream(path / "file") << "x";
    EXPECT_TRUE(fs::exists(path / "file"));
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace secbeat::agent
