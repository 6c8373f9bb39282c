#include "frame_writer.hpp"

#include <bit>
#include <cassert>
#include <cstddef>
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

  // Field by field to where the guest reads it: the guest's memory may be unaligned, and a copy of the whole struct
  // would wait for the stores into it.
  const auto put = [&](std::size_t offset, const auto& value) {
    std::memcpy(frame.data() + offset, &value, sizeof value);
  };
  put(offsetof(abi::Frame, magic), abi::kFrameMagic);
  put(offsetof(abi::Frame, total_len), static_cast<std::uint32_t>(frame.size()));
  put(offsetof(abi::Frame, fixed_len), std::uint32_t{sizeof(abi::Frame)});
  put(offsetof(abi::Frame, flags), request.flags);
  put(offsetof(abi::Frame, now_unix_ms), request.now_unix_ms);
  put(offsetof(abi::Frame, body_total_len), request.body_total_len);
  put(offsetof(abi::Frame, method), cursor.put(request.method));
  put(offsetof(abi::Frame, uri), cursor.put(request.uri));
  put(offsetof(abi::Frame, version), cursor.put(request.version));
  put(offsetof(abi::Frame, source_ip), cursor.put(request.source_ip));
  put(offsetof(abi::Frame, host), cursor.put(request.host));
  put(offsetof(abi::Frame, body), cursor.put(request.body));
  put(offsetof(abi::Frame, server_ip), cursor.put(request.server_ip));
  put(offsetof(abi::Frame, request_id), cursor.put(request.request_id));
  put(offsetof(abi::Frame, source_port), std::uint32_t{request.source_port});
  put(offsetof(abi::Frame, server_port), std::uint32_t{request.server_port});
  put(offsetof(abi::Frame, header_count), static_cast<std::uint32_t>(request.headers.size()));
  put(offsetof(abi::Frame, headers_off), std::uint32_t{sizeof(abi::Frame)});

  std::size_t offset = sizeof(abi::Frame);
  for (const HeaderView& header : request.headers) {
    put(offset + offsetof(abi::FrameHeaderField, name), cursor.put(header.name));
    put(offset + offsetof(abi::FrameHeaderField, value), cursor.put(header.value));
    offset += sizeof(abi::FrameHeaderField);
  }
  assert(cursor.next() == frame.size());
}

}  // namespace secbeat::engine
