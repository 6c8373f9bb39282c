#include "event_ring.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace secbeat::worker {
namespace {

TEST(EventRing, RefusesWhatDoesNotFit) {
  EventRing ring;
  for (std::size_t i = 0; i < EventRing::kCapacity; ++i) {
    ASSERT_NE(ring.claim(), nullptr);
    ring.publish();
  }
  EXPECT_EQ(ring.claim(), nullptr);
  ring.pop(1);
  EXPECT_NE(ring.claim(), nullptr);
}

TEST(EventRing, CutsTextThatIsTooLong) {
  EventRecord record;
  record.uri.assign(std::string(5000, 'a'));
  record.method.assign("GET");
  const control::Event event = to_event(record);
  EXPECT_EQ(event.uri, std::string(control::kMaxEventUri, 'a'));
  EXPECT_EQ(event.method, "GET");
}

TEST(EventRing, HandsOverInOrderBetweenThreads) {
  constexpr std::uint64_t kEvents = 20'000;
  EventRing ring;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < kEvents;) {
      EventRecord* record = ring.claim();
      if (record == nullptr) {
        std::this_thread::yield();
        continue;
      }
      record->version_id = i++;
      record->message.assign(std::to_string(record->version_id));
      ring.publish();
    }
  });
  for (std::uint64_t expected = 0; expected < kEvents;) {
    if (ring.size() == 0) {
      std::this_thread::yield();
      continue;
    }
    const control::Event event = to_event(ring.at(0));
    ASSERT_EQ(event.version_id, expected);
    ASSERT_EQ(event.message, std::to_string(expected));
    ring.pop(1);
    ++expected;
  }
  producer.join();
}

}  // namespace
}  // namespace secbeat::worker
