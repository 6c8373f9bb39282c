#include "secbeat/control/in_force.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace secbeat::control {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Version version(std::uint64_t id, std::string label) {
  return {id, std::move(label), std::string(64, 'a'), "", std::string(64, 'b'), 22528, "2025-11-24T01:00:03Z"};
}

Slot empty_slot(std::string name) {
  Slot slot;
  slot.name = std::move(name);
  return slot;
}

InForce sample() {
  InForce in_force;
  in_force.generation = 7;
  in_force.body_over_limit = BodyOverLimit::kBlock;
  in_force.rate_limit_per_second = 2.5;
  in_force.rate_limit_burst = 3;
  Slot slot;
  slot.name = "universal-waf";
  slot.on_error = OnError::kClosed;
  slot.isolation = engine::Isolation::kRequest;
  slot.limits.memory_bytes = 65536;
  slot.versions = {version(12, "1.4.2+2"), version(9, "v1")};
  slot.versions[0].config_sha256 = std::string(64, '0');
  slot.current = 12;
  slot.previous = 9;
  in_force.slots = {slot, empty_slot("b")};
  return in_force;
}

Json sample_json() { return Json::parse(to_json(sample())); }

void expect_refused(const Json& json, const std::string& place) {
  const auto result = in_force_from_json(json.dump());
  ASSERT_FALSE(result.has_value()) << json;
  EXPECT_EQ(result.error().code, ErrorCode::kProtocol);
  EXPECT_THAT(result.error().message, HasSubstr(place));
}

TEST(InForce, ComesBackFromJsonAsItWas) {
  const auto read = in_force_from_json(to_json(sample()));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, sample());
}

TEST(InForce, EmptyDocumentComesBack) {
  const auto read = in_force_from_json(to_json(InForce{}));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, InForce{});
}

TEST(InForce, FindsSlotsAndVersions) {
  const InForce in_force = sample();
  ASSERT_NE(in_force.find("universal-waf"), nullptr);
  EXPECT_EQ(in_force.find("nobody"), nullptr);
  const Slot& slot = in_force.slots[0];
  EXPECT_EQ(slot.current_version()->label, "1.4.2+2");
  EXPECT_EQ(slot.previous_version()->label, "v1");
  EXPECT_EQ(slot.find(0), nullptr);
  EXPECT_EQ(slot.find(77), nullptr);
}

TEST(InForce, ADocumentThatIsOlderThanIsolationHasInstances) {
  Json json = sample_json();
  json["slots"][0].erase("isolation");
  const auto read = in_force_from_json(json.dump());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->slots[0].isolation, engine::Isolation::kInstance);
  json["slots"][0]["isolation"] = "process";
  expect_refused(json, "slots[0].isolation");
}

TEST(InForce, IgnoresKeysOfALaterWriter) {
  Json json = sample_json();
  json["later"] = {{"x", 1}};
  json["slots"][0]["versions"][0]["later"] = true;
  const auto read = in_force_from_json(json.dump());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, sample());
}

TEST(InForce, RefusesALaterFormat) {
  Json json = sample_json();
  json["format"] = 2;
  expect_refused(json, "format: this build reads format 1 only");
}

TEST(InForce, RefusesNamesThatLeaveTheirFolder) {
  for (const char* name : {"", "../x", "a/b", ".hidden", "-x", "a b", "a\n", "\xc3\xa9"}) {
    Json json = sample_json();
    json["slots"][0]["name"] = name;
    expect_refused(json, "slots[0].name");
  }
  Json json = sample_json();
  json["slots"][0]["name"] = std::string(65, 'a');
  expect_refused(json, "slots[0].name");
}

TEST(InForce, RefusesWhatIsNoHash) {
  for (const std::string& hash : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
                                  "../" + std::string(61, 'a'), std::string()}) {
    Json json = sample_json();
    json["slots"][0]["versions"][1]["artifact_sha256"] = hash;
    expect_refused(json, "slots[0].versions[1].artifact_sha256");
    json = sample_json();
    json["slots"][0]["versions"][1]["sha256"] = hash;
    expect_refused(json, "slots[0].versions[1].sha256");
    if (hash.empty()) continue;
    json = sample_json();
    json["slots"][0]["versions"][1]["config_sha256"] = hash;
    expect_refused(json, "slots[0].versions[1].config_sha256");
  }
}

TEST(InForce, RefusesLabelsThatBreakAHeader) {
  for (const char* label : {"", "a b", "a\r\nX: y", "a/b", "a;b", "a\"b"}) {
    Json json = sample_json();
    json["slots"][0]["versions"][0]["label"] = label;
    expect_refused(json, "slots[0].versions[0].label");
  }
}

TEST(InForce, RefusesPointersToVersionsThatAreNotThere) {
  Json json = sample_json();
  json["slots"][0]["current"] = 13;
  expect_refused(json, "slots[0].current: no version has this id");
  json = sample_json();
  json["slots"][0]["previous"] = 13;
  expect_refused(json, "slots[0].previous: no version has this id");
}

TEST(InForce, RefusesRepeatedNamesAndIds) {
  Json json = sample_json();
  json["slots"][1]["name"] = "universal-waf";
  expect_refused(json, "two slots have the name universal-waf");
  json = sample_json();
  json["slots"][0]["versions"][1]["id"] = 12;
  json["slots"][0]["previous"] = 12;
  expect_refused(json, "two versions have the id 12");
}

TEST(InForce, RefusesWrongTypesAndRangesAndMissingKeysEverywhere) {
  // Each value in turn becomes a thing that it may not be, each key in turn is left out.
  const Json flat = sample_json().flatten();
  for (const auto& [pointer, value] : flat.items()) {
    if (value.is_structured()) continue;
    for (const Json& wrong : {Json(nullptr), Json(-1), Json(true), Json::array(), Json::object()}) {
      Json json = sample_json();
      if (json[Json::json_pointer(pointer)] == wrong) continue;  // an empty array is flat
      json[Json::json_pointer(pointer)] = wrong;
      EXPECT_FALSE(in_force_from_json(json.dump()).has_value()) << pointer << " = " << wrong;
    }
    if (pointer.ends_with("/isolation")) continue;  // may be absent: see above
    Json json = sample_json();
    const Json::json_pointer place(pointer);
    json[place.parent_pointer()].erase(place.back());
    EXPECT_FALSE(in_force_from_json(json.dump()).has_value()) << pointer << " left out";
  }
}

TEST(InForce, TellsWhereTheJsonBreaks) {
  const auto result = in_force_from_json(R"({"format": 1, "generation": })");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message, "bad JSON at byte 29");
  EXPECT_EQ(in_force_from_json("[]").error().message, "expected a JSON object");
  EXPECT_EQ(in_force_from_json("").error().code, ErrorCode::kProtocol);
  EXPECT_EQ(in_force_from_json("{\"format\": 1e999}").error().code, ErrorCode::kProtocol);
  EXPECT_EQ(in_force_from_json("{\"a\": \"\xff\"}").error().code, ErrorCode::kProtocol);
}

TEST(InForce, RefusesDeepAndLongTexts) {
  const std::string deep = "{\"a\":" + std::string(50000, '[');
  EXPECT_THAT(in_force_from_json(deep).error().message, HasSubstr("nests deeper"));
  EXPECT_THAT(in_force_from_json(std::string(kMaxDocumentBytes + 1, ' ')).error().message, HasSubstr("longer than"));
  // Brackets in a text are no nesting.
  Json json = sample_json();
  json["later"] = "\\\"" + std::string(100, '[');
  EXPECT_TRUE(in_force_from_json(json.dump()).has_value());
}

TEST(InForce, WordsOfOnErrorComeBack) {
  for (const OnError policy : {OnError::kPrevious, OnError::kOpen, OnError::kClosed}) {
    EXPECT_EQ(on_error_of(word_of(policy)), policy);
  }
  EXPECT_EQ(on_error_of("maybe"), std::nullopt);
}

}  // namespace
}  // namespace secbeat::control
