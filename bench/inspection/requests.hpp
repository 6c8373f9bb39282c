// The reference requests, thousands of them and no two alike: a rule that is measured on one request lies.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/engine/request.hpp"

namespace secbeat::bench {

// Owns what the requests point at. Thread safety: constant after construction.
class Requests {
 public:
  static constexpr std::size_t kCount = 4096;

  enum class Kind { kGet, kPost };
  // kGet: about 787 bytes on the wire, with a 309-byte cookie, a 102-byte query and a browser's headers.
  // kPost: a JSON body of about 2,039 bytes with 70 leaves, and headers of a client library.
  explicit Requests(Kind kind);
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  [[nodiscard]] const engine::RequestView& operator[](std::size_t i) const noexcept { return all_[i % kCount]; }
  [[nodiscard]] double mean_wire_bytes() const;

 private:
  engine::RequestView get(std::size_t number);
  engine::RequestView post(std::size_t number);
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<std::string> texts_;
  std::deque<std::vector<engine::HeaderView>> headers_;
  std::vector<engine::RequestView> all_;
};

}  // namespace secbeat::bench
