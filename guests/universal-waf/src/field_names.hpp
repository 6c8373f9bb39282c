// The names of fields and transformations, as rule documents write them, and the table of those that a document uses.
#pragma once

#include "rules.hpp"

namespace secbeat::waf {

// "URI", "Header:User-Agent", "JSON:/user/name". Empty where it is well, else what is wrong.
StringView parse_field(StringView text, FieldKind& kind, StringView& name);
bool parse_transformation(StringView text, Transformation& found);

// The fields that the rules use, each once.
class TargetTable {
 public:
  TargetTable(RuleSet& rules, Arena& kept, Arena& temporary);

  // The number of the target that is equal to `wanted`, whose name may be written in any case. kNoLimit where there are
  // too many.
  uint32_t number_of(Target wanted, StringView name);

 private:
  static constexpr uint32_t kSlots = 1U << 15U;
  static constexpr uint32_t kMost = kSlots / 2;

  bool add_pointer(StringView name, uint32_t& number);

  RuleSet& rules_;
  Arena& kept_;
  uint16_t* slots_;  // number + 1, 0: free
  uint32_t transformed_ = 0;
};

}  // namespace secbeat::waf
