// What is too open in a data directory, and what becomes of it.
#include "node_permissions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NodePermissions : public ::testing::Test {
 protected:
  NodePermissions() {
    std::string pattern = fs::temp_directory_path() / "secbeat-permissions-XXXXXX";
    config_.data_dir = ::mkdtemp(pattern.data());
    fs::create_directory(config_.data_dir / "modules");
    std::ofstream(config_.data_dir / "in_force.json") << "{}";
    std::ofstream(config_.data_dir / "ledger.sqlite") << "x";
    set_mode("modules", 0700);
    set_mode("in_force.json", 0644);
    set_mode("ledger.sqlite", 0600);
  }
  ~NodePermissions() override {
    std::error_code ignored;
    fs::remove_all(config_.data_dir, ignored);
  }
  void set_mode(const char* name, mode_t mode) const { ASSERT_EQ(::chmod((config_.data_dir / name).c_str(), mode), 0); }
  [[nodiscard]] mode_t mode_of(const char* name) const {
    struct stat st{};
    EXPECT_EQ(::stat((config_.data_dir / name).c_str(), &st), 0);
    return st.st_mode & 07777;
  }
  Config config_;
};

TEST_F(NodePermissions, ThatAreAsTheyShouldBeAreNotTold) {
  EXPECT_THAT(open_permissions(config_), IsEmpty());
  EXPECT_THAT(tend_permissions(config_, {}).value(), IsEmpty());
}

TEST_F(NodePermissions, ThatLetOthersChangeAreTakenAwayAndTold) {
  set_mode("in_force.json", 0666);
  set_mode("modules", 0777);
  const auto sentences =
      ElementsAre(AllOf(HasSubstr("modules"), HasSubstr("could be changed by others (mode 0777")),
                  AllOf(HasSubstr("in_force.json"), HasSubstr("(mode 0666, at most 0644 is wanted)")));
  EXPECT_THAT(open_permissions(config_), sentences);
  EXPECT_EQ(mode_of("in_force.json"), 0666U) << "a look changes nothing";
  EXPECT_THAT(tend_permissions(config_, {}).value(), sentences);
  EXPECT_EQ(mode_of("in_force.json"), 0644U);
  EXPECT_EQ(mode_of("modules"), 0700U);
  EXPECT_THAT(tend_permissions(config_, {}).value(), IsEmpty());
}

TEST_F(NodePermissions, ThatLetOthersReadTheLedgerAreTakenAway) {
  set_mode("ledger.sqlite", 0644);
  EXPECT_THAT(tend_permissions(config_, {}).value(), ElementsAre(HasSubstr("could be read by others")));
  EXPECT_EQ(mode_of("ledger.sqlite"), 0600U);
}

TEST_F(NodePermissions, ThatAreNarrowerThanWantedStay) {
  set_mode("in_force.json", 0400);
  EXPECT_THAT(tend_permissions(config_, {}).value(), IsEmpty());
  EXPECT_EQ(mode_of("in_force.json"), 0400U);
}

TEST_F(NodePermissions, OfWhatBelongsToAnotherUserAreRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  const uid_t nobody = ::getpwnam("nobody")->pw_uid;
  ASSERT_EQ(::chown((config_.data_dir / "in_force.json").c_str(), nobody, static_cast<gid_t>(-1)), 0);
  const auto tended = tend_permissions(config_, {});
  ASSERT_FALSE(tended);
  EXPECT_EQ(tended.error().code, ErrorCode::kConfig);
  EXPECT_THAT(tended.error().message, AllOf(HasSubstr("in_force.json belongs to"), HasSubstr("chown")));
  EXPECT_THAT(open_permissions(config_), ElementsAre(HasSubstr("in_force.json belongs to")));
}

}  // namespace
}  // namespace secbeat::agent
