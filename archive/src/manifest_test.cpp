// Manifests, as written and as others may have made them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "archive_names.hpp"
#include "secbeat/archive/manifest.hpp"

namespace secbeat::archive {
namespace {

using ::testing::HasSubstr;

Manifest example() {
  return {.node = "node-1",
          .record = {.module = "bad-bot-blocker",
                     .label = "1.4.2+2",
                     .sha256 = std::string(64, 'a'),
                     .size_bytes = 87040,
                     .config_sha256 = std::string(64, 'b'),
                     .created_at = "2025-11-24T01:00:03Z",
                     .signature = "secbeat-signature-1\nmodule: bad-bot-blocker\n",
                     .times = {{.since = "2025-11-24T01:00:03Z",
                                .generation = 7,
                                .kind = "reload",
                                .reason = "ticket \"4711\"",
                                .by = "api",
                                .request_id = "r-1"}}},
          .config_size_bytes = 12};
}

std::string text_with(const std::string& from, const std::string& to) {
  std::string text = to_json(example());
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

std::string fault(const std::string& text) {
  const auto manifest = manifest_from_json(text);
  if (manifest) return "taken";
  EXPECT_EQ(manifest.error().code, ErrorCode::kProtocol);
  return manifest.error().message;
}

TEST(Manifest, IsReadAsItWasWritten) {
  const auto manifest = manifest_from_json(to_json(example()));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(*manifest, example());
}

TEST(Manifest, OfALaterBuildMayHoldMore) {
  EXPECT_EQ(fault(text_with("\"format\": 1,", "\"format\": 1, \"later\": \"x\",")), "taken");
  EXPECT_THAT(fault(text_with("\"format\": 1,", "\"format\": 2,")), HasSubstr("this build reads format 1 only"));
}

TEST(Manifest, MayHoldASignatureThatIsAShortText) {
  Manifest unsigned_one = example();
  unsigned_one.record.signature.clear();
  EXPECT_EQ(manifest_from_json(to_json(unsigned_one)).value(), unsigned_one) << "as earlier builds wrote it";
  EXPECT_THAT(fault(text_with("secbeat-signature-1", std::string(2000, 'x'))), HasSubstr("signature: expected a text"));
  EXPECT_THAT(fault(text_with("\"secbeat-signature-1\\nmodule: bad-bot-blocker\\n\"", "7")), HasSubstr("signature"));
}

TEST(Manifest, ThatIsTruncatedIsAFaultAtEachLength) {
  const std::string whole = to_json(example());
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
    EXPECT_THAT(fault(whole.substr(0, length)), HasSubstr("no JSON at byte")) << length;
  }
}

TEST(Manifest, OfWrongTypesNamesTheFirstOne) {
  EXPECT_EQ(fault("[]"), "the manifest: expected an object");
  EXPECT_EQ(fault("{}"), "format: missing");
  EXPECT_EQ(fault(text_with("87040", "\"87040\"")), "size_bytes: expected a whole number");
  EXPECT_EQ(fault(text_with("87040", "-1")), "size_bytes: expected a whole number");
  EXPECT_EQ(fault(text_with("87040", "1e400")), "no JSON: a number is out of range");
  EXPECT_EQ(fault(text_with("\"generation\": 7", "\"generation\": null")),
            "in_force[0].generation: expected a whole number");
  EXPECT_EQ(fault(text_with("\"in_force\": [", "\"in_force\": [7,")), "in_force[0]: expected an object");
  EXPECT_EQ(fault(text_with("\"node-1\"", "[\"node-1\"]")), "node: expected a text");
}

TEST(Manifest, NeverNamesAPath) {
  for (const char* name : {"../../etc", "a/b", "..", ".", "", "a\\u0000b", "a b"}) {
    EXPECT_THAT(fault(text_with("bad-bot-blocker", name)), HasSubstr("module: expected a module's name")) << name;
    EXPECT_THAT(fault(text_with("1.4.2+2", name)), HasSubstr("label: expected a version's label")) << name;
    EXPECT_THAT(fault(text_with("node-1", name)), HasSubstr("node: expected a node's name")) << name;
    EXPECT_THAT(fault(text_with(std::string(64, 'a'), name)), HasSubstr("sha256: expected 64")) << name;
  }
  EXPECT_THAT(fault(text_with(std::string(64, 'a'), std::string(64, 'A'))), HasSubstr("sha256: expected 64"));
  EXPECT_THAT(fault(text_with(std::string(64, 'b'), "../x")), HasSubstr("config_sha256: expected 64"));
}

TEST(Manifest, IsBounded) {
  EXPECT_THAT(fault(std::string(kMaxManifestBytes + 1, ' ')), HasSubstr("larger than"));
  EXPECT_THAT(fault(std::string(100000, '[')), HasSubstr("nests deeper"));
  std::string times;
  for (std::size_t i = 0; i <= kMaxManifestTimes; ++i) times += "0,";
  EXPECT_THAT(fault(text_with("\"in_force\": [", "\"in_force\": [" + times)), HasSubstr("a list of at most 64"));
  EXPECT_THAT(fault(text_with("1.4.2+2", std::string(129, '1'))), HasSubstr("label: "));
}

TEST(Manifest, CutsWhatOthersWroteAtLengthAndReplacesWhatIsNoText) {
  Manifest manifest = example();
  manifest.record.times[0].reason = std::string(kMaxReasonInManifest - 1, 'x') + "\xc3\xa9 and more";
  manifest.record.times[0].by = "\xff";
  const auto read = manifest_from_json(to_json(manifest));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->record.times[0].reason, std::string(kMaxReasonInManifest - 1, 'x')) << "cut between characters";
  EXPECT_EQ(read->record.times[0].by, "\xef\xbf\xbd");
  manifest.record.times[0].reason = std::string(5000, '\xff');
  EXPECT_EQ(fault(to_json(manifest)), "taken");
}

TEST(ArchiveNames, TellWhichFileIsWhoseManifest) {
  EXPECT_EQ(manifest_name("v1", "node-1", 1), "v1@node-1.json");
  EXPECT_EQ(manifest_name("v1", "node-1", 2), "v1@node-1~2.json");
  for (const char* name : {"v1@node-1.json", "v1@node-1~2.json"}) EXPECT_TRUE(is_manifest_name(name, "v1", "node-1"));
  for (const char* name : {"v1@node-12.json", "v1@node-1~.json", "v1@node-1~2x.json", "v1@node-1", "v11@node-1.json"}) {
    EXPECT_FALSE(is_manifest_name(name, "v1", "node-1")) << name;
  }
}

}  // namespace
}  // namespace secbeat::archive
