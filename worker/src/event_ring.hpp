// Events on their way from the event loop to the helper thread: a bounded ring of fixed-size records, so that
// recording one never allocates or waits. What does not fit is dropped by its producer, who counts it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "secbeat/control/protocol.hpp"

namespace secbeat::worker {

// Text of at most kCapacity bytes; what is longer is cut. Value type.
template <std::size_t kCapacity>
class FixedText {
 public:
  void assign(std::string_view text) noexcept {
    size_ = static_cast<std::uint16_t>(text.copy(bytes_.data(), kCapacity));
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), size_}; }

 private:
  static_assert(kCapacity <= UINT16_MAX);
  std::uint16_t size_ = 0;
  std::array<char, kCapacity> bytes_;
};

struct EventRecord {
  std::int64_t unix_ms = 0;
  std::uint64_t version_id = 0;
  std::string_view kind;    // of a constant
  FixedText<32> method;     // longer than any registered method
  FixedText<64> source_ip;  // longer than any textual address
  FixedText<64> module;     // the longest module name
  FixedText<control::kMaxEventUri> uri;
  FixedText<control::kMaxEventText> rule;
  FixedText<control::kMaxEventText> message;
};

control::Event to_event(const EventRecord& record);

// Thread safety: claim and publish by the producer's thread, the rest by the consumer's.
class EventRing {
 public:
  static constexpr std::size_t kCapacity = 256;  // 2,500 events a second at the helper's ten looks a second

  EventRing() : records_(std::make_unique<std::array<EventRecord, kCapacity>>()) {}

  // A record to fill in, which publish() makes visible; null where the ring is full.
  [[nodiscard]] EventRecord* claim() noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return nullptr;
    return &(*records_)[tail % kCapacity];
  }
  void publish() noexcept { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  [[nodiscard]] std::size_t size() const noexcept {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed);
  }
  // REQUIRES: index < size().
  [[nodiscard]] const EventRecord& at(std::size_t index) const noexcept {
    return (*records_)[(head_.load(std::memory_order_relaxed) + index) % kCapacity];
  }
  // REQUIRES: count <= size().
  void pop(std::size_t count) noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  std::unique_ptr<std::array<EventRecord, kCapacity>> records_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::atomic<std::size_t> head_{0};
};

}  // namespace secbeat::worker
