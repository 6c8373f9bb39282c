// The JSON object that a module of ABI 1 reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/engine/request.hpp"

namespace secbeat::engine {

// Thread safety: owned by one thread; it keeps its buffers between requests.
class JsonInput {
 public:
  // {"method","uri","version","source_ip","headers":{…},"body"}. Headers of one name are joined by ", ", cookies by
  // "; "; bytes that are no UTF-8 become U+FFFD. The text is at most six times as long as the request, and stays
  // until the next call.
  std::string_view write(const RequestView& request);

 private:
  void put_member(std::string_view name, std::string_view value);
  void put_headers(std::span<const HeaderView> headers);
  void put_escaped(std::string_view text);

  std::string text_;
  std::vector<std::uint32_t> order_;  // of the headers: by name, then as received
};

}  // namespace secbeat::engine
