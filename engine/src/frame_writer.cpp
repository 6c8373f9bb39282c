#include "frame_writer.hpp"

#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <string_view>

namespace secbeat::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "the frame is written as it lies in memory");

// Copies texts one behind the other and says where they are.
class Cursor {
 public:
  Cursor(std::span<std::byte> frame, std::size_t start) noexcept : frame_(frame), next_(start) {}

  abi::Span put(std::string_view text) noexcept {
    const abi::Span place{static_cast<std::uint32_t>(next_), static_cast<std::uint32_t>(text.size())};
    if (!text.empty()) std::memcpy(frame_.data() + next_, text.data(), text.size());
    next_ += text.size();
    return place;
  }
  [[nodiscard]] std::size_t next() const noexcept { return next_; }

 private:
  std::span<std::byte> frame_;
  std::size_t next_;
};

}  // namespace

std::optional<std::uint32_t> frame_size(const RequestView& request) noexcept {
  // Lengths of things in memory cannot overflow 64 bits together: an address space is smaller.
  std::uint64_t size = sizeof(abi::Frame) + request.headers.size() * sizeof(abi::FrameHeaderField);
  size += request.method.size() + request.uri.size() + request.version.size() + request.source_ip.size() +
          request.host.size() + request.body.size() + request.server_ip.size() + request.request_id.size();
  for (const HeaderView& header : request.headers) size += header.name.size() + header.value.size();
  if (size > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(size);
}

void write_frame(const RequestView& request, std::span<std::byte> frame) noexcept {
  const std::size_t headers_size = request.headers.size() * sizeof(abi::FrameHeaderField);
  Cursor cursor(frame, sizeof(abi::Frame) + headers_size);

  abi::Frame fixed;
  fixed.magic = abi::kFrameMagic;
  fixed.total_len = static_cast<std::uint32_t>(frame.size());
  fixed.fixed_len = sizeof(abi::Frame);
  fixed.flags = request.flags;
  fixed.now_unix_ms = request.now_unix_ms;
  fixed.body_total_len = request.body_total_len;
  fixed.method = cursor.put(request.method);
  fixed.uri = cursor.put(request.uri);
  fixed.version = cursor.put(request.version);
  fixed.source_ip = cursor.put(request.source_ip);
  fixed.host = cursor.put(request.host);
  fixed.body = cursor.put(request.body);
  fixed.server_ip = cursor.put(request.server_ip);
  fixed.request_id = cursor.put(request.request_id);
  fixed.source_port = request.source_port;
  fixed.server_port = request.server_port;
  fixed.header_count = static_cast<std::uint32_t>(request.headers.size());
  fixed.headers_off = sizeof(abi::Frame);

  std::byte* place = frame.data() + sizeof(abi::Frame);
  for (const HeaderView& header : request.headers) {
    const abi::FrameHeaderField field{cursor.put(header.name), cursor.put(header.value)};
    std::memcpy(place, &field, sizeof field);
    place += sizeof field;
  }
  std::memcpy(frame.data(), &fixed, sizeof fixed);
  assert(cursor.next() == frame.size());
}

}  // namespace secbeat::engine
