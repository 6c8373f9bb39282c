#include "secbeat/control/protocol.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::control {
namespace {

using ::testing::HasSubstr;

Event long_event() {
  const std::string bytes(5000, '\xff');  // not UTF-8: each becomes three bytes
  return {1, bytes, bytes, bytes, "universal-waf", 3, std::string(500, '\x01'), bytes, std::string(5000, '\x01')};
}

Slot slot_named(std::string name) {
  Slot slot;
  slot.name = std::move(name);
  return slot;
}

template <class T>
T through_json(const T& message) {
  const auto read = message_from_json(to_json(Message(message)));
  EXPECT_TRUE(read.has_value()) << read.error().message;
  EXPECT_TRUE(std::holds_alternative<T>(*read));
  return std::get<T>(*read);
}

TEST(Protocol, EveryMessageComesBackFromJson) {
  const Hello hello = through_json(Hello{1, 4711, 3, 8, "0.1.0", 4700});
  EXPECT_EQ(hello.pid, 4711);
  EXPECT_EQ(hello.slot, 3U);
  EXPECT_EQ(hello.generation, 8U);
  EXPECT_EQ(hello.build, "0.1.0");
  EXPECT_EQ(hello.parent_pid, 4700);

  InForce in_force;
  in_force.generation = 9;
  in_force.slots.push_back(slot_named("a"));
  EXPECT_EQ(through_json(Stage{in_force}).in_force, in_force);

  EXPECT_EQ(through_json(Staged{9}).generation, 9U);
  EXPECT_EQ(through_json(Staged{9, "waf v1: no memory"}).failed_fallbacks, "waf v1: no memory");
  EXPECT_EQ(to_json(Message(Staged{9})).find("fallbacks"), std::string::npos);
  EXPECT_EQ(through_json(Hello{1, 4711, 3, 8, "0.1.0", 4700, "waf v1: gone"}).failed_fallbacks, "waf v1: gone");
  EXPECT_EQ(through_json(Commit{9}).generation, 9U);
  EXPECT_EQ(through_json(Abort{9}).generation, 9U);

  const StageFailed failed = through_json(StageFailed{9, "a", "configure_failed", "no such rule"});
  EXPECT_EQ(failed.generation, 9U);
  EXPECT_EQ(failed.module, "a");
  EXPECT_EQ(failed.code, "configure_failed");
  EXPECT_EQ(failed.message, "no such rule");

  const Serving serving = through_json(Serving{9, 2600});
  EXPECT_EQ(serving.generation, 9U);
  EXPECT_EQ(serving.pause_ns, 2600U);

  const Events events =
      through_json(Events{{{1763946003000, "GET", "/admin", "10.0.0.1", "a", 5, "block", "admin", "no way"}}});
  ASSERT_EQ(events.events.size(), 1U);
  EXPECT_EQ(events.events[0].unix_ms, 1763946003000);
  EXPECT_EQ(events.events[0].uri, "/admin");
  EXPECT_EQ(events.events[0].version_id, 5U);
  EXPECT_EQ(events.events[0].kind, "block");
}

TEST(Protocol, CutsLongTextsSoThatTheReaderTakesThem) {
  Events full;
  full.events.assign(kMaxEventsPerMessage + 5, long_event());
  EXPECT_LE(to_json(Message(full)).size(), kMaxMessageBytes);
  EXPECT_EQ(through_json(full).events.size(), kMaxEventsPerMessage);

  EXPECT_EQ(through_json(StageFailed{1, "a", "internal", std::string(100000, 'x')}).message.size(), kMaxFailureText);
  EXPECT_TRUE(message_from_json(to_json(Message(StageFailed{1, "a", "internal", std::string(9999, '\xff')}))));
  EXPECT_TRUE(message_from_json(to_json(Message(Hello{1, 1, 0, 0, std::string(9999, '\xff'), 0}))));
  EXPECT_TRUE(message_from_json(to_json(Message(Staged{1, std::string(9999, '\xff')}))));
}

TEST(Protocol, CutsBetweenCharacters) {
  Event event;
  event.uri = std::string(kMaxEventUri - 1, 'x') + "\xc3\xa9";
  EXPECT_EQ(through_json(Events{{event}}).events[0].uri, std::string(kMaxEventUri - 1, 'x'));
}

TEST(Protocol, RefusesWhatIsNoMessage) {
  for (const char* text :
       {"", "{}", "[]", "null", "{\"type\":\"shutdown\"}", "{\"type\":7}", "{\"type\":\"staged\"}",
        "{\"type\":\"staged\",\"generation\":-1}", "{\"type\":\"staged\",\"generation\":1,\"failed_fallbacks\":7}",
        "{\"type\":\"staged\",\"generation\":1.5}", "{\"type\":\"staged\",\"generation\":18446744073709551616}",
        "{\"type\":\"stage\",\"in_force\":[]}", "{\"type\":\"stage\",\"in_force\":{}}",
        "{\"type\":\"events\",\"events\":[1]}",
        "{\"type\":\"stage_failed\",\"generation\":1,\"module\":\"../a\",\"code\":\"io\",\"message\":\"\"}",
        "{\"type\":\"hello\",\"protocol\":1,\"pid\":0,\"slot\":0,\"generation\":0,\"build\":\"\",\"parent_pid\":0}",
        "{\"type\":\"hello\",\"protocol\":1,\"pid\":9999999999,\"slot\":0,\"generation\":0,\"build\":\"\","
        "\"parent_pid\":0}"}) {
    const auto result = message_from_json(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code, ErrorCode::kProtocol) << text;
  }
}

TEST(Protocol, RefusesALaterProtocolAndSaysWhatToDo) {
  const auto result = message_from_json(R"({"type":"hello","protocol":2})");
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("version 2, this build speaks 1"));
}

TEST(Protocol, NamesThePlaceInsideAStage) {
  InForce in_force;
  in_force.slots.push_back(slot_named("../a"));
  const auto result = message_from_json(to_json(Message(Stage{in_force})));
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("in_force.slots[0].name"));
}

class Packets : public ::testing::Test {
 protected:
  Packets() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    near_ = UniqueFd(fds[0]);
    far_ = UniqueFd(fds[1]);
  }
  UniqueFd near_;
  UniqueFd far_;
};

TEST_F(Packets, ArriveOneByOne) {
  ASSERT_TRUE(send_message(near_.get(), Staged{1}).has_value());
  ASSERT_TRUE(send_message(near_.get(), Serving{1, 5}).has_value());
  const auto first = receive_message(far_.get());
  ASSERT_TRUE(first.has_value() && first->has_value());
  EXPECT_EQ(std::get<Staged>(**first).generation, 1U);
  const auto second = receive_message(far_.get());
  ASSERT_TRUE(second.has_value() && second->has_value());
  EXPECT_EQ(std::get<Serving>(**second).pause_ns, 5U);
  const auto nothing = receive_message(far_.get());
  ASSERT_TRUE(nothing.has_value());
  EXPECT_FALSE(nothing->has_value());
}

TEST_F(Packets, TheLargestMessageFits) {
  InForce in_force;
  for (std::uint64_t id = 1; id <= 480; ++id) {
    if (id % 200 == 1) in_force.slots.push_back(slot_named("a" + std::to_string(id)));
    in_force.slots.back().versions.push_back(
        {id, "v1", std::string(64, 'a'), std::string(64, 'a'), std::string(64, 'b'), 1, "2025-11-24T01:00:03Z"});
  }
  ASSERT_GT(to_json(in_force).size(), kMaxDocumentBytes / 10 * 9);
  ASSERT_TRUE(send_message(near_.get(), Stage{in_force}).has_value());
  const auto received = receive_message(far_.get());
  ASSERT_TRUE(received.has_value() && received->has_value()) << received.error().message;
  EXPECT_EQ(std::get<Stage>(**received).in_force, in_force);
}

TEST_F(Packets, SendingNeverBlocks) {
  Result<void> sent;
  while ((sent = send_message(near_.get(), Staged{1}))) {
  }
  EXPECT_EQ(sent.error().code, ErrorCode::kProtocol);
  EXPECT_EQ(sent.error().message, "would block");
}

TEST_F(Packets, TooLongOnesAreRefusedOnBothSidesAndTakenOffTheSocket) {
  const std::string packet(kMaxMessageBytes + 1, ' ');
  EXPECT_EQ(send_packet(near_.get(), packet).error().code, ErrorCode::kTooLarge);
  ASSERT_EQ(::send(near_.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
  ASSERT_TRUE(send_message(near_.get(), Staged{1}).has_value());
  EXPECT_EQ(receive_message(far_.get()).error().code, ErrorCode::kProtocol);
  const auto next = receive_message(far_.get());
  ASSERT_TRUE(next.has_value() && next->has_value());
}

TEST_F(Packets, GarbageIsAProtocolError) {
  ASSERT_EQ(::send(near_.get(), "\x00\xff{", 3, 0), 3);
  EXPECT_EQ(receive_message(far_.get()).error().code, ErrorCode::kProtocol);
}

TEST_F(Packets, TheEndOfTheConnectionIsTold) {
  near_.reset();
  const auto received = receive_message(far_.get());
  ASSERT_FALSE(received.has_value());
  EXPECT_EQ(received.error().code, ErrorCode::kIo);
  EXPECT_EQ(received.error().message, "connection closed");
  EXPECT_EQ(send_message(far_.get(), Staged{1}).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace secbeat::control
