// Signed modules: what an upload, a changed file and a start need where signatures are required.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "reloader_test_support.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NodeTest;
using testing::wasm;

class ReloaderSignatureTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    config_.trusted_keys = folder_ / "keys";
    std::filesystem::create_directory(config_.trusted_keys);
    trust("release", key_);
    config_.require_signature = true;
  }
  void trust(const std::string& name, const SigningKey& key) const {
    ASSERT_TRUE(write_file_atomically(config_.trusted_keys / (name + ".pub"), key.public_pem().value()));
  }
  // The text of a signature made now.
  [[nodiscard]] std::string signature_of(const std::string& bytes, const std::string& name = "waf",
                                         const SigningKey* key = nullptr) const {
    const SigningKey& signer = key == nullptr ? key_ : *key;
    Signature signature{
        .module = name, .sha256 = sha256_hex(bytes), .signed_at = rfc3339(clock_.now()), .key_id = signer.id()};
    EXPECT_TRUE(signer.sign(signature));
    return to_text(signature);
  }
  // waf.wasm of the configuration, with its signature beside it.
  void open_signed() {
    const std::string bytes = read_file(config_.modules.front().module, 1U << 20U).value();
    ASSERT_TRUE(write_file_atomically(signature_path(config_.modules.front().module), signature_of(bytes)));
    open_or_fail();
  }
  Outcome<ReloadResult> upload_with(const std::string& bytes, const std::optional<std::string>& signature,
                                    Mode mode = Mode::kApply) {
    Upload upload;
    upload.file = bytes;
    upload.name = "waf";
    upload.signature = signature;
    upload.mode = mode;
    return reloader_->reload(upload);
  }

  SigningKey key_ = SigningKey::generate().value();
};

TEST_F(ReloaderSignatureTest, AFleetThatChangesConfigurationOrRulesAloneNeedsNoSignature) {
  write("waf.wasm", wasm({.salt = "first", .configure = true}));
  open_signed();
  const std::string served = read_file(config_.modules.front().module, 1U << 20U).value();
  for (const auto kind : {UploadKind::kFleet, UploadKind::kFleetRules}) {
    Upload upload;
    upload.kind = kind;
    upload.name = "waf";
    upload.file = served;
    upload.config = kind == UploadKind::kFleet ? R"({"a":1})" : R"({"a":2})";
    const auto done = reloader_->reload(upload);
    EXPECT_TRUE(done) << done.error().error.message;
    upload.file = wasm({.salt = "other", .configure = true});
    const auto refused = reloader_->reload(upload);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kSignatureRequired);
  }
}

TEST_F(ReloaderSignatureTest, ASignedModuleComesIntoForceAndTheHistorySaysWhoSigned) {
  open_signed();
  EXPECT_EQ(history()[0].signed_by, key_.id()) << "the first one is signed as well";
  const std::string second = wasm({.salt = "2"});
  const auto done = upload_with(second, signature_of(second));
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_EQ(done->signed_by, key_.id());
  EXPECT_EQ(serving(), "v2");
  EXPECT_EQ(history()[0].signed_by, key_.id());
  const auto known = reloader_->versions("waf", Page{});
  EXPECT_EQ(known->versions[0].signed_by, key_.id());
  EXPECT_EQ(known->versions[0].signature, signature_of(second));
  reopen();
  EXPECT_EQ(history()[0].signed_by, key_.id());
}

TEST_F(ReloaderSignatureTest, AModuleThatIsNotSignedIsRefusedAlsoByForceAndInADryRun) {
  open_signed();
  Upload upload;
  upload.file = wasm({.salt = "2"});
  upload.name = "waf";
  upload.gates = Gates::kForced;
  for (const Mode mode : {Mode::kApply, Mode::kDryRun}) {
    upload.mode = mode;
    const auto refused = reloader_->reload(upload);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kSignatureRequired);
    EXPECT_EQ(refused.error().current_version, "v1");
  }
  EXPECT_EQ(told(), "reload v1 signature_required; load v1 success");
  EXPECT_EQ(history()[0].signed_by, "");
}

TEST_F(ReloaderSignatureTest, ASignatureOfOtherBytesOfAnotherNameOrByAStrangerIsRefused) {
  open_signed();
  const std::string second = wasm({.salt = "2"});
  const SigningKey stranger = SigningKey::generate().value();
  for (const std::string& bad : {signature_of(wasm({.salt = "3"})), signature_of(second, "other"),
                                 signature_of(second, "waf", &stranger), std::string("hello"), std::string()}) {
    const auto refused = upload_with(second, bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kBadSignature) << bad;
  }
  EXPECT_EQ(serving(), "v1");
}

TEST_F(ReloaderSignatureTest, KeysCountFromTheMomentTheyAreThereUntilTheyAreGone) {
  open_signed();
  const SigningKey next = SigningKey::generate().value();
  const std::string second = wasm({.salt = "2"});
  EXPECT_FALSE(upload_with(second, signature_of(second, "waf", &next)));
  trust("next", next);
  EXPECT_TRUE(upload_with(second, signature_of(second, "waf", &next)));
  std::filesystem::remove(config_.trusted_keys / "release.pub");
  const std::string third = wasm({.salt = "3"});
  EXPECT_EQ(upload_with(third, signature_of(third)).error().error.code, ErrorCode::kBadSignature);
  EXPECT_TRUE(upload_with(third, signature_of(third, "waf", &next)));
}

TEST_F(ReloaderSignatureTest, AnOlderSignatureDoesNotBringBackWhatWasReplaced) {
  open_signed();
  const std::string second = wasm({.salt = "2"});
  const std::string old_signature = signature_of(second);
  ASSERT_TRUE(upload_with(second, old_signature));
  clock_.advance(std::chrono::seconds(10));
  const std::string third = wasm({.salt = "3"});
  ASSERT_TRUE(upload_with(third, signature_of(third)));
  for (int start = 0; start < 2; ++start) {
    const auto refused = upload_with(second, old_signature);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::kBadSignature);
    EXPECT_THAT(refused.error().error.message, HasSubstr("signed later"));
    reopen();
  }
  EXPECT_TRUE(roll_back()) << "a rollback needs no signature";
  EXPECT_EQ(serving(), "v2");
  EXPECT_TRUE(upload_with(second, old_signature)->unchanged) << "what serves is no older version";
  ASSERT_TRUE(upload_with(third, signature_of(third)));
  EXPECT_TRUE(upload_with(second, signature_of(second))) << "signed again, it is a new decision";
}

TEST_F(ReloaderSignatureTest, BytesThatNeverServedForbidNoEarlierSignature) {
  open_signed();
  const std::string second = wasm({.salt = "2"});
  const std::string earlier = signature_of(second);
  clock_.advance(std::chrono::seconds(10));
  const std::string third = wasm({.salt = "3"});
  hub_.on_commit = [](std::uint64_t) {
    return std::vector<WorkerFailure>{
        {.pid = 100, .module = "waf", .error = {ErrorCode::kMemoryLimit, "no memory"}, .late = false}};
  };
  EXPECT_FALSE(upload_with(third, signature_of(third)));
  hub_.on_commit = nullptr;
  reopen();
  EXPECT_TRUE(upload_with(second, earlier));
}

TEST_F(ReloaderSignatureTest, AConfigurationNeedsNoSignature) {
  const std::string bytes = wasm({.configure = true});
  ASSERT_TRUE(write_file_atomically(config_.modules.front().module, bytes));
  open_signed();
  EXPECT_TRUE(configure("{}", "waf"));
}

TEST_F(ReloaderSignatureTest, AStartNeedsTheSignatureBesideTheModule) {
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSignatureRequired);
  EXPECT_THAT(refused.error().message, HasSubstr("FILE.sig"));
  open_signed();
  EXPECT_EQ(serving(), "v1");
}

TEST_F(ReloaderSignatureTest, WhatWasInForceBeforeOneWasRequiredStays) {
  config_.require_signature = false;
  open_or_fail();
  config_.require_signature = true;
  reopen();
  EXPECT_EQ(serving(), "v1");
}

TEST_F(ReloaderSignatureTest, WhereItIsNotRequiredOneThatIsGivenMustHold) {
  config_.require_signature = false;
  open_or_fail();
  const std::string second = wasm({.salt = "2"});
  EXPECT_EQ(upload_with(second, signature_of(wasm({.salt = "3"}))).error().error.code, ErrorCode::kBadSignature);
  EXPECT_TRUE(upload_with(second, std::nullopt));
}

TEST_F(ReloaderSignatureTest, WhereNoKeyIsTrustedAWarningSaysThatItWasNotChecked) {
  config_.require_signature = false;
  config_.trusted_keys.clear();
  open_or_fail();
  const std::string second = wasm({.salt = "2"});
  const auto done = upload_with(second, signature_of(second));
  ASSERT_TRUE(done) << done.error().error.message;
  EXPECT_THAT(done->warnings, ElementsAre(HasSubstr("was not checked")));
  EXPECT_EQ(done->signed_by, "");
}

TEST_F(ReloaderSignatureTest, AFolderThatOthersCanWriteVouchesForNobody) {
  open_signed();
  ASSERT_EQ(::chmod(config_.trusted_keys.c_str(), 0777), 0);
  const std::string second = wasm({.salt = "2"});
  const auto refused = upload_with(second, signature_of(second));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::kBadSignature);
  EXPECT_THAT(refused.error().error.message, HasSubstr("can be written by everybody"));
}

}  // namespace
}  // namespace secbeat::agent
