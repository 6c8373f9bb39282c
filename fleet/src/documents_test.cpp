#include "secbeat/fleet/documents.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const VersionRef kVersion{.label = "v2",
                          .sha256 = std::string(64, 'a'),
                          .size_bytes = 87040,
                          .config_sha256 = std::string(64, 'b'),
                          .config_size_bytes = 12};

Desired desired() {
  return {.revision = 7,
          .modules = {{.name = "universal-waf",
                       .version = kVersion,
                       .revision = 7,
                       .before = {kVersion, kVersion},
                       .after = {kVersion}}}};
}

NodeStatus status() {
  return {.node = "node-1",
          .labels = {{"region", "eu"}},
          .build = "0.1.0",
          .reported_at = "2025-11-24T01:00:03Z",
          .ready = true,
          .modules = {{.name = "universal-waf",
                       .version = kVersion,
                       .reached = 7,
                       .highest_label = 3,
                       .drift = "frozen",
                       .counts = Counts{.inspected = 7, .blocked = 1, .p99_ns = 9}}}};
}

Order order() {
  return {.rollout = "r1",
          .module = "universal-waf",
          .version = kVersion,
          .revision = 8,
          .expected_version = "v1",
          .forced = true,
          .reason = "because",
          .by = "ops"};
}

OrderAnswer answer() {
  return {.node = "node-1",
          .rollout = "r1",
          .progress = Progress::kFailed,
          .error = "Reload timed out after 30s",
          .code = "compile_timeout",
          .downtime_ms = 3,
          .unchanged = true};
}

TEST(FleetDocuments, ReadsWhatItWrites) {
  EXPECT_EQ(desired_from_json(to_json(desired())).value(), desired());
  EXPECT_EQ(node_status_from_json(to_json(status())).value(), status());
  EXPECT_EQ(order_from_json(to_json(order())).value(), order());
  EXPECT_EQ(order_answer_from_json(to_json(answer())).value(), answer());
}

TEST(FleetDocuments, ReadsTheNextFormatAndIgnoresWhatItDoesNotKnow) {
  Json json = Json::parse(to_json(desired()));
  json["format"] = kFormat + 1;
  json["colour"] = "green";
  json["modules"][0]["shape"] = {1, 2};
  EXPECT_EQ(desired_from_json(json.dump()).value(), desired());
  json["format"] = kFormat + 2;
  EXPECT_THAT(desired_from_json(json.dump()).error().message, HasSubstr("desired.format: this build reads formats"));
}

TEST(FleetDocuments, KeepsWhoVouchesForAVersion) {
  Desired with = desired();
  with.modules[0].version.signature = with.modules[0].before[1].signature = "secbeat-signature-1\nmodule: waf\n";
  const auto read = desired_from_json(to_json(with));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->modules[0].version.signature, with.modules[0].version.signature);
  EXPECT_EQ(read->modules[0].before[0].signature, "");
  EXPECT_EQ(read->modules[0].before[1].signature, with.modules[0].version.signature);
  Json json = Json::parse(to_json(with));
  json["modules"][0]["signature"] = std::string(kMaxSignatureText + 1, 'x');
  EXPECT_FALSE(desired_from_json(json.dump()));
}

// Its rollbacks are forced, and it does not say what is one.
TEST(FleetDocuments, ReadsOrdersOfTheVersionBefore) {
  Json json = Json::parse(to_json(order()));
  EXPECT_FALSE(order_from_json(json.dump())->rollback);
  json.erase("rollback");
  EXPECT_TRUE(order_from_json(json.dump())->rollback);
  json["forced"] = false;
  EXPECT_FALSE(order_from_json(json.dump())->rollback);
}

TEST(FleetDocuments, ReadsANodeThatDoesNotCount) {
  NodeStatus silent = status();
  silent.modules[0].counts.reset();
  EXPECT_EQ(node_status_from_json(to_json(silent)).value(), silent);
}

struct Refused {
  const char* name;
  const char* pointer;  // of the member that is replaced; its place
  Json value;
  const char* message;
};

TEST(FleetDocuments, TellsWhatIsWrongAndWhere) {
  const Refused refused[] = {
      {"no object", "", Json::array(), "expected an object"},
      {"number as text", "/revision", "7", "desired.revision: expected a whole number"},
      {"negative number", "/revision", -1, "desired.revision: expected a whole number"},
      {"number that JSON readers do not hold", "/revision", 1e19, "expected a whole number"},
      {"name with a space", "/modules/0/name", "a b", "desired.modules[0].name: expected a name"},
      {"name with a wildcard", "/modules/0/name", ">", "expected a name"},
      {"short checksum", "/modules/0/sha256", "aa", "desired.modules[0].sha256: expected 64"},
      {"path as checksum", "/modules/0/config_sha256", "../../etc/passwd", "desired.modules[0].config_sha256"},
      {"long label", "/modules/0/version", std::string(129, 'v'), "at most 128 bytes"},
      {"list that is none", "/modules", 5, "desired.modules: expected a list"},
      {"module newer than its document", "/modules/0/revision", 8, "newer than the document"},
  };
  for (const Refused& one : refused) {
    Json json = Json::parse(to_json(desired()));
    json[Json::json_pointer(one.pointer)] = one.value;
    const auto read = desired_from_json(json.dump());
    ASSERT_FALSE(read) << one.name;
    EXPECT_EQ(read.error().code, ErrorCode::kProtocol) << one.name;
    EXPECT_THAT(read.error().message, HasSubstr(one.message)) << one.name;
  }
}

TEST(FleetDocuments, RefusesWhatIsCutTooDeepOrTooLong) {
  const std::string text = to_json(desired());
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(desired_from_json(text.substr(0, length))) << length;
  }
  EXPECT_FALSE(desired_from_json(std::string(100000, '[')));
  EXPECT_FALSE(desired_from_json(std::string(kMaxDocumentBytes + 1, ' ')));
  Json many = Json::parse(text);
  many["modules"] = Json(kMaxListed + 1, Json::object());
  EXPECT_FALSE(desired_from_json(many.dump()));
}

TEST(FleetDocuments, WritesNoTextThatItWouldNotRead) {
  OrderAnswer long_answer = answer();
  long_answer.error = std::string(100000, '\xff');
  EXPECT_TRUE(order_answer_from_json(to_json(long_answer)));
  NodeStatus long_status = status();
  long_status.modules[0].drift = std::string(100000, '\xff');
  EXPECT_TRUE(node_status_from_json(to_json(long_status)));
}

TEST(FleetNames, KnowsWhatCanBeAKey) {
  for (const char* good : {"a", "node-1", "eu.west_2", "A.b-c"}) EXPECT_TRUE(is_key(good)) << good;
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a b", "*", "a.>", "ä", "a/b"}) EXPECT_FALSE(is_key(bad)) << bad;
  EXPECT_FALSE(is_key(std::string(129, 'a')));
}

}  // namespace
}  // namespace secbeat::fleet
