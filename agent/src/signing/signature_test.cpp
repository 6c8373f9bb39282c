// The text of a signature, and what it is checked against.
#include "secbeat/agent/signature.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kSignedAt = "2025-11-24T01:00:03Z";
const SystemTime kSignedMoment{std::chrono::sys_days(std::chrono::year(2025) / 11 / 24) + std::chrono::seconds(3603)};

class SignatureTest : public ::testing::Test {
 protected:
  [[nodiscard]] Signature signature(const std::string& module = "rules") const {
    Signature signature{
        .module = module, .sha256 = sha256_hex("bytes"), .signed_at = std::string(kSignedAt), .key_id = key_.id()};
    EXPECT_TRUE(key_.sign(signature));
    return signature;
  }
  [[nodiscard]] std::string refusal(const Signature& signature, std::string_view name = "rules",
                                    std::string_view bytes = "bytes", SystemTime now = kSignedMoment) const {
    const std::string sha256 = sha256_hex(bytes);
    const auto checked = check_signature(signature, {.module = name, .sha256 = sha256}, trusted_, now);
    if (checked) return "good";
    EXPECT_EQ(checked.error().code, ErrorCode::kBadSignature);
    return checked.error().message;
  }

  SigningKey key_ = SigningKey::generate().value();
  TrustedKeys trusted_{.keys = {SigningKey::generate().value(), key_}, .problems = {"old.pub does not count: why"}};
};

TEST_F(SignatureTest, HoldsForItsBytesUnderItsNameByItsKey) { EXPECT_EQ(refusal(signature()), "good"); }

TEST_F(SignatureTest, SurvivesItsJourneyAsText) {
  const auto read = signature_from_text(to_text(signature()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, signature());
  EXPECT_EQ(refusal(*read), "good");
}

TEST_F(SignatureTest, SignsAllThatItSays) {
  const auto changed = [&](auto member, const char* to) {
    Signature other = signature();
    other.*member = to;
    return refusal(other, other.module);
  };
  EXPECT_THAT(changed(&Signature::module, "other"), HasSubstr("changed"));
  EXPECT_THAT(changed(&Signature::signed_at, "2026-01-01T00:00:00Z"), HasSubstr("changed"));
  EXPECT_THAT(changed(&Signature::sha256, std::string(64, 'a').c_str()), HasSubstr("changed"));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature other = signature();
    other.bytes[bit / 8] = static_cast<unsigned char>(other.bytes[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_NE(refusal(other), "good") << bit;
  }
}

TEST_F(SignatureTest, IsForNoOtherBytesAndNoOtherName) {
  EXPECT_THAT(refusal(signature(), "rules", "others"), HasSubstr("for other bytes"));
  EXPECT_THAT(refusal(signature(), "other"), HasSubstr("for the name rules"));
}

TEST_F(SignatureTest, ByAKeyThatIsNotTrustedNamesTheKeysThatAre) {
  trusted_.keys.pop_back();
  EXPECT_THAT(refusal(signature()), HasSubstr(fmt::format("by the key {}, which this node does not trust; it trusts "
                                                          "{} (old.pub does not count: why)",
                                                          key_.id(), trusted_.keys.front().id())));
  trusted_ = {};
  EXPECT_THAT(refusal(signature()), HasSubstr("it trusts none"));
}

TEST_F(SignatureTest, ByAnotherKeyUnderTheNameOfATrustedOneIsRefused) {
  const SigningKey other = SigningKey::generate().value();
  Signature forged = signature();
  ASSERT_TRUE(other.sign(forged));
  EXPECT_THAT(refusal(forged), HasSubstr("is not by the key"));
}

TEST_F(SignatureTest, FromTheFutureIsRefusedAndAClockMayBeAFewMinutesOff) {
  EXPECT_EQ(refusal(signature(), "rules", "bytes", kSignedMoment - std::chrono::minutes(9)), "good");
  EXPECT_THAT(refusal(signature(), "rules", "bytes", kSignedMoment - std::chrono::hours(1)),
              HasSubstr("still to come"));
}

TEST_F(SignatureTest, ThatIsWrittenInAnyOtherWayIsRefused) {
  const std::string good = to_text(signature());
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::vector<std::string> broken{
      "",
      "\n",
      "secbeat-signature-1",
      good + " ",
      good + "\n",
      "\n" + good,
      good.substr(0, good.size() - 1),
      with("secbeat-signature-1\n", "secbeat-signature-2\n"),
      with("secbeat-signature-1\n", "secbeat-signature-1 \n"),
      with("secbeat-signature-1\n", "secbeat-signature-1\r\n"),
      with("module: rules", "module: ../rules"),
      with("module: rules", "module: "),
      with("module: rules", "module:  rules"),
      with("module: rules", "module: " + std::string(65, 'a')),
      with("module: rules\n", "module: rules\nmodule: rules\n"),
      with("module: rules\n", ""),
      with("sha256: ", "sha256: A"),
      with("2025-11-24T01:00:03Z", "2025-11-24T01:00:03+00:00"),
      with("2025-11-24T01:00:03Z", "2025-13-24T01:00:03Z"),
      with("2025-11-24T01:00:03Z", "2025-02-30T01:00:03Z"),
      with("2025-11-24T01:00:03Z", "2025-11-24T25:00:03Z"),
      with("2025-11-24T01:00:03Z", std::string("2025-11-24T01:00:0\0Z", 20)),
      with("key: ", "key: g"),
      with("==\n", "=\n"),
      with("==\n", "==AAAA\n"),
      with("signature: ", "signature: A"),
      std::string(kMaxSignatureBytes + 1, 'x'),
      std::string(kMaxSignatureBytes, '\n'),
      std::string(kMaxSignatureBytes, '\0'),
  };
  for (const std::string& text : broken) {
    const auto read = signature_from_text(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kBadSignature);
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(signature_from_text(std::string_view(good).substr(0, length))) << length;
  }
}

TEST_F(SignatureTest, NamesTheLineThatIsWrong) {
  EXPECT_THAT(signature_from_text("secbeat-signature-1\nmodule: /\n").error().message,
              HasSubstr("line 2 should have a module's name"));
  EXPECT_THAT(signature_from_text("hello\n").error().message, HasSubstr("line 1 should begin with"));
}

}  // namespace
}  // namespace secbeat::agent
