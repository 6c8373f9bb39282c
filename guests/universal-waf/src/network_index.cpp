#include "network_index.hpp"

#include "text.hpp"

namespace secbeat::waf {

uint32_t NetworkIndex::slot_of(const Network& network) const {
  const auto* const bytes = reinterpret_cast<const char*>(network.address);
  uint64_t hash = (load64(bytes) ^ network.bits) * 0x9E37'79B9'7F4A'7C15U;
  hash = (hash ^ (hash >> 31U) ^ load64(bytes + 8)) * 0xBF58'476D'1CE4'E5B9U;
  return static_cast<uint32_t>(hash >> 33U) % slot_count_;
}

void NetworkIndex::build(const RuleSet& rules, Arena& kept) {
  uint32_t count = 0;
  for (const NetworkOfTest& one : rules.networks) count += rules.tests[one.test].rule != kNoLimit ? 1 : 0;
  if (count == 0) return;
  while (slot_count_ < count * 2) slot_count_ *= 2;
  slots_ = kept.take_array<uint32_t>(slot_count_);
  for (uint32_t i = 0; i < slot_count_; ++i) slots_[i] = 0;
  for (const NetworkOfTest& one : rules.networks) {
    if (rules.tests[one.test].rule == kNoLimit) continue;
    uint32_t& slot = slots_[slot_of(one.network)];
    entries_.push(kept, {one.network, one.test, slot});
    slot = entries_.size();
    used_bits_[one.network.bits] = true;
  }
}

}  // namespace secbeat::waf
