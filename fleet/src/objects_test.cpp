// Objects as the official tools lay them: what is not in the C client is held against the messages themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nats_handles.hpp"
#include "nats_server.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/fleet/contents.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kLimit = 4 << 20U;

std::string bytes_of(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

class FleetObjects : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(connection_->make_object_bucket({.name = "m"}));
    ASSERT_TRUE(connection_->make_object_bucket({.name = "m"}));
    natsConnection* connection = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&connection, server_.url().c_str()), NATS_OK);
    raw_.reset(connection);
    jsCtx* context = nullptr;
    ASSERT_EQ(natsConnection_JetStream(&context, connection, nullptr), NATS_OK);
    js_.reset(context);
  }
  MessageHandle last(const char* subject) {
    natsMsg* message = nullptr;
    EXPECT_EQ(js_GetLastMsg(&message, js_.get(), "OBJ_m", subject, nullptr, nullptr), NATS_OK) << subject;
    return MessageHandle(message);
  }
  void put_metadata(const std::string& text) {
    ASSERT_EQ(js_Publish(nullptr, js_.get(), kMetadata, text.data(), static_cast<int>(text.size()), nullptr, nullptr),
              NATS_OK);
  }

  static constexpr const char* kMetadata = "$O.m.M.bmFtZQ==";  // of "name"

  NatsServer server_;
  std::unique_ptr<Connection> connection_ = server_.connect();
  JetStreamHandle js_;
  ConnectionHandle raw_;
};

TEST_F(FleetObjects, AreReadAsTheyWereWritten) {
  for (const std::size_t size : {0UL, 1UL, 131072UL, 131073UL, 1000000UL}) {
    const std::string bytes = bytes_of(size);
    const std::string name = "object-" + std::to_string(size);
    const auto put = connection_->put_object("m", name, bytes);
    ASSERT_TRUE(put) << put.error().message;
    const auto got = connection_->get_object("m", name, kLimit);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, bytes) << size;
  }
  EXPECT_EQ(connection_->get_object("m", "object-1000000", 999999).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(connection_->get_object("m", "none", kLimit).error().code, ErrorCode::kNotFound);
}

TEST_F(FleetObjects, LieAsTheOfficialToolsReadThem) {
  ASSERT_TRUE(connection_->put_object("m", "name", "hello"));
  const MessageHandle message = last(kMetadata);
  const auto json = nlohmann::json::parse(std::string(natsMsg_GetData(message.get())));
  EXPECT_EQ(json["name"], "name");
  EXPECT_EQ(json["bucket"], "m");
  EXPECT_EQ(json["size"], 5);
  EXPECT_EQ(json["chunks"], 1);
  EXPECT_EQ(json["digest"], "SHA-256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  EXPECT_EQ(json["options"]["max_chunk_size"], 131072);
  const char* rollup = nullptr;
  ASSERT_EQ(natsMsgHeader_Get(message.get(), "Nats-Rollup", &rollup), NATS_OK);
  EXPECT_STREQ(rollup, "sub");
  const std::string chunk = "$O.m.C." + json["nuid"].get<std::string>();
  EXPECT_STREQ(natsMsg_GetData(last(chunk.c_str()).get()), "hello");
}

TEST_F(FleetObjects, KeepNoChunksOfWhatWasReplaced) {
  ASSERT_TRUE(connection_->put_object("m", "name", bytes_of(300000)));
  ASSERT_TRUE(connection_->put_object("m", "name", "short"));
  ASSERT_TRUE(connection_->put_object("m", "name", "short"));
  jsStreamInfo* info = nullptr;
  ASSERT_EQ(js_GetStreamInfo(&info, js_.get(), "OBJ_m", nullptr, nullptr), NATS_OK);
  const StreamInfoHandle owned(info);
  EXPECT_EQ(info->State.Msgs, 2) << "one chunk and its metadata";
  EXPECT_EQ(connection_->get_object("m", "name", kLimit).value(), "short");
}

// Else nobody could ever put these bytes again.
TEST_F(FleetObjects, AreWrittenAnewWhereTheirChunksAreGone) {
  ASSERT_TRUE(connection_->put_object("m", "name", bytes_of(300000)));
  jsOptions purge;
  jsOptions_Init(&purge);
  purge.Stream.Purge.Subject = "$O.m.C.>";
  ASSERT_EQ(js_PurgeStream(js_.get(), "OBJ_m", &purge, nullptr), NATS_OK);
  EXPECT_EQ(connection_->get_object("m", "name", kLimit).error().code, ErrorCode::kProtocol);
  ASSERT_TRUE(connection_->put_object("m", "name", bytes_of(300000)));
  EXPECT_EQ(connection_->get_object("m", "name", kLimit).value(), bytes_of(300000));
}

TEST_F(FleetObjects, AreRefusedUnlessTheyAreWhole) {
  ASSERT_TRUE(connection_->put_object("m", "name", bytes_of(300000)));
  const auto good = nlohmann::json::parse(std::string(natsMsg_GetData(last(kMetadata).get())));
  const auto refused_with = [&](const char* key, const nlohmann::json& value, const char* message) {
    auto bad = good;
    bad[key] = value;
    put_metadata(bad.dump());
    const auto got = connection_->get_object("m", "name", kLimit);
    ASSERT_FALSE(got) << key;
    EXPECT_EQ(got.error().code, ErrorCode::kProtocol) << key;
    EXPECT_THAT(got.error().message, HasSubstr(message)) << key;
  };
  refused_with("size", 299999, "longer than its metadata say");
  refused_with("digest", "SHA-256=AAAA", "checksum");
  refused_with("chunks", 2, "not whole");
  refused_with("chunks", 4, "missing");
  refused_with("nuid", "*", "cannot be read");
  refused_with("nuid", 5, "cannot be read");
  put_metadata("{");
  EXPECT_EQ(connection_->get_object("m", "name", kLimit).error().code, ErrorCode::kProtocol);
  put_metadata(good.dump());
  EXPECT_EQ(connection_->get_object("m", "name", kLimit).value(), bytes_of(300000));
}

// Whoever may write the bucket may write metadata that fit.
TEST_F(FleetObjects, AreTheContentThatTheirNameSays) {
  ASSERT_TRUE(connection_->make_object_bucket({.name = kModulesBucket}));
  const std::string sha256 = sha256_hex("wanted");
  ASSERT_TRUE(connection_->put_object(kModulesBucket, sha256, "wanted"));
  EXPECT_EQ(get_content(*connection_, sha256, kLimit).value(), "wanted");
  EXPECT_EQ(get_content(*connection_, sha256, 1).error().code, ErrorCode::kTooLarge);
  ASSERT_TRUE(connection_->put_object(kModulesBucket, sha256, "others"));
  const auto others = get_content(*connection_, sha256, kLimit);
  ASSERT_FALSE(others);
  EXPECT_EQ(others.error().code, ErrorCode::kProtocol);
  EXPECT_THAT(others.error().message, HasSubstr("other bytes"));
}

TEST_F(FleetObjects, AreRemovedWhereNobodyWantsThemAnyMore) {
  const std::string bytes = bytes_of(300000);
  for (const char* name : {"wanted", "old", "put again"}) ASSERT_TRUE(connection_->put_object("m", name, bytes));
  const auto is_wanted = [](std::string_view name) { return name == "wanted"; };
  EXPECT_EQ(connection_->remove_objects("m", RealClock().now() - std::chrono::hours(1), is_wanted), 0U) << "too young";
  natsMsg* raw = nullptr;
  ASSERT_EQ(js_GetLastMsg(&raw, js_.get(), "OBJ_m", "$O.m.M.b2xk", nullptr, nullptr), NATS_OK);
  const MessageHandle old(raw);
  const SystemTime put{std::chrono::milliseconds(natsMsg_GetTime(raw) / 1'000'000 + 1)};
  ASSERT_TRUE(eventually([&] { return RealClock().now() > put; }));
  ASSERT_TRUE(connection_->put_object("m", "put again", bytes));
  EXPECT_EQ(connection_->remove_objects("m", put, is_wanted), 1U);
  EXPECT_EQ(connection_->get_object("m", "old", kLimit).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(connection_->get_object("m", "wanted", kLimit), bytes);
  EXPECT_EQ(connection_->get_object("m", "put again", kLimit), bytes);
  jsStreamInfo* info = nullptr;
  ASSERT_EQ(js_GetStreamInfo(&info, js_.get(), "OBJ_m", nullptr, nullptr), NATS_OK);
  EXPECT_EQ(info->State.Msgs, 2U * (3 + 1)) << "chunks and metadata of two";
  jsStreamInfo_Destroy(info);
  ASSERT_TRUE(connection_->put_object("m", "old", bytes));
  EXPECT_EQ(connection_->get_object("m", "old", kLimit), bytes);
}

}  // namespace
}  // namespace secbeat::fleet
