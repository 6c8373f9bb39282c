// Requests that are made to be expensive for a rule: the fuel of each is counted at the rehearsal.
//
// Each is what a client can send through nginx with its default limits (a line of a header or of a request up to 8 KiB,
// 32 KiB of headers in all), and no more than a node inspects of a body.
#pragma once

#include "samples.hpp"

namespace secbeat::engine {

// Owns what the requests point at.
class CostRequests {
 public:
  CostRequests();
  CostRequests(const CostRequests&) = delete;
  CostRequests& operator=(const CostRequests&) = delete;

  [[nodiscard]] const std::vector<Sample>& all() const noexcept { return all_; }

 private:
  RequestView& add(std::string_view name, std::string_view uri);
  void add_uri(std::string_view name, std::string_view start, std::string_view piece);
  void add_header(std::string_view name, std::string_view header, std::string_view start, std::string_view piece);
  void add_body(std::string_view name, std::string_view type, std::string body);
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<std::string> texts_;
  std::deque<std::vector<HeaderView>> headers_;
  std::vector<Sample> all_;
};

}  // namespace secbeat::engine
