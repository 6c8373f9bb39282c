// Keys as PEM, and the folder of trusted ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// openssl genpkey -algorithm ed25519 | openssl pkey -pubout; the same for rsa.
constexpr const char* kEd25519 =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC "
    "KEY-----\n";
constexpr const char* kX25519 =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC "
    "KEY-----\n";

class TrustedKeysTest : public ::testing::Test {
 protected:
  TrustedKeysTest() {
    std::string pattern = fs::temp_directory_path() / "secbeat-keys-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~TrustedKeysTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  void put(const std::string& name, std::string_view text, mode_t mode = 0644) const {
    ASSERT_TRUE(write_file_atomically(folder_ / name, text, mode));
  }
  fs::path folder_;
};

TEST(SigningKeyTest, SurvivesItsJourneyAsPem) {
  const SigningKey key = SigningKey::generate().value();
  const auto secret = SigningKey::secret_from_pem(key.secret_pem().value());
  const auto open = SigningKey::public_from_pem(key.public_pem().value());
  ASSERT_TRUE(secret && open);
  EXPECT_EQ(secret->id(), key.id());
  EXPECT_EQ(open->id(), key.id());
  EXPECT_EQ(key.id().size(), 16U);
}

TEST(SigningKeyTest, HasTheIdThatItsBytesGiveIt) {
  const auto key = SigningKey::public_from_pem(kEd25519);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->id(), SigningKey::public_from_pem(key->public_pem().value())->id());
  EXPECT_NE(key->id(), SigningKey::generate()->id());
}

TEST(SigningKeyTest, OfAnotherKindIsRefused) {
  for (const std::string_view pem :
       {std::string_view(kX25519), std::string_view(""), std::string_view("hello"),
        std::string_view("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        std::string_view("-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
                         "DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END PUBLIC KEY-----\n")}) {
    EXPECT_FALSE(SigningKey::public_from_pem(pem)) << pem;
  }
  const std::string secret = SigningKey::generate()->secret_pem().value();
  EXPECT_FALSE(SigningKey::public_from_pem(secret)) << "a secret key is not to lie on a node";
  EXPECT_FALSE(SigningKey::secret_from_pem(kEd25519));
}

TEST_F(TrustedKeysTest, AreThoseOfTheFolder) {
  const SigningKey first = SigningKey::generate().value();
  const SigningKey second = SigningKey::generate().value();
  put("a.pub", first.public_pem().value());
  put("b.pub", second.public_pem().value());
  put("c.txt", "not looked at");
  const auto trusted = read_trusted_keys(folder_);
  ASSERT_TRUE(trusted);
  ASSERT_EQ(trusted->keys.size(), 2U);
  EXPECT_EQ(trusted->keys[0].id(), first.id());
  EXPECT_EQ(trusted->keys[1].id(), second.id());
  EXPECT_THAT(trusted->problems, IsEmpty());
}

TEST_F(TrustedKeysTest, AFileThatIsNoKeyIsToldAndTheOthersCount) {
  put("a.pub", "hello");
  put("b.pub", kEd25519);
  put("c.pub", kX25519);
  put("d.pub", std::string(100000, 'x'));
  fs::create_directory(folder_ / "e.pub");
  fs::create_symlink(folder_ / "nowhere", folder_ / "f.pub");
  const auto trusted = read_trusted_keys(folder_);
  ASSERT_TRUE(trusted);
  EXPECT_EQ(trusted->keys.size(), 1U);
  EXPECT_THAT(trusted->problems, ElementsAre(HasSubstr("a.pub does not count"), HasSubstr("c.pub"), HasSubstr("d.pub"),
                                             HasSubstr("e.pub"), HasSubstr("f.pub")));
}

TEST_F(TrustedKeysTest, ThatOthersCouldHaveChangedDoNotCount) {
  put("a.pub", kEd25519, 0666);
  const auto trusted = read_trusted_keys(folder_);
  ASSERT_TRUE(trusted);
  EXPECT_THAT(trusted->keys, IsEmpty());
  EXPECT_THAT(trusted->problems, ElementsAre(HasSubstr("can be written by everybody")));
  ::chmod(folder_.c_str(), 0777);
  EXPECT_THAT(read_trusted_keys(folder_).error().message, HasSubstr("can be written by everybody"));
}

TEST_F(TrustedKeysTest, ThatAGroupCouldHaveChangedCountOnlyWhereItIsOurs) {
  put("a.pub", kEd25519, 0664);
  EXPECT_EQ(read_trusted_keys(folder_)->keys.size(), 1U) << "of our own group";
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a folder to a group";
  const gid_t others = ::getpwnam("www-data")->pw_gid;
  ASSERT_EQ(::chown((folder_ / "a.pub").c_str(), static_cast<uid_t>(-1), others), 0);
  EXPECT_THAT(read_trusted_keys(folder_)->problems, ElementsAre(HasSubstr("can be written by its group")));
  ::chmod((folder_ / "a.pub").c_str(), 0644);
  EXPECT_EQ(read_trusted_keys(folder_)->keys.size(), 1U);
  ::chmod(folder_.c_str(), 0775);
  EXPECT_EQ(read_trusted_keys(folder_)->keys.size(), 1U);
  ASSERT_EQ(::chown(folder_.c_str(), static_cast<uid_t>(-1), others), 0);
  EXPECT_THAT(read_trusted_keys(folder_).error().message, HasSubstr("can be written by its group"));
}

TEST_F(TrustedKeysTest, OfAnotherUserDoNotCount) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a folder away";
  put("a.pub", kEd25519);
  const uid_t nobody = ::getpwnam("nobody")->pw_uid;
  ASSERT_EQ(::chown((folder_ / "a.pub").c_str(), nobody, static_cast<gid_t>(-1)), 0);
  EXPECT_THAT(read_trusted_keys(folder_)->problems, ElementsAre(HasSubstr("belongs to another user")));
  ASSERT_EQ(::chown(folder_.c_str(), nobody, static_cast<gid_t>(-1)), 0);
  EXPECT_THAT(read_trusted_keys(folder_).error().message, HasSubstr("belongs to another user"));
}

TEST_F(TrustedKeysTest, OfNoFolderAreAnError) {
  const auto trusted = read_trusted_keys(folder_ / "none");
  ASSERT_FALSE(trusted);
  EXPECT_EQ(trusted.error().code, ErrorCode::kConfig);
  EXPECT_THAT(trusted.error().message, HasSubstr("trusted_keys"));
}

}  // namespace
}  // namespace secbeat::agent
