// The built-in sample requests: what every version must decide before it may serve.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/engine/request.hpp"

namespace secbeat::engine {

struct Sample {
  std::string_view name;
  RequestView request;
};

// Owns what the requests point at.
class Samples {
 public:
  Samples();
  Samples(const Samples&) = delete;
  Samples& operator=(const Samples&) = delete;

  [[nodiscard]] const std::vector<Sample>& all() const noexcept { return all_; }

 private:
  RequestView& add(std::string_view name, std::string_view method, std::string_view uri);
  void set_headers(RequestView& request, std::vector<HeaderView> headers);
  void set_body(RequestView& request, std::string_view body);
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<std::string> texts_;
  std::deque<std::vector<HeaderView>> headers_;
  std::vector<Sample> all_;
};

}  // namespace secbeat::engine
