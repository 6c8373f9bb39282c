// Whether one condition holds wherever another does, as far as their texts show. What it says is certain; what it does
// not say may be so all the same.
//
// Thread safety: a Cover is owned by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "terminal/terminal.hpp"

namespace secbeat::cli {

// The conditions of which all must hold, taken out of a rule or a condition that the module takes.
class Conjunction {
 public:
  explicit Conjunction(const Json& condition);

  [[nodiscard]] const std::vector<Json>& parts() const { return parts_; }
  // Cheap: false only where covers(*this, narrow) is false.
  [[nodiscard]] bool may_cover(const Conjunction& narrow) const { return (needs_ & ~narrow.has_) == 0; }

 private:
  std::vector<Json> parts_;
  std::uint64_t needs_ = 0;  // a bit for each field that has to match
  std::uint64_t has_ = 0;    // those of which something is known
};

class Cover {
 public:
  // Whether `wide` holds for each request for which `narrow` does.
  bool covers(const Conjunction& wide, const Conjunction& narrow);

  // A document with very many alike rules would take for ever: from here on nothing is looked at any more.
  [[nodiscard]] bool is_exhausted() const { return steps_ > kMostSteps; }

 private:
  static constexpr std::uint64_t kMostSteps = 1'000'000'000;  // a few seconds

  bool condition_covers(const Json& wide, const Json& narrow);
  bool leaf_covers(const Json& wide, const Json& narrow);
  bool patterns_cover(const Json& wide, const Json& narrow);
  bool glob_covers(const std::u16string& wide, const std::u16string& narrow);

  std::uint64_t steps_ = 0;
};

// Whether a rule holds for every request: one whose condition is a field that every request has, whatever it says.
bool holds_for_every_request(const Conjunction& rule);

}  // namespace secbeat::cli
