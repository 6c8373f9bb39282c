// A request as an inspection sees it: views into memory that the caller keeps until the call returns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "secbeat/abi/frame.h"

namespace secbeat::engine {

using abi::Verdict;

struct HeaderView {
  std::string_view name;  // lower case
  std::string_view value;
};

struct RequestView {
  std::string_view method;
  std::string_view uri;  // as received, with the query
  std::string_view version;
  std::string_view source_ip;
  std::string_view host;
  std::string_view server_ip;
  std::string_view request_id;
  std::string_view body;
  std::uint64_t body_total_len = 0;
  std::uint64_t now_unix_ms = 0;
  std::uint32_t flags = 0;  // abi::FrameFlags
  std::uint16_t source_port = 0;
  std::uint16_t server_port = 0;
  std::span<const HeaderView> headers;  // in the order received, repeated ones repeated
};

}  // namespace secbeat::engine
