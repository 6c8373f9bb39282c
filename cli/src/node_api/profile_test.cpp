#include "node_api/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace secbeat::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kTwo = R"(default = "local"

[profiles.local]
api = "http://127.0.0.1:9191/"

[profiles.edge-1]
api = "https://edge-1.example:9090"
key = "sesame"
)";

std::string fault_of(std::string_view text) {
  const auto profiles = parse_profiles(text, "p.toml");
  EXPECT_FALSE(profiles) << text;
  if (profiles) return "";
  EXPECT_EQ(profiles.error().code, ErrorCode::kConfig);
  EXPECT_THAT(profiles.error().message, StartsWith("p.toml:"));
  return profiles.error().message;
}

class ChooseTarget : public ::testing::Test {
 protected:
  ChooseTarget() : file_(std::filesystem::path(::testing::TempDir()) / ("profile-" + std::to_string(::getpid()))) {
    std::ofstream(file_) << kTwo;
    ::chmod(file_.c_str(), 0600);
  }
  ~ChooseTarget() override { std::filesystem::remove(file_); }

  [[nodiscard]] Target chosen(Choice choice) const {
    choice.file = file_;
    auto target = choose_target(choice);
    EXPECT_TRUE(target) << target.error().message;
    return target.value_or(Target{});
  }
  [[nodiscard]] std::string refused(Choice choice) const {
    choice.file = file_;
    auto target = choose_target(choice);
    EXPECT_FALSE(target);
    return target ? "" : target.error().message;
  }

  std::filesystem::path file_;
};

TEST(ParseProfiles, ReadsNamesAddressesAndKeys) {
  const auto profiles = parse_profiles(kTwo, "p.toml");
  ASSERT_TRUE(profiles) << profiles.error().message;
  EXPECT_EQ(profiles->default_name, "local");
  EXPECT_EQ(profiles->by_name.at("local").api, "http://127.0.0.1:9191");
  EXPECT_EQ(profiles->by_name.at("edge-1").key, "sesame");
}

TEST(ParseProfiles, TakesAnEmptyFile) { EXPECT_TRUE(parse_profiles("", "p.toml")); }

TEST(ParseProfiles, NamesFileLineAndKeyOfAFault) {
  EXPECT_THAT(fault_of("defualt = \"a\"\n"), HasSubstr("p.toml:1: defualt: unknown key"));
  EXPECT_THAT(fault_of("default = \"a\"\n"), HasSubstr("no [profiles.a]"));
  EXPECT_THAT(fault_of("default = 1\n"), HasSubstr("p.toml:1: default"));
  EXPECT_THAT(fault_of("profiles = 1\n"), HasSubstr("tables"));
  EXPECT_THAT(fault_of("[profiles]\na = 1\n"), HasSubstr("p.toml:2: profiles.a: expected a table"));
  EXPECT_THAT(fault_of("[profiles.a]\n"), HasSubstr("api is missing"));
  EXPECT_THAT(fault_of("[profiles.a]\napi = 1\n"), HasSubstr("got a whole number"));
  EXPECT_THAT(fault_of("[profiles.a]\napi = \"http://h\"\ntoken = \"x\"\n"), HasSubstr("p.toml:3: profiles.a.token"));
  EXPECT_THAT(fault_of("[profiles.\"a b\"]\napi = \"http://h\"\n"), HasSubstr("name"));
  EXPECT_THAT(fault_of("[profiles.a]\napi = \"http://h\"\napi = \"http://i\"\n"), HasSubstr("p.toml:3: toml"));
}

TEST(ParseProfiles, NeverShowsAKey) {
  EXPECT_THAT(fault_of("[profiles.a]\napi = \"http://h\"\nkey = \"secret word\"\n"),
              AllOf(HasSubstr("visible"), Not(HasSubstr("secret"))));
  EXPECT_THAT(fault_of("[profiles.a]\napi = \"http://h\"\nkey = \"x\\r\\nsecret\"\n"), Not(HasSubstr("secret")));
  EXPECT_THAT(fault_of("[profiles.a]\nkey = \"secret\"\n"), Not(HasSubstr("secret")));
}

TEST(ParseProfiles, IsBounded) {
  EXPECT_THAT(fault_of(std::string(100000, '\n')), HasSubstr("larger"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += "[profiles.p" + std::to_string(i) + "]\napi = \"http://h\"\n";
  EXPECT_THAT(fault_of(many), HasSubstr("too many"));
  EXPECT_THAT(fault_of("[profiles.a]\napi = \"http://h\"\nkey = \"" + std::string(600, 'k') + "\"\n"),
              HasSubstr("512"));
}

TEST(CheckedAddress, TakesAddressesOfHttpOnly) {
  EXPECT_EQ(checked_address("http://127.0.0.1:9090"), "http://127.0.0.1:9090");
  EXPECT_EQ(checked_address("https://edge.example/behind/a/proxy/"), "https://edge.example/behind/a/proxy");
  EXPECT_EQ(checked_address("http://[::1]:9090"), "http://[::1]:9090");
  for (const char* text : {"", "127.0.0.1:9090", "file:///etc/passwd", "ftp://h", "http://", "http://h:99999999",
                           "http://h/?a=b", "http://h/#a", "http://h\r\nX: y", "http://h h", "HTTP:h"}) {
    EXPECT_FALSE(checked_address(text)) << text;
  }
}

TEST(CheckedAddress, DoesNotShowAPasswordBack) {
  EXPECT_THAT(checked_address("http://me:secret@h").error().message, Not(HasSubstr("secret")));
}

TEST_F(ChooseTarget, PrefersFlagsToTheEnvironmentAndBothToTheFile) {
  EXPECT_EQ(chosen({.api = "http://a", .profile = "edge-1", .env_api = "http://b"}).address, "http://a");
  EXPECT_EQ(chosen({.profile = "edge-1", .env_api = "http://b"}).address, "https://edge-1.example:9090");
  EXPECT_EQ(chosen({.env_api = "http://b", .env_profile = "edge-1"}).address, "http://b");
  EXPECT_EQ(chosen({.env_profile = "edge-1"}).address, "https://edge-1.example:9090");
  EXPECT_EQ(chosen({}).address, "http://127.0.0.1:9191");
}

TEST_F(ChooseTarget, SendsAProfilesKeyToItsOwnAddressOnly) {
  EXPECT_EQ(chosen({.profile = "edge-1"}).key, "sesame");
  EXPECT_EQ(chosen({.api = "http://a", .profile = "edge-1"}).key, "");
  EXPECT_EQ(chosen({.env_api = "http://b", .env_profile = "edge-1"}).key, "");
  EXPECT_EQ(chosen({.api = "http://a", .env_key = "mine"}).key, "mine");
  EXPECT_THAT(refused({.env_key = "a b"}), AllOf(HasSubstr("SECBEAT_KEY"), Not(HasSubstr("a b:"))));
}

TEST_F(ChooseTarget, WarnsOfAKeyThatOthersMayRead) {
  EXPECT_THAT(chosen({.profile = "edge-1"}).warnings, IsEmpty());
  ::chmod(file_.c_str(), 0644);
  EXPECT_THAT(chosen({.profile = "edge-1"}).warnings,
              ElementsAre(AllOf(HasSubstr("chmod 600"), Not(HasSubstr("sesame")))));
}

TEST_F(ChooseTarget, ReadsKeyFilesAndPrefersTheFlagToTheEnvironmentAndBothToTheProfile) {
  const std::string key_file = file_.string() + ".key";
  std::ofstream(key_file) << "from-a-file \r\nwhat follows is not read\n";
  ::chmod(key_file.c_str(), 0600);
  EXPECT_EQ(chosen({.profile = "edge-1", .key_file = key_file, .env_key = "mine"}).key, "from-a-file");
  EXPECT_EQ(chosen({.profile = "edge-1", .env_key = "mine"}).key, "mine");
  std::ofstream(file_) << "[profiles.a]\napi = \"https://h\"\nca = \"ca.pem\"\nkey_file = \""
                       << std::filesystem::path(key_file).filename().string() << "\"\n";
  const Target target = chosen({.profile = "a"});
  EXPECT_EQ(target.key, "from-a-file");
  EXPECT_EQ(target.ca, file_.parent_path() / "ca.pem");
  EXPECT_THAT(target.warnings, IsEmpty());
  EXPECT_EQ(chosen({.profile = "a", .env_ca = "env.pem"}).ca, "env.pem");
  EXPECT_EQ(chosen({.profile = "a", .ca = "flag.pem", .env_ca = "env.pem"}).ca, "flag.pem");
  ::chmod(key_file.c_str(), 0640);
  EXPECT_THAT(chosen({.profile = "a"}).warnings, ElementsAre(HasSubstr("chmod 600")));
  std::ofstream(key_file) << "not a key\n";
  EXPECT_THAT(refused({.key_file = key_file}), AllOf(HasSubstr("no key"), Not(HasSubstr("not a key"))));
  std::filesystem::remove(key_file);
  EXPECT_THAT(refused({.key_file = key_file}), HasSubstr(key_file));
}

TEST_F(ChooseTarget, WarnsOfAKeyThatTravelsInClear) {
  for (const char* address : {"http://192.0.2.1:9090", "http://edge-1.example", "http://[2001:db8::1]:9090",
                              "http://127.0.0.1.example:9090", "http://localhost.example"}) {
    EXPECT_THAT(chosen({.api = address, .env_key = "mine"}).warnings, ElementsAre(HasSubstr("unencrypted"))) << address;
    EXPECT_THAT(chosen({.api = address}).warnings, IsEmpty()) << address;
  }
  for (const char* address :
       {"https://edge-1.example", "http://127.0.0.1:9090", "http://localhost:1", "http://[::1]:1"}) {
    EXPECT_THAT(chosen({.api = address, .env_key = "mine"}).warnings, IsEmpty()) << address;
  }
}

TEST_F(ChooseTarget, NamesTheProfilesThereAre) {
  EXPECT_THAT(refused({.profile = "nowhere"}), AllOf(HasSubstr("nowhere"), HasSubstr("edge-1, local")));
}

TEST_F(ChooseTarget, DoesNotReadAFileThatItDoesNotNeed) {
  std::ofstream(file_) << "broken";
  EXPECT_EQ(chosen({.api = "http://a"}).address, "http://a");
  EXPECT_THAT(refused({}), HasSubstr(":1: toml"));
}

TEST(ChooseTargetWithoutFile, IsTheDefaultUnlessAProfileIsNamed) {
  EXPECT_EQ(choose_target({.file = "/nonexistent/profile.toml"})->address, kDefaultAddress);
  EXPECT_EQ(choose_target({})->address, kDefaultAddress);
  EXPECT_FALSE(choose_target({.profile = "a", .file = "/nonexistent/profile.toml"}));
}

}  // namespace
}  // namespace secbeat::cli
